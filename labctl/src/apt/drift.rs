//! What to do when the mirror has moved on: a point release took a pinned version out of the pool.
//!
//! Replacing single packages could join versions that were never meant for each other (`libc6-dev` asks for exactly
//! its `libc6`), and the name of a kernel package changes with its version. So the lock's own request is resolved
//! again as a whole, from a signed index, and what differs is said.

use lab_deb::Version;

use super::archive::ArchiveConfig;
use super::fetch::FetchError;
use super::lockfile::LockFile;
use super::release::signed_index;
use super::resolve::resolve;
use crate::digest::Digest;
use crate::event::Events;
use crate::store::{Bucket, Store, StoreError};
use crate::supervise::Cancel;

/// One difference between the pins and what is used instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub package: String,
    /// Absent for a package that came in.
    pub from: Option<Version>,
    /// Absent for a package that is no longer needed.
    pub to: Option<Version>,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => write!(f, "{} {from} -> {to}", self.package),
            (None, Some(to)) => write!(f, "{} {to} is new", self.package),
            (Some(from), None) => write!(f, "{} {from} is no longer needed", self.package),
            (None, None) => write!(f, "{}", self.package),
        }
    }
}

/// The differences between two locks, by package.
pub(super) fn changes(from: &LockFile, to: &LockFile) -> Vec<Change> {
    let mut changes = Vec::new();
    for (name, pin) in &from.packages {
        let now = to.packages.get(name);
        if now.is_none_or(|now| now.sha256 != pin.sha256) {
            changes.push(Change {
                package: name.clone(),
                from: Some(pin.version.clone()),
                to: now.map(|now| now.version.clone()),
            });
        }
    }
    for (name, pin) in to
        .packages
        .iter()
        .filter(|(name, _)| !from.packages.contains_key(*name))
    {
        changes.push(Change {
            package: name.clone(),
            from: None,
            to: Some(pin.version.clone()),
        });
    }
    changes.sort_by(|a, b| a.package.cmp(&b.package));
    changes
}

/// The lock that the mirror can serve today, remembered in the store for the next time.
pub(super) fn resolve_again(
    lock: &LockFile,
    config: &ArchiveConfig,
    store: &Store,
    events: &Events,
    cancel: &Cancel,
) -> Result<LockFile, FetchError> {
    let index = signed_index(&lock.suite, config, store, events, cancel)?;
    let current = resolve(&lock.request(), &index)?.lock;
    remember(lock, &current, store)?;
    Ok(current)
}

/// Tells of the drift, loudly: with `--quiet`, too, and every time that it has an effect.
pub(super) fn announce(changes: &[Change], events: &Events) {
    events.warn(format!(
        "drift: the mirror no longer has {} as pinned; `labctl lock` records the new versions",
        if changes.len() == 1 {
            "a package"
        } else {
            "some packages"
        }
    ));
    for change in changes {
        events.warn(format!("drift: {change}"));
    }
}

fn memo_path(lock: &LockFile, store: &Store) -> std::path::PathBuf {
    let id = Digest::of(lock.to_text().as_bytes());
    store.scratch(Bucket::Debs, &format!("drift-{}.lock", id.short()))
}

fn remember(lock: &LockFile, current: &LockFile, store: &Store) -> Result<(), FetchError> {
    let path = memo_path(lock, store);
    let failed = |error| FetchError::Store(StoreError::io("remember the drift")(error));
    let staging = store.stage("drift")?;
    let part = staging.path().join("lock");
    fs_err::write(&part, current.to_text()).map_err(failed)?;
    fs_err::rename(part, path).map_err(failed)
}

/// What an earlier run resolved `lock` to. Only useful while the store has its packages.
pub(super) fn remembered(lock: &LockFile, store: &Store) -> Option<LockFile> {
    let bytes = fs_err::read(memo_path(lock, store)).ok()?;
    LockFile::load(&bytes, "drift.lock").ok()
}
