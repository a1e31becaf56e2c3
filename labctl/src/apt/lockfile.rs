//! What is pinned: the contents of an `image.lock` or `kernel.lock`.

use std::collections::{BTreeMap, BTreeSet};

use lab_deb::{Follow, RelativePath, Request, Version};

use super::resolve::LockRequest;
use crate::digest::Digest;

/// Every package of an image or kernel, by name, and which set of it needs which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockFile {
    pub suite: String,
    pub release: ReleaseStamp,
    pub sets: BTreeMap<String, SetLock>,
    pub packages: BTreeMap<String, Pin>,
}

/// The signed release file that the pins were taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseStamp {
    /// `13.1`; rolling suites have none.
    pub version: Option<String>,
    /// As the archive wrote it.
    pub date: String,
}

/// One set's request and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetLock {
    pub request: Vec<String>,
    pub exclude: BTreeSet<String>,
    pub dependencies: bool,
    /// Names that [`LockFile::packages`] has, sorted.
    pub packages: Vec<String>,
}

/// One package, to the byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    pub name: String,
    pub version: Version,
    /// `amd64` or `all`.
    pub architecture: String,
    /// Bytes.
    pub size: u64,
    pub sha256: Digest,
    /// Below the archive's base.
    pub path: RelativePath,
}

impl LockFile {
    /// The packages of one set, by name; `None` for a set that the lock does not have.
    pub fn set(&self, name: &str) -> Option<impl Iterator<Item = &Pin>> {
        let set = self.sets.get(name)?;
        Some(
            set.packages
                .iter()
                .filter_map(|package| self.packages.get(package)),
        )
    }

    /// What the lock was made from; resolving it again tells what has changed since.
    pub fn request(&self) -> LockRequest {
        let sets = self.sets.iter().map(|(name, set)| {
            let follow = if set.dependencies {
                Follow::Dependencies
            } else {
                Follow::Nothing
            };
            let request = Request {
                packages: set.request.clone(),
                exclude: set.exclude.clone(),
                follow,
            };
            (name.clone(), request)
        });
        LockRequest {
            suite: self.suite.clone(),
            sets: sets.collect(),
        }
    }

    /// The lock without the sets that `sets` does not name, and without the packages that only they need.
    #[must_use]
    pub fn only(&self, sets: &[&str]) -> LockFile {
        let kept: BTreeMap<_, _> = self
            .sets
            .iter()
            .filter(|(name, _)| sets.contains(&name.as_str()))
            .map(|(name, set)| (name.clone(), set.clone()))
            .collect();
        let packages = self
            .packages
            .iter()
            .filter(|(name, _)| kept.values().any(|set| set.packages.contains(name)))
            .map(|(name, pin)| (name.clone(), pin.clone()))
            .collect();
        LockFile {
            suite: self.suite.clone(),
            release: self.release.clone(),
            sets: kept,
            packages,
        }
    }

    /// Whether the lock answers `request`; if not, the intent was edited and `labctl lock` has to be run.
    pub fn answers(&self, request: &LockRequest) -> bool {
        let sorted = |request: &LockRequest| {
            let mut request = request.clone();
            request.sets.values_mut().for_each(|set| set.packages.sort());
            request
        };
        sorted(&self.request()) == sorted(request)
    }

    /// Of all packages together, in bytes.
    pub fn total_size(&self) -> u64 {
        self.packages.values().map(|pin| pin.size).sum()
    }
}
