//! From what an image or kernel asks for to what is pinned for it. Pure: an index in, a lock out.

use std::collections::BTreeMap;

use lab_deb::{Follow, Request, SolveError, close_over};

use super::lockfile::{LockFile, Pin, ReleaseStamp, SetLock};
use super::release::SignedIndex;
use crate::digest::Digest;

/// Packages asked for, in named sets (`base`, `toolchain`): each set gets its own closure, all from one index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockRequest {
    /// `trixie`
    pub suite: String,
    pub sets: BTreeMap<String, Request>,
}

/// A request that cannot be met.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    #[error("the set `{set}` cannot be resolved")]
    Solve {
        set: String,
        #[source]
        source: SolveError,
    },
    #[error("two sets need different versions of `{package}`: {one} and {other}")]
    TwoVersions {
        package: String,
        one: String,
        other: String,
    },
}

/// A lock, and what its maker may want to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    pub lock: LockFile,
    /// One line each: exclusions that nothing needed.
    pub remarks: Vec<String>,
}

/// Pins every package that `request` needs. The same index and request give the same lock.
///
/// # Errors
/// [`ResolveError::Solve`] names the package that is missing and who needed it.
pub fn resolve(request: &LockRequest, index: &SignedIndex) -> Result<Resolved, ResolveError> {
    let mut lock = LockFile {
        suite: request.suite.clone(),
        release: ReleaseStamp {
            version: index.release.version.clone(),
            date: index.release.date.clone(),
        },
        sets: BTreeMap::new(),
        packages: BTreeMap::new(),
    };
    let mut remarks = Vec::new();
    for (set, wanted) in &request.sets {
        let closure = close_over(&index.packages, wanted).map_err(|source| ResolveError::Solve {
            set: set.clone(),
            source,
        })?;
        remarks.extend(
            closure
                .idle_exclusions
                .iter()
                .map(|name| format!("the set `{set}` excludes `{name}`, which nothing would have brought")),
        );
        for package in &closure.packages {
            let pin = Pin {
                name: package.name.clone(),
                version: package.version.clone(),
                architecture: package.architecture.clone(),
                size: package.size,
                sha256: Digest::from_bytes(package.sha256),
                path: package.path.clone(),
            };
            match lock.packages.get(&pin.name) {
                Some(other) if other.sha256 != pin.sha256 => {
                    return Err(ResolveError::TwoVersions {
                        package: pin.name,
                        one: other.version.to_string(),
                        other: pin.version.to_string(),
                    });
                }
                _ => lock.packages.insert(pin.name.clone(), pin),
            };
        }
        let names = closure
            .packages
            .iter()
            .map(|package| package.name.clone())
            .collect();
        lock.sets.insert(
            set.clone(),
            SetLock {
                request: wanted.packages.clone(),
                exclude: wanted.exclude.clone(),
                dependencies: wanted.follow == Follow::Dependencies,
                packages: names,
            },
        );
    }
    Ok(Resolved { lock, remarks })
}
