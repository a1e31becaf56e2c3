//! Advisory locks on store entries. The kernel drops them when their holder dies, however it dies.

use std::fs::TryLockError;
use std::path::Path;
use std::time::Duration;

use super::entry::StoreError;
use crate::supervise::Cancel;

/// An exclusive lock, held until dropped.
#[derive(Debug)]
pub struct StoreLock {
    _file: std::fs::File,
}

impl StoreLock {
    pub(super) fn take(path: &Path, cancel: &Cancel) -> Result<Self, StoreError> {
        loop {
            if let Some(lock) = Self::try_take(path)? {
                return Ok(lock);
            }
            cancel.check().map_err(|_| StoreError::Cancelled)?;
            // A blocking flock(2) could not be interrupted by Ctrl-C; whoever waits here waits for seconds at least, so
            // that a tenth of one is not felt.
            std::thread::park_timeout(Duration::from_millis(100));
        }
    }

    /// The lock, or `None` when another process has it.
    pub(super) fn try_take(path: &Path) -> Result<Option<Self>, StoreError> {
        let file = std::fs::File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(StoreError::io("open a lock file"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(StoreError::io("lock a store entry")(error)),
        }
    }
}
