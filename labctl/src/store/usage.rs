//! Who uses an entry, and when somebody last did.
//!
//! Whoever has got an entry keeps a shared lock on its folder for as long as the handle of the store lives, so that no
//! `cache gc` takes it away between its being found and its being used. The kernel drops the lock when its holder dies.
//! When it was last got is the modification time of the folder: nothing else changes that of a sealed entry, and the
//! check of an entry looks at the files that its manifest lists, not at it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::bucket::Bucket;

/// The entries that one handle of a store has given out. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Uses(Arc<Mutex<BTreeMap<PathBuf, File>>>);

/// An entry that cannot be removed until this is dropped, or kept in [`Uses`].
#[derive(Debug)]
pub(super) struct Use {
    guard: PathBuf,
    lock: File,
}

impl Uses {
    pub(super) fn keep(&self, found: Use) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.insert(found.guard, found.lock);
    }
}

/// What is locked for an entry: its folder. Packages share one lock, and so do artefacts: a process uses hundreds of
/// them, and may have a thousand open files.
pub(super) fn guard(bucket: Bucket, entry: &Path) -> PathBuf {
    match (bucket, entry.parent()) {
        (Bucket::Debs | Bucket::Artefacts, Some(folder)) => folder.to_owned(),
        _ => entry.to_owned(),
    }
}

/// Takes an entry into use and notes the time; `None` when there is no such entry (any more).
pub(super) fn take(bucket: Bucket, entry: &Path) -> io::Result<Option<Use>> {
    let guard = guard(bucket, entry);
    let lock = match File::open(&guard) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // Held by somebody else only for as long as it takes to move a folder.
    lock.lock_shared()?;
    if !is_at(&lock, &guard) {
        return Ok(None);
    }
    match File::open(entry) {
        // A store of another user's, or on a disk that is full, can be used all the same.
        Ok(folder) => drop(folder.set_modified(SystemTime::now())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    Ok(Some(Use { guard, lock }))
}

/// Whether the open `folder` is still what is at `path`.
pub(super) fn is_at(folder: &File, path: &Path) -> bool {
    match (folder.metadata(), path.metadata()) {
        (Ok(open), Ok(there)) => (open.dev(), open.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}
