//! Folders in which something is being made. Each is locked by its maker, so that what a killed labctl has left can be
//! told from what another one is working on.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::bucket::remove_tree;
use super::entry::StoreError;
use super::usage::is_at;

/// Between what a folder is for and the letters that make its name new. Nothing that is kept for a later run has it.
pub(super) const MARK: char = '~';

/// A folder of the store for work in progress, removed when dropped.
#[derive(Debug)]
pub struct Staging {
    dir: tempfile::TempDir,
    _lock: File,
}

impl Staging {
    /// A new, empty folder below `root`; `what` is for people.
    pub(super) fn create(root: &Path, what: &str) -> Result<Self, StoreError> {
        let failed = StoreError::io("make a staging folder");
        let make = || -> io::Result<Self> {
            loop {
                let dir = tempfile::Builder::new()
                    .prefix(&format!("{what}{MARK}"))
                    .tempdir_in(root)?;
                let lock = File::open(dir.path())?;
                // Between the making and the locking it looks abandoned, and may be taken for that.
                if try_lock(&lock)? && is_at(&lock, dir.path()) {
                    return Ok(Self { dir, _lock: lock });
                }
            }
        };
        make().map_err(failed)
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Leaves the folder where it is.
    pub(super) fn keep(self) -> PathBuf {
        self.dir.keep()
    }
}

/// Removes the folders below `root` whose makers are gone. What a later run can resume is not among them.
pub(super) fn reap(root: &Path) -> Result<(), StoreError> {
    let entries = fs::read_dir(root).map_err(StoreError::io("list the staging folders"))?;
    for entry in entries {
        let entry = entry.map_err(StoreError::io("list the staging folders"))?;
        if !entry.file_name().to_string_lossy().contains(MARK) {
            continue;
        }
        // What cannot be opened was renamed or removed by its maker a moment ago.
        let Ok(folder) = File::open(entry.path()) else {
            continue;
        };
        if try_lock(&folder).map_err(StoreError::io("lock a staging folder"))?
            && is_at(&folder, &entry.path())
        {
            remove_tree(&entry.path())?;
        }
    }
    Ok(())
}

pub(super) fn try_lock(folder: &File) -> io::Result<bool> {
    match folder.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_no_maker_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let abandoned = Staging::create(root.path(), "debs-abc").unwrap().keep();
        fs::create_dir_all(abandoned.join("sub")).unwrap();
        fs::write(abandoned.join("sub/half"), "x").unwrap();
        fs::create_dir(root.path().join("kernels-abc")).unwrap();
        let busy = Staging::create(root.path(), "debs-def").unwrap();
        reap(root.path()).unwrap();
        assert!(!abandoned.exists());
        assert!(busy.path().exists());
        assert!(root.path().join("kernels-abc").exists(), "can be resumed");
    }
}
