//! What a store holds: how much of the disk each thing takes, and when it was last used.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs_err as fs;

use super::bucket::{Bucket, Store};
use super::entry::{Entry, StoreError};
use super::lock::StoreLock;
use super::staging::MARK;

/// What a file or folder takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// On the disk, in bytes: allocated blocks, so that holes count as nothing. A file with several names counts once.
    pub bytes: u64,
    /// When anything in it was last written to.
    pub changed: SystemTime,
}

/// A finished entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub bucket: Bucket,
    pub id: String,
    pub path: PathBuf,
    /// Bytes on the disk.
    pub bytes: u64,
    /// When a labctl last got it. For an entry of a labctl that did not note it, when it was made.
    pub last_used: SystemTime,
}

/// Something in the staging folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    pub name: String,
    pub path: PathBuf,
    pub extent: Extent,
    /// What it is to become, where a later run can resume it: the bucket and the id.
    pub resumable: Option<(Bucket, String)>,
    /// Whether a labctl is working on it.
    pub busy: bool,
}

impl Store {
    /// The finished entries of `bucket`, by id. Looking does not count as using.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn entries(&self, bucket: Bucket) -> Result<Vec<Stored>, StoreError> {
        let mut found = Vec::new();
        for (id, path) in listed(&self.root().join(bucket.name()))? {
            // One that another labctl removes meanwhile is not there.
            let Ok(folder) = fs::symlink_metadata(&path) else {
                continue;
            };
            let (Ok(extent), Ok(last_used)) = (extent(&path), folder.modified()) else {
                continue;
            };
            found.push(Stored {
                bucket,
                id,
                path,
                bytes: extent.bytes,
                last_used,
            });
        }
        Ok(found)
    }

    /// What is being made, was interrupted, or was left by a labctl of before the staging folders had locks; by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn unfinished(&self) -> Result<Vec<Unfinished>, StoreError> {
        let mut found = Vec::new();
        for (name, path) in listed(&self.staging())? {
            let Ok(extent) = extent(&path) else { continue };
            let resumable = resumable(&name);
            let busy = match &resumable {
                Some((bucket, id)) => StoreLock::try_take(&self.lock_file(*bucket, id))?.is_none(),
                // Those without a maker were removed when the store was opened.
                None => name.contains(MARK),
            };
            found.push(Unfinished {
                name,
                path,
                extent,
                resumable,
                busy,
            });
        }
        Ok(found)
    }

    /// Reads every file of a finished entry again, without taking it into use.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] names the first file that is not as it was made.
    pub fn verify(&self, stored: &Stored) -> Result<(), StoreError> {
        match Entry::open(stored.path.clone())? {
            Some(entry) => entry.verify(),
            // Another labctl has removed it.
            None => Ok(()),
        }
    }
}

/// `kernels-` and 64 digits: what [`Store::scratch`] gives for an entry's id.
fn resumable(name: &str) -> Option<(Bucket, String)> {
    let (bucket, id) = name.split_once('-')?;
    let bucket = Bucket::ALL.into_iter().find(|known| known.name() == bucket)?;
    let is_id = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_id || id.starts_with("drift-")).then(|| (bucket, id.to_owned()))
}

fn listed(folder: &Path) -> Result<Vec<(String, PathBuf)>, StoreError> {
    let failed = || StoreError::io("list the store");
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        names.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    names.sort();
    Ok(names)
}

/// What `path` and everything below it takes.
pub(super) fn extent(path: &Path) -> io::Result<Extent> {
    fn walk(path: &Path, seen: &mut BTreeSet<(u64, u64)>, sum: &mut Extent) -> io::Result<()> {
        // Not fs_err's: its errors carry a copy of the path, and there are thousands of files.
        let meta = std::fs::symlink_metadata(path)?;
        if meta.nlink() == 1 || meta.is_dir() || seen.insert((meta.dev(), meta.ino())) {
            sum.bytes += meta.blocks() * 512;
        }
        sum.changed = sum.changed.max(meta.modified()?);
        if meta.is_dir() {
            for entry in std::fs::read_dir(path)? {
                walk(&entry?.path(), seen, sum)?;
            }
        }
        Ok(())
    }
    let mut sum = Extent {
        bytes: 0,
        changed: SystemTime::UNIX_EPOCH,
    };
    walk(path, &mut BTreeSet::new(), &mut sum)?;
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::supervise::Cancel;

    fn made(store: &Store, id: &str) -> Entry {
        let make = |dir: &Path| {
            fs::write(dir.join("file"), "x").map_err(StoreError::io("write"))?;
            Ok(())
        };
        store
            .get_or_make::<StoreError>(Bucket::Kernels, id, &Cancel::new(), |_| {}, make)
            .unwrap()
    }

    #[test]
    fn holes_cost_nothing_and_a_second_name_neither() {
        let dir = tempfile::tempdir().unwrap();
        let before = extent(dir.path()).unwrap().bytes;
        let sparse = fs::File::create(dir.path().join("memory")).unwrap();
        sparse.set_len(1 << 30).unwrap();
        fs::write(dir.path().join("full"), vec![1; 64 << 10]).unwrap();
        let one = extent(dir.path()).unwrap().bytes - before;
        assert!((64 << 10..1 << 20).contains(&one), "{one}");
        fs::hard_link(dir.path().join("full"), dir.path().join("again")).unwrap();
        assert_eq!(extent(dir.path()).unwrap().bytes - before, one);
    }

    #[test]
    fn to_get_is_to_use_and_to_look_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let entry = made(&store, "abc");
        let long_ago = SystemTime::now() - Duration::from_secs(1 << 20);
        fs::File::open(entry.path())
            .unwrap()
            .set_modified(long_ago)
            .unwrap();
        let looked = store.entries(Bucket::Kernels).unwrap();
        assert_eq!(looked.len(), 1);
        store.verify(&looked[0]).unwrap();
        assert_eq!(store.entries(Bucket::Kernels).unwrap()[0].last_used, long_ago);
        store.get(Bucket::Kernels, "abc").unwrap().unwrap();
        assert!(store.entries(Bucket::Kernels).unwrap()[0].last_used > long_ago);
    }

    #[test]
    fn what_is_unfinished_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let id = "0".repeat(64);
        fs::create_dir(store.scratch(Bucket::Kernels, &id)).unwrap();
        fs::write(store.scratch(Bucket::Debs, "drift-00.lock"), "").unwrap();
        fs::create_dir(store.root().join("staging/images-0123456789abcdef-XXXXXX")).unwrap();
        let staging = store.stage("work").unwrap();
        let kinds = |store: &Store| -> Vec<(bool, bool)> {
            let found = store.unfinished().unwrap();
            found
                .iter()
                .map(|one| (one.resumable.is_some(), one.busy))
                .collect()
        };
        assert_eq!(
            kinds(&store),
            [(true, false), (false, false), (true, false), (false, true)]
        );
        let _lock = store.lock(Bucket::Kernels, &id, &Cancel::new()).unwrap();
        assert_eq!(kinds(&store)[2], (true, true));
        drop(staging);
    }

    #[test]
    fn a_changed_byte_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let entry = made(&store, "abc");
        let old = fs::metadata(entry.file("file")).unwrap().modified().unwrap();
        fs::write(entry.file("file"), "y").unwrap();
        fs::File::open(entry.file("file"))
            .unwrap()
            .set_modified(old)
            .unwrap();
        let stored = store.entries(Bucket::Kernels).unwrap().remove(0);
        assert!(matches!(store.verify(&stored), Err(StoreError::Damaged { .. })));
    }
}
