//! Which entries are carried, and what each kind may look like. Pure.
//!
//! Templates stay: they are of one QEMU on one machine, and hold private keys. Artefacts stay: they are students'.

use std::collections::BTreeSet;

use super::manifest::{Item, Kind};
use crate::digest::Digest;
use crate::store::Bucket;

/// The store's own file in each entry. It is written anew where the entry arrives.
pub(super) const SEAL: &str = "MANIFEST.json";
const PACKAGE: &str = "package.deb";

/// By name, as they come in a bundle.
pub(super) fn carried() -> [Bucket; 4] {
    [Bucket::Debs, Bucket::Images, Bucket::Kernels, Bucket::Roots]
}

/// Below which folder an entry may have links, and whether they may lead anywhere: the root of a sandbox is `/` for
/// whoever follows them, everything else is opened from the host.
fn links(bucket: Bucket) -> Option<(&'static str, bool)> {
    match bucket {
        Bucket::Roots => Some(("root", true)),
        Bucket::Kernels => Some(("tree", false)),
        Bucket::Debs | Bucket::Images | Bucket::Artefacts | Bucket::Templates => None,
    }
}

/// Whether an entry may have `item`, when its folders are `directories`.
pub(super) fn allows(bucket: Bucket, item: &Item, directories: &BTreeSet<&str>) -> Result<(), String> {
    let path = &item.path;
    if path == SEAL {
        return Err(format!("`{SEAL}` is the store's own"));
    }
    let Kind::Link { target } = &item.kind else {
        return Ok(());
    };
    let below = |folder: &str| {
        path.strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    let allowed = match links(bucket) {
        Some((folder, anywhere)) if below(folder) => anywhere || stays(folder, path, target, directories),
        _ => false,
    };
    let fits = !target.is_empty() && target.len() <= 4095 && !target.contains('\0');
    if allowed && fits {
        Ok(())
    } else {
        Err(format!("`{path}` is a link that leads out"))
    }
}

/// Whether the link at `path` leads to something below `folder`, and not by way of another link: a `..` behind that would
/// mean something else than it says.
fn stays(folder: &str, path: &str, target: &str, directories: &BTreeSet<&str>) -> bool {
    let mut at: Vec<&str> = path.split('/').collect();
    at.pop();
    let mut steps = target.split('/').peekable();
    while steps.next_if_eq(&"..").is_some() {
        at.pop();
    }
    for step in steps {
        let here = at.join("/");
        if matches!(step, "" | "." | "..") || !directories.contains(here.as_str()) {
            return false;
        }
        at.push(step);
    }
    at.first() == Some(&folder)
}

/// The files without which the entry is of no use to anybody.
pub(super) fn is_complete(bucket: Bucket, id: Digest, items: &[Item]) -> Result<(), String> {
    let file = |wanted: &str| {
        let mut files = items.iter().filter(|item| item.path == wanted);
        files.find_map(|item| match &item.kind {
            Kind::File { sha256, .. } => Some(*sha256),
            _ => None,
        })
    };
    let folder = |wanted: &str| {
        let mut items = items.iter();
        items.any(|item| item.path == wanted && item.kind == Kind::Directory)
    };
    let complete = match bucket {
        // A package's id is the digest of its bytes: that one proves itself.
        Bucket::Debs => items.len() == 1 && file(PACKAGE) == Some(id),
        Bucket::Kernels => ["kernel.json", "vmlinux", "config"]
            .iter()
            .all(|name| file(name).is_some()),
        Bucket::Images => {
            file("layer.erofs").is_some()
                || (file("initramfs.cpio").is_some() && file("image.json").is_some())
        }
        Bucket::Roots => folder("root"),
        Bucket::Artefacts | Bucket::Templates => false,
    };
    if complete {
        Ok(())
    } else {
        Err("it is not such an entry".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(path: &str, target: &str) -> Item {
        Item {
            path: path.to_owned(),
            kind: Kind::Link {
                target: target.to_owned(),
            },
        }
    }

    #[test]
    fn links_stay_where_they_are_followed() {
        let directories = BTreeSet::from(["tree", "tree/a", "tree/b", "root"]);
        let cases = [
            (Bucket::Kernels, "tree/a/scripts", "../b/scripts", true),
            (Bucket::Kernels, "tree/a/x", "y", true),
            (Bucket::Kernels, "tree/x", "a", true),
            (Bucket::Kernels, "tree/x", "link/y", false),
            (Bucket::Kernels, "tree/x", "a/../b", false),
            (Bucket::Kernels, "tree/a", "../vmlinux", false),
            (Bucket::Kernels, "tree/a", "../../../../etc/shadow", false),
            (Bucket::Kernels, "tree/a", "../../tree/b", false),
            (Bucket::Kernels, "tree/a", "/etc/shadow", false),
            (Bucket::Kernels, "tree/a", "", false),
            (Bucket::Kernels, "vmlinux", "config", false),
            (Bucket::Kernels, "tree", "modules", false),
            (Bucket::Roots, "root/usr/bin/cc", "/etc/alternatives/cc", true),
            (Bucket::Roots, "root", "/", false),
            (Bucket::Images, "layer.erofs", "/dev/sda", false),
            (Bucket::Debs, "package.deb", "x", false),
        ];
        for (bucket, path, target, allowed) in cases {
            assert_eq!(
                allows(bucket, &link(path, target), &directories).is_ok(),
                allowed,
                "{bucket} {path} -> {target}"
            );
        }
    }
}
