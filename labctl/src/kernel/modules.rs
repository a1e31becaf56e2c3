//! Loadable modules of a packaged kernel: what each depends on, and the order in which an initramfs has to load them.
//!
//! The packages ship no `modules.dep` (depmod runs when they are installed), but each module names its dependencies itself.

use std::collections::{BTreeMap, BTreeSet};

/// A module's name as `depends=` spells it: `-` and `_` mean the same to the kernel, which writes `_`.
///
/// `path` may be a file name with folders and with `.ko`, `.ko.xz`, `.ko.zst` or `.ko.gz`.
#[must_use]
pub fn name_of(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    let stem = file.find(".ko").map_or(file, |end| &file[..end]);
    stem.replace('-', "_")
}

/// The modules that one needs, from the bytes of its `.modinfo` section: entries `key=value`, each ended by a zero byte
/// (`include/linux/module.h`, `MODULE_INFO`).
#[must_use]
pub fn depends(modinfo: &[u8]) -> Vec<String> {
    modinfo
        .split(|byte| *byte == 0)
        .filter_map(|entry| std::str::from_utf8(entry).ok())
        .filter_map(|entry| entry.strip_prefix("depends="))
        .flat_map(|list| list.split(','))
        .filter(|name| !name.is_empty())
        .map(name_of)
        .collect()
}

/// Why modules cannot be put into an order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// A module that was asked for, or that another one needs, is not there.
    #[error("module `{name}` is not in the kernel package{}", .needed_by.as_ref().map(|by| format!(" (`{by}` needs it)")).unwrap_or_default())]
    Missing {
        /// The module.
        name: String,
        /// Who needs it, if it was not asked for by name.
        needed_by: Option<String>,
    },
    /// Modules that need each other; the kernel's own build refuses such a set.
    #[error("module `{name}` needs itself")]
    Cycle {
        /// One of them.
        name: String,
    },
}

/// The modules to load for `wanted`, each after all it depends on.
///
/// `available` maps every module's name to what it depends on. The order depends on the arguments only.
///
/// # Errors
/// [`OrderError`] when one is missing or needs itself.
pub fn load_order(
    wanted: &[String],
    available: &BTreeMap<String, Vec<String>>,
) -> Result<Vec<String>, OrderError> {
    let mut walk = Walk {
        available,
        order: Vec::new(),
        loaded: BTreeSet::new(),
        open: BTreeSet::new(),
    };
    for name in wanted {
        walk.visit(&name_of(name), None)?;
    }
    Ok(walk.order)
}

struct Walk<'a> {
    available: &'a BTreeMap<String, Vec<String>>,
    order: Vec<String>,
    loaded: BTreeSet<String>,
    open: BTreeSet<String>,
}

impl Walk<'_> {
    fn visit(&mut self, name: &str, needed_by: Option<&str>) -> Result<(), OrderError> {
        if self.loaded.contains(name) {
            return Ok(());
        }
        if !self.open.insert(name.to_owned()) {
            return Err(OrderError::Cycle {
                name: name.to_owned(),
            });
        }
        let available = self.available;
        let needs = available.get(name).ok_or_else(|| OrderError::Missing {
            name: name.to_owned(),
            needed_by: needed_by.map(str::to_owned),
        })?;
        for need in needs {
            self.visit(need, Some(name))?;
        }
        self.open.remove(name);
        self.loaded.insert(name.to_owned());
        self.order.push(name.to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn available(list: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
        list.iter()
            .map(|(name, needs)| {
                (
                    (*name).to_owned(),
                    needs.iter().map(|n| (*n).to_owned()).collect(),
                )
            })
            .collect()
    }

    #[test]
    fn dependencies_come_first_and_once() {
        let available = available(&[
            ("virtio_net", &["net_failover"]),
            ("net_failover", &["failover"]),
            ("failover", &[]),
            ("erofs", &["libcrc32c"]),
            ("libcrc32c", &[]),
        ]);
        let order = load_order(
            &["virtio_net".into(), "erofs".into(), "failover".into()],
            &available,
        )
        .unwrap();
        assert_eq!(
            order,
            ["failover", "net_failover", "virtio_net", "libcrc32c", "erofs"]
        );
    }

    #[test]
    fn a_missing_one_names_who_needs_it() {
        let error = load_order(
            &["virtio_net".into()],
            &available(&[("virtio_net", &["net_failover"])]),
        )
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "module `net_failover` is not in the kernel package (`virtio_net` needs it)"
        );
        let error = load_order(&["rdma-rxe".into()], &BTreeMap::new()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "module `rdma_rxe` is not in the kernel package"
        );
    }

    #[test]
    fn a_circle_is_an_error() {
        let error = load_order(&["a".into()], &available(&[("a", &["b"]), ("b", &["a"])])).unwrap_err();
        assert_eq!(error, OrderError::Cycle { name: "a".into() });
    }

    #[test]
    fn names_and_dependencies_are_read_as_the_kernel_writes_them() {
        assert_eq!(
            name_of("kernel/drivers/char/hw_random/virtio-rng.ko.xz"),
            "virtio_rng"
        );
        assert_eq!(
            depends(b"license=GPL\0depends=net_failover,crc32c-intel\0name=virtio_net\0"),
            ["net_failover", "crc32c_intel"]
        );
        assert!(depends(b"depends=\0").is_empty());
    }
}
