//! The initramfs as a tree: a function of the description, the packages' files, the kernel's modules and our own
//! files. Nothing here reads or runs anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use lab_disk::{Node, Tree, TreeError};

use super::applets::applets;
use super::needed::{self, NeededError};
use super::spec::BaseSpec;

/// Folders of every guest, with their modes.
const DIRECTORIES: [(&str, u32); 17] = [
    ("dev", 0o755),
    ("etc/lab", 0o755),
    ("lab/bin", 0o755),
    ("lab/modules", 0o755),
    ("layers", 0o755),
    ("mnt", 0o755),
    ("proc", 0o755),
    ("root", 0o700),
    ("root/.ssh", 0o700),
    ("run", 0o755),
    ("sys", 0o755),
    ("tmp", 0o1777),
    ("usr/bin", 0o755),
    ("usr/lib", 0o755),
    ("usr/lib64", 0o755),
    ("usr/sbin", 0o755),
    ("var/log", 0o755),
];
/// The merged `/usr`.
const LINKS: [(&str, &str); 4] = [
    ("bin", "usr/bin"),
    ("lib", "usr/lib"),
    ("lib64", "usr/lib64"),
    ("sbin", "usr/sbin"),
];
/// Folder of the packaged kernel's modules, and the list that lab-init loads them by.
const MODULE_DIR: &str = "usr/lib/modules";
const MODULE_LIST: &str = "etc/lab/modules";
/// The tool layers that lab-init mounts.
const LAYER_LIST: &str = "etc/lab/layers";

/// A module that the guest loads before anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelModule {
    /// `virtio_net.ko`.
    pub file_name: String,
    /// Uncompressed.
    pub data: Arc<[u8]>,
}

/// What the initramfs is made of.
#[derive(Debug, Clone, Copy)]
pub struct BaseInputs<'a> {
    pub spec: &'a BaseSpec,
    /// Every file of the base's packages.
    pub pool: &'a Tree,
    /// Path -> contents of the files beside the description; they win over packages.
    pub overlay: &'a BTreeMap<String, Vec<u8>>,
    /// The guest's process 1, a static executable.
    pub init: &'a [u8],
    /// In load order.
    pub modules: &'a [KernelModule],
    /// Names of the layers, in the order of the disks that they will be on.
    pub layers: &'a [String],
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error(transparent)]
    Needed(#[from] NeededError),
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error("no table of applets can be found in `{path}`")]
    NoApplets { path: String },
    #[error("{count} layers are more than there are disks")]
    TooManyLayers { count: usize },
}

/// Puts the initramfs together.
///
/// # Errors
/// [`PlanError`], naming what is missing.
pub fn plan(inputs: &BaseInputs<'_>) -> Result<Tree, PlanError> {
    let mut tree = Tree::new();
    for (path, mode) in DIRECTORIES {
        tree.insert_dir(path, mode)?;
    }
    for (link, target) in LINKS {
        tree.insert_symlink(link, target)?;
    }
    // Early output of the kernel and of process 1 goes here; nothing else could make the node before.
    let console = Node::CharDevice {
        mode: 0o600,
        major: 5,
        minor: 1,
    };
    tree.insert("dev/console", console)?;
    add_programs(&mut tree, inputs)?;
    for (path, mode) in &inputs.spec.directories {
        tree.insert_dir(path.as_str(), *mode)?;
    }
    for (link, target) in &inputs.spec.links {
        tree.insert_symlink(link.as_str(), target.clone())?;
    }
    for (path, data) in inputs.overlay {
        let mode = if data.starts_with(b"#!") { 0o755 } else { 0o644 };
        tree.insert_file(path, mode, data.as_slice())?;
    }
    add_modules(&mut tree, inputs.modules)?;
    add_layer_list(&mut tree, inputs.layers)?;
    tree.insert_file("init", 0o755, inputs.init)?;
    Ok(tree)
}

fn add_programs(tree: &mut Tree, inputs: &BaseInputs<'_>) -> Result<(), PlanError> {
    for path in needed::closure(inputs.pool, &inputs.spec.programs)? {
        if let Some(node) = inputs.pool.get(path.as_str()) {
            tree.insert(path.as_str(), node.clone())?;
        }
    }
    let Some(busybox) = &inputs.spec.applets else {
        return Ok(());
    };
    let no_applets = || PlanError::NoApplets {
        path: busybox.to_string(),
    };
    let data = inputs.pool.file(busybox.as_str()).ok_or_else(no_applets)?;
    for applet in applets(data).ok_or_else(no_applets)? {
        let link = format!("usr/bin/{applet}");
        // What a package ships under that name is the better one.
        if tree.get(&link).is_none() {
            tree.insert_symlink(&link, format!("/{busybox}"))?;
        }
    }
    Ok(())
}

fn add_modules(tree: &mut Tree, modules: &[KernelModule]) -> Result<(), PlanError> {
    if modules.is_empty() {
        return Ok(());
    }
    let mut list = String::new();
    for module in modules {
        let path = format!("{MODULE_DIR}/{}", module.file_name);
        tree.insert_file(&path, 0o644, Arc::clone(&module.data))?;
        list.push_str(&format!("/{path}\n"));
    }
    tree.insert_file(MODULE_LIST, 0o644, list.into_bytes())?;
    Ok(())
}

fn add_layer_list(tree: &mut Tree, layers: &[String]) -> Result<(), PlanError> {
    if layers.is_empty() {
        return Ok(());
    }
    let mut list = String::new();
    for (index, name) in layers.iter().enumerate() {
        let letter = u8::try_from(index).ok().filter(|index| *index < 26);
        let letter = letter.ok_or(PlanError::TooManyLayers { count: layers.len() })?;
        list.push_str(&format!("/dev/vd{} {name}\n", char::from(b'a' + letter)));
    }
    tree.insert_file(LAYER_LIST, 0o644, list.into_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::spec::{ImageSpec, RawImageSpec};

    fn spec() -> BaseSpec {
        let raw: RawImageSpec = serde_yaml::from_str(
            "about: a\nbase:\n  packages: []\n  programs: [usr/bin/busybox, usr/bin/nc]\n  applets: usr/bin/busybox\n  \
             links: {usr/lib/x: y}\n  directories: {srv: \"0750\"}\n",
        )
        .unwrap();
        ImageSpec::try_from(raw).unwrap().base
    }

    fn pool() -> Tree {
        let mut pool = Tree::new();
        pool.insert_file("usr/bin/busybox", 0o755, *b"..[\0[[\0nc\0sh\0\0")
            .unwrap();
        pool.insert_file("usr/bin/nc", 0o755, *b"#!/bin/sh\n").unwrap();
        pool.insert_file("usr/share/doc/x", 0o644, *b"not wanted")
            .unwrap();
        pool
    }

    fn planned(modules: &[KernelModule], layers: &[String]) -> Tree {
        let overlay = BTreeMap::from([
            ("etc/passwd".to_owned(), b"root".to_vec()),
            ("etc/rc".to_owned(), b"#!/bin/sh".to_vec()),
        ]);
        let (spec, pool) = (spec(), pool());
        let inputs = BaseInputs {
            spec: &spec,
            pool: &pool,
            overlay: &overlay,
            init: b"init",
            modules,
            layers,
        };
        plan(&inputs).unwrap()
    }

    #[test]
    fn holds_what_a_guest_needs_and_nothing_else() {
        let tree = planned(&[], &[]);
        assert_eq!(tree.get("tmp"), Some(&Node::Dir { mode: 0o1777 }));
        assert_eq!(tree.get("root/.ssh"), Some(&Node::Dir { mode: 0o700 }));
        assert_eq!(tree.get("srv"), Some(&Node::Dir { mode: 0o750 }));
        assert!(matches!(
            tree.get("dev/console"),
            Some(Node::CharDevice {
                major: 5,
                minor: 1,
                ..
            })
        ));
        assert_eq!(
            tree.get("usr/bin/sh"),
            Some(&Node::Symlink {
                target: "/usr/bin/busybox".to_owned()
            })
        );
        assert!(
            matches!(tree.get("usr/bin/nc"), Some(Node::File { .. })),
            "a package's nc beats the applet"
        );
        assert!(matches!(tree.get("etc/rc"), Some(Node::File { mode: 0o755, .. })));
        for path in ["usr/share/doc/x", "etc/lab/modules", "etc/lab/layers"] {
            assert_eq!(tree.get(path), None, "{path}");
        }
    }

    #[test]
    fn modules_and_layers_are_listed_in_their_order() {
        let module = |name: &str| KernelModule {
            file_name: name.to_owned(),
            data: Arc::from(&b"ko"[..]),
        };
        let tree = planned(
            &[module("failover.ko"), module("a.ko")],
            &["tools".to_owned(), "rdma".to_owned()],
        );
        let list = |path: &str| String::from_utf8(tree.file(path).unwrap().to_vec()).unwrap();
        assert_eq!(
            list("etc/lab/modules"),
            "/usr/lib/modules/failover.ko\n/usr/lib/modules/a.ko\n"
        );
        assert_eq!(list("etc/lab/layers"), "/dev/vda tools\n/dev/vdb rdma\n");
    }
}
