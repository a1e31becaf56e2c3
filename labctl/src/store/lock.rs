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
        let open = StoreError::io("open a lock file");
        let file = std::fs::File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(open)?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) => {
                    cancel.check().map_err(|_| StoreError::Cancelled)?;
                    // A blocking flock(2) could not be interrupted by Ctrl-C; whoever waits here waits for
                    // seconds at least, so that a tenth of one is not felt.
                    std::thread::park_timeout(Duration::from_millis(100));
                }
                Err(TryLockError::Error(error)) => return Err(StoreError::io("lock a store entry")(error)),
            }
        }
    }
}
