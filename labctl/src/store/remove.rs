//! Taking things out of a store that others may be using.

use std::path::Path;
use std::time::SystemTime;

use fs_err as fs;

use super::bucket::{Store, remove_tree};
use super::census::{Stored, Unfinished, extent};
use super::entry::StoreError;
use super::lock::StoreLock;
use super::staging::try_lock;
use super::usage::{guard, is_at};

/// What became of an attempt to remove something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// It is gone.
    Removed,
    /// A labctl has it in its hands, is making it, or has used it since it was looked at.
    InUse,
}

impl Store {
    /// Removes a finished entry, unless a labctl has it or it was used after `cutoff`; a program that was started with one
    /// of its files and has no labctl any more is the caller's business. `pretend` goes as far as removing, and does not.
    ///
    /// # Errors
    /// When it cannot be locked or removed.
    pub fn remove(&self, stored: &Stored, cutoff: SystemTime, pretend: bool) -> Result<Removal, StoreError> {
        let Some(_making) = StoreLock::try_take(&self.lock_file(stored.bucket, &stored.id))? else {
            return Ok(Removal::InUse);
        };
        let guarded = guard(stored.bucket, &stored.path);
        let Ok(folder) = std::fs::File::open(&guarded) else {
            // Another labctl was quicker.
            return Ok(Removal::Removed);
        };
        let free = try_lock(&folder).map_err(StoreError::io("lock a stored entry"))?;
        // Asked under the lock: it may have been used, or made again, since it was listed.
        let used = fs::symlink_metadata(&stored.path).and_then(|meta| meta.modified());
        if !free || !is_at(&folder, &guarded) || used.is_ok_and(|used| used > cutoff) {
            return Ok(Removal::InUse);
        }
        if !pretend {
            let doomed = self.stage("gone")?;
            // Out of sight in one step; from here on nobody finds it, and what is left of it is reaped.
            let aside = doomed.path().join("entry");
            match fs::rename(&stored.path, &aside) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(StoreError::io("remove a stored entry")(error));
                }
                _ => {}
            }
            drop(folder);
            remove_tree(&aside)?;
        }
        Ok(Removal::Removed)
    }

    /// Removes what was left in the staging folder, unless a labctl is working on it or it changed after `cutoff`.
    ///
    /// # Errors
    /// When it cannot be locked or removed.
    pub fn discard(
        &self,
        unfinished: &Unfinished,
        cutoff: SystemTime,
        pretend: bool,
    ) -> Result<Removal, StoreError> {
        let _making = match &unfinished.resumable {
            Some((bucket, id)) => match StoreLock::try_take(&self.lock_file(*bucket, id))? {
                Some(lock) => Some(lock),
                None => return Ok(Removal::InUse),
            },
            None if unfinished.busy => return Ok(Removal::InUse),
            None => None,
        };
        match extent(&unfinished.path) {
            Ok(now) if now.changed > cutoff => return Ok(Removal::InUse),
            Ok(_) if !pretend => remove_any(&unfinished.path)?,
            _ => {}
        }
        Ok(Removal::Removed)
    }
}

fn remove_any(path: &Path) -> Result<(), StoreError> {
    if path.is_dir() {
        return remove_tree(path);
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StoreError::io("remove what was left half done")(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::store::Bucket;
    use crate::supervise::Cancel;

    fn store_with(bucket: Bucket) -> (tempfile::TempDir, Stored) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let make = |dir: &Path| {
            fs::write(dir.join("file"), "x").map_err(StoreError::io("write"))?;
            Ok(())
        };
        store
            .get_or_make::<StoreError>(bucket, "abc", &Cancel::new(), |_| {}, make)
            .unwrap();
        let stored = store.entries(bucket).unwrap().remove(0);
        (dir, stored)
    }

    #[test]
    fn nothing_is_removed_while_somebody_has_it() {
        for bucket in [Bucket::Kernels, Bucket::Debs, Bucket::Artefacts] {
            let (dir, stored) = store_with(bucket);
            let (user, gc) = (Store::open(dir.path()).unwrap(), Store::open(dir.path()).unwrap());
            user.get(bucket, "abc").unwrap().unwrap();
            let now = SystemTime::now();
            assert_eq!(gc.remove(&stored, now, false).unwrap(), Removal::InUse);
            let clone = user.clone();
            drop(user);
            assert_eq!(gc.remove(&stored, now, false).unwrap(), Removal::InUse);
            drop(clone);
            assert_eq!(gc.remove(&stored, now, true).unwrap(), Removal::Removed);
            assert!(stored.path.exists(), "that was only pretended");
            assert_eq!(gc.remove(&stored, now, false).unwrap(), Removal::Removed);
            assert!(gc.get(bucket, "abc").unwrap().is_none());
            assert_eq!(gc.unfinished().unwrap(), []);
            assert!(!gc.has(bucket, "abc"));
        }
    }

    #[test]
    fn to_ask_whether_it_is_there_is_to_use_it() {
        let (dir, stored) = store_with(Bucket::Roots);
        let (user, gc) = (Store::open(dir.path()).unwrap(), Store::open(dir.path()).unwrap());
        assert!(user.has(Bucket::Roots, "abc"));
        let soon = SystemTime::now() + std::time::Duration::from_secs(60);
        assert_eq!(gc.remove(&stored, soon, false).unwrap(), Removal::InUse);
    }

    #[test]
    fn what_was_used_meanwhile_stays() {
        let (dir, stored) = store_with(Bucket::Kernels);
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(
            store.remove(&stored, SystemTime::UNIX_EPOCH, false).unwrap(),
            Removal::InUse
        );
        assert!(stored.path.exists());
    }

    #[test]
    fn what_is_being_made_stays() {
        let (dir, stored) = store_with(Bucket::Kernels);
        let store = Store::open(dir.path()).unwrap();
        let scratch = store.scratch(Bucket::Kernels, &"0".repeat(64));
        fs::create_dir_all(scratch.join("linux")).unwrap();
        let left = store.unfinished().unwrap().remove(0);
        let now = SystemTime::now();
        let locks = [
            store.lock(Bucket::Kernels, "abc", &Cancel::new()).unwrap(),
            store
                .lock(Bucket::Kernels, &"0".repeat(64), &Cancel::new())
                .unwrap(),
        ];
        assert_eq!(store.remove(&stored, now, false).unwrap(), Removal::InUse);
        assert_eq!(store.discard(&left, now, false).unwrap(), Removal::InUse);
        drop(locks);
        assert_eq!(
            store.discard(&left, SystemTime::UNIX_EPOCH, false).unwrap(),
            Removal::InUse
        );
        assert_eq!(store.discard(&left, now, false).unwrap(), Removal::Removed);
        assert!(!scratch.exists());
    }
}
