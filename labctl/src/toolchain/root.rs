//! The root as an entry of the store, keyed by the packages in it.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::links;
use super::unpack::{PackageError, unpack_all};
use crate::apt::FetchedDeb;
use crate::digest::{Digest, InputHasher};
use crate::event::{Events, Stage};
use crate::sandbox::Sandbox;
use crate::store::{Bucket, Store, StoreError};
use crate::supervise::{Cancel, Cancelled};

/// Changes when the same packages would give another root.
const RECIPE: &str = "toolchain/2";
/// A pinned package that has been fetched and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageFile {
    pub name: String,
    pub version: String,
    pub sha256: Digest,
    /// The `.deb` on this host.
    pub path: PathBuf,
}

impl From<&FetchedDeb> for PackageFile {
    fn from(fetched: &FetchedDeb) -> Self {
        Self {
            name: fetched.pin.name.clone(),
            version: fetched.pin.version.as_str().to_owned(),
            sha256: fetched.pin.sha256,
            path: fetched.path.clone(),
        }
    }
}

/// Why there is no toolchain.
#[derive(Debug, thiserror::Error)]
pub enum ToolchainError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Package(#[from] PackageError),
    #[error("cannot prepare the toolchain's root")]
    Root(#[source] io::Error),
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// An unpacked closure of packages. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchain {
    id: Digest,
    root: PathBuf,
}

impl Toolchain {
    /// The address of the root that `packages` make, whether it exists or not.
    pub fn id_of(packages: &[PackageFile]) -> Digest {
        let mut digests: Vec<_> = packages
            .iter()
            .map(|package| package.sha256.to_string())
            .collect();
        digests.sort();
        digests
            .iter()
            .fold(InputHasher::new(RECIPE), |hasher, digest| {
                hasher.input("package", digest)
            })
            .finish()
    }

    /// Finds the root in the store or unpacks it: about 4 s for a compiler and the kernel's tools on two cores.
    ///
    /// # Errors
    /// [`ToolchainError`] names the package at fault.
    pub fn open(
        store: &Store,
        packages: &[PackageFile],
        events: &Events,
        cancel: &Cancel,
    ) -> Result<Self, ToolchainError> {
        let id = Self::id_of(packages);
        let entry = store.get_or_make(
            Bucket::Roots,
            &id.to_string(),
            cancel,
            |damage| events.warn(format!("{damage}; it is unpacked again")),
            |staging| {
                events.started(Stage::Toolchain, format!("unpacking {} packages", packages.len()));
                let root = staging.join("root");
                unpack(&root, packages, events, cancel)?;
                events.finished(Stage::Toolchain, format!("{} packages", packages.len()));
                Ok::<_, ToolchainError>(())
            },
        )?;
        Ok(Self {
            id,
            root: entry.file("root"),
        })
    }

    /// A root that was made elsewhere; `id` has to change whenever its contents do.
    pub fn at(root: &Path, id: Digest) -> Self {
        Self {
            id,
            root: root.to_owned(),
        }
    }

    pub fn id(&self) -> Digest {
        self.id
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A sandbox on this root with nothing bound yet.
    pub fn sandbox(&self) -> Sandbox {
        Sandbox::new(&self.root)
    }
}

fn unpack(
    root: &Path,
    packages: &[PackageFile],
    events: &Events,
    cancel: &Cancel,
) -> Result<(), ToolchainError> {
    fs::create_dir_all(root).map_err(ToolchainError::Root)?;
    links::prepare(root).map_err(ToolchainError::Root)?;
    unpack_all(root, packages, Stage::Toolchain, events, cancel)?;
    links::complete(root).map_err(ToolchainError::Root)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str) -> PackageFile {
        PackageFile {
            name: name.to_owned(),
            version: "1".to_owned(),
            sha256: Digest::of(name.as_bytes()),
            path: PathBuf::from("/nonexistent"),
        }
    }

    #[test]
    fn the_order_of_packages_does_not_change_the_address() {
        let (a, b) = (package("a"), package("b"));
        assert_eq!(
            Toolchain::id_of(&[a.clone(), b.clone()]),
            Toolchain::id_of(&[b, a.clone()])
        );
        assert_ne!(Toolchain::id_of(&[a]), Toolchain::id_of(&[package("c")]));
    }

    #[test]
    fn a_missing_package_leaves_no_root() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let packages = [package("a")];
        assert!(Toolchain::open(&store, &packages, &Events::silent(), &Cancel::new()).is_err());
        let id = Toolchain::id_of(&packages).to_string();
        assert_eq!(store.get(Bucket::Roots, &id).unwrap(), None);
    }
}
