//! Buckets, and the making of an entry: lock, look again, stage, record, rename.

use std::fmt;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::entry::{Entry, StoreError};
use super::lock::StoreLock;
use super::staging::{self, Staging};
use super::usage::{self, Uses};
use crate::supervise::Cancel;

/// The folder of a kernel's entry that modules are compiled against.
pub const KERNEL_TREE: &str = "tree";

/// A kind of entry. Each has its own folder, so that `cache gc` can treat kinds differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bucket {
    /// Package files as downloaded; the id is the SHA-256 of the file.
    Debs,
    /// Unpacked package closures that sandboxes run in.
    Roots,
    /// Built or unpacked kernels.
    Kernels,
    /// Initramfs archives and tool layers.
    Images,
    /// Compiled modules and programs.
    Artefacts,
    /// Frozen guests.
    Templates,
}

impl Bucket {
    pub const ALL: [Self; 6] = [
        Self::Debs,
        Self::Roots,
        Self::Kernels,
        Self::Images,
        Self::Artefacts,
        Self::Templates,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Debs => "debs",
            Self::Roots => "roots",
            Self::Kernels => "kernels",
            Self::Images => "images",
            Self::Artefacts => "artefacts",
            Self::Templates => "templates",
        }
    }

    /// The folder of its entries that has too many files to look at on every open: see [`Store::look_into_the_rest`].
    fn apart(self) -> Option<&'static str> {
        (self == Self::Kernels).then_some(KERNEL_TREE)
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The store's root. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    uses: Uses,
}

impl Store {
    /// Opens the store below `cache_dir` (normally `$XDG_CACHE_HOME/labctl`), making its folders and removing what
    /// killed labctls have left half done.
    ///
    /// # Errors
    /// When a folder cannot be made.
    pub fn open(cache_dir: &Path) -> Result<Self, StoreError> {
        // The layout's version is part of the path: an older labctl beside this one keeps its own tree.
        let root = cache_dir.join("v1");
        for dir in ["staging", "locks"]
            .into_iter()
            .chain(Bucket::ALL.map(Bucket::name))
        {
            fs::create_dir_all(root.join(dir)).map_err(StoreError::io("make the store's folders"))?;
        }
        let store = Self {
            root,
            uses: Uses::default(),
        };
        staging::reap(&store.staging())?;
        Ok(store)
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Bytes that this user may still write to the store's disk.
    ///
    /// # Errors
    /// When the disk does not say.
    pub fn free(&self) -> Result<u64, StoreError> {
        let disk = rustix::fs::statvfs(&self.root)
            .map_err(|errno| StoreError::io("ask for the free space of the store's disk")(errno.into()))?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Where the entry `id` of `bucket` is, whether it exists or not.
    pub fn path(&self, bucket: Bucket, id: &str) -> PathBuf {
        self.root.join(bucket.name()).join(id)
    }

    /// A place for work that an interruption may leave half done and a later run may resume (a kernel tree, a
    /// partial download). The caller holds the entry's lock.
    pub fn scratch(&self, bucket: Bucket, id: &str) -> PathBuf {
        self.staging().join(format!("{bucket}-{id}"))
    }

    /// A folder for work that is worth nothing when it is interrupted; `what` is for people.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn stage(&self, what: &str) -> Result<Staging, StoreError> {
        Staging::create(&self.staging(), what)
    }

    pub(super) fn staging(&self) -> PathBuf {
        self.root.join("staging")
    }

    /// Whether there is such an entry, without a look at its files. One that there is counts as used, and stays while this
    /// handle of the store lives.
    pub fn has(&self, bucket: Bucket, id: &str) -> bool {
        match usage::take(bucket, &self.path(bucket, id)) {
            Ok(Some(found)) => {
                self.uses.keep(found);
                true
            }
            _ => false,
        }
    }

    /// The finished entry, when it is there and whole. Nothing removes it while this handle of the store lives.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] names what is wrong with it; others when the store cannot be read.
    pub fn get(&self, bucket: Bucket, id: &str) -> Result<Option<Entry>, StoreError> {
        let path = self.path(bucket, id);
        let failed = StoreError::io("take a stored entry into use");
        let Some(found) = usage::take(bucket, &path).map_err(failed)? else {
            return Ok(None);
        };
        let entry = Entry::open(path)?;
        if entry.is_some() {
            self.uses.keep(found);
        }
        Ok(entry)
    }

    /// The finished entry, without taking it into use: another labctl may remove it at any time.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn peek(&self, bucket: Bucket, id: &str) -> Result<Option<Entry>, StoreError> {
        Entry::open(self.path(bucket, id))
    }

    /// Looks at those files of an entry that [`Store::get`] does not: a kernel's tree. Whoever needs them asks first.
    ///
    /// # Errors
    /// As [`Store::get`]; an entry that is gone is damaged, too: whoever asks has had it.
    pub fn look_into_the_rest(&self, bucket: Bucket, id: &str) -> Result<(), StoreError> {
        match self.peek(bucket, id)? {
            Some(entry) => entry.look_into_the_rest(),
            None => Err(StoreError::Damaged {
                entry: self.path(bucket, id).display().to_string(),
                what: "it is gone".to_owned(),
            }),
        }
    }

    /// Removes an entry if it is damaged anywhere, whoever has it in use: they work with damaged files. One that another
    /// labctl has made again meanwhile stays.
    ///
    /// # Errors
    /// When it cannot be removed, or a stop was asked for.
    pub fn remove_damaged(&self, bucket: Bucket, id: &str, cancel: &Cancel) -> Result<(), StoreError> {
        let _lock = self.lock(bucket, id, cancel)?;
        match self.look_into_the_rest(bucket, id) {
            Err(StoreError::Damaged { .. }) => remove_tree(&self.path(bucket, id)),
            looked => looked,
        }
    }

    /// The entry `id`, made by `make` in a staging folder when it is missing or damaged. Parallel makers of one
    /// entry wait for the first and then find its result. `on_damage` is told the name of a damaged entry.
    ///
    /// # Errors
    /// Those of `make`, and I/O errors of the store itself.
    pub fn get_or_make<E: From<StoreError>>(
        &self,
        bucket: Bucket,
        id: &str,
        cancel: &Cancel,
        on_damage: impl FnOnce(&StoreError),
        make: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<Entry, E> {
        match self.get(bucket, id) {
            Ok(Some(entry)) => return Ok(entry),
            Ok(None) => {}
            Err(error @ StoreError::Damaged { .. }) => on_damage(&error),
            Err(error) => return Err(error.into()),
        }
        let _lock = self.lock(bucket, id, cancel)?;
        let path = self.path(bucket, id);
        match self.get(bucket, id) {
            Ok(Some(entry)) => return Ok(entry),
            Ok(None) => {}
            Err(StoreError::Damaged { .. }) => remove_tree(&path)?,
            Err(error) => return Err(error.into()),
        }
        self.make(bucket, id, make)
    }

    /// The entry `id`, made by `make` in a staging folder, whatever was there: what the caller knows to be damaged although
    /// it has not been touched.
    ///
    /// # Errors
    /// Those of `make`, and I/O errors of the store itself.
    pub fn make_again<E: From<StoreError>>(
        &self,
        bucket: Bucket,
        id: &str,
        cancel: &Cancel,
        make: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<Entry, E> {
        let _lock = self.lock(bucket, id, cancel)?;
        self.make(bucket, id, make)
    }

    /// The caller holds the lock of the entry's making.
    fn make<E: From<StoreError>>(
        &self,
        bucket: Bucket,
        id: &str,
        make: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<Entry, E> {
        let path = self.path(bucket, id);
        let staging = self.stage(&format!("{bucket}-{}", &id[..id.len().min(16)]))?;
        make(staging.path())?;
        let entry = Entry::seal(staging, path, bucket.apart())?;
        // Nobody removes it before: that takes the lock of its making, too.
        let failed = StoreError::io("take a new entry into use");
        if let Some(made) = usage::take(bucket, entry.path()).map_err(failed)? {
            self.uses.keep(made);
        }
        Ok(entry)
    }

    /// Takes the exclusive lock of one entry, waiting for whoever holds it.
    ///
    /// # Errors
    /// [`StoreError::Cancelled`] when a stop was asked for while waiting.
    pub fn lock(&self, bucket: Bucket, id: &str, cancel: &Cancel) -> Result<StoreLock, StoreError> {
        StoreLock::take(&self.lock_file(bucket, id), cancel)
    }

    pub(super) fn lock_file(&self, bucket: Bucket, id: &str) -> PathBuf {
        self.root.join("locks").join(format!("{bucket}-{id}"))
    }
}

/// Removes a folder whose files may be read-only.
pub(super) fn remove_tree(path: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StoreError::io("remove a stored entry")(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        (dir, store)
    }

    fn make(store: &Store, text: &'static str) -> Entry {
        store
            .get_or_make::<StoreError>(
                Bucket::Images,
                "abc",
                &Cancel::new(),
                |_| {},
                |dir| {
                    fs::write(dir.join("file"), text).unwrap();
                    Ok(())
                },
            )
            .unwrap()
    }

    #[test]
    fn an_entry_is_made_once() {
        let (_dir, store) = store();
        make(&store, "first");
        let entry = make(&store, "second");
        assert_eq!(fs::read_to_string(entry.file("file")).unwrap(), "first");
    }

    #[test]
    fn a_truncated_file_is_noticed_and_made_again() {
        let (_dir, store) = store();
        let entry = make(&store, "first");
        fs::remove_file(entry.file("file")).unwrap();
        fs::write(entry.file("file"), "f").unwrap();
        assert!(matches!(
            store.get(Bucket::Images, "abc"),
            Err(StoreError::Damaged { .. })
        ));
        let entry = make(&store, "second");
        assert_eq!(fs::read_to_string(entry.file("file")).unwrap(), "second");
    }

    #[test]
    fn a_kernel_is_found_without_a_look_at_its_tree() {
        let (_dir, store) = store();
        let make = |dir: &Path| -> Result<(), StoreError> {
            fs::create_dir(dir.join("tree")).unwrap();
            fs::write(dir.join("tree/Makefile"), "all:").unwrap();
            fs::write(dir.join("tree.txt"), "x").unwrap();
            Ok(())
        };
        let entry = store
            .get_or_make(Bucket::Kernels, "abc", &Cancel::new(), |_| {}, make)
            .unwrap();
        let sealed: Vec<_> = entry.sealed().unwrap().into_keys().collect();
        assert_eq!(sealed, ["tree.txt", "tree/Makefile"]);
        store.look_into_the_rest(Bucket::Kernels, "abc").unwrap();
        entry.verify().unwrap();

        fs::write(entry.file("tree/Makefile"), "none").unwrap();
        let entry = store.get(Bucket::Kernels, "abc").unwrap().unwrap();
        let damage = store.look_into_the_rest(Bucket::Kernels, "abc").unwrap_err();
        assert!(damage.to_string().contains("`tree/Makefile`"), "{damage}");
        entry.verify().unwrap_err();
        let remove = || store.remove_damaged(Bucket::Kernels, "abc", &Cancel::new());
        remove().unwrap();
        assert!(store.get(Bucket::Kernels, "abc").unwrap().is_none());
        let damage = store.look_into_the_rest(Bucket::Kernels, "abc").unwrap_err();
        assert!(damage.to_string().contains("it is gone"), "{damage}");
        remove().unwrap();

        let entry = store
            .get_or_make(Bucket::Kernels, "abc", &Cancel::new(), |_| {}, make)
            .unwrap();
        // Somebody who has seen the damage before, and comes when another has mended it.
        remove().unwrap();
        store.look_into_the_rest(Bucket::Kernels, "abc").unwrap();
        fs::write(entry.file("tree.txt"), "yy").unwrap();
        store.get(Bucket::Kernels, "abc").unwrap_err();
    }

    #[test]
    fn a_failed_make_leaves_nothing() {
        let (_dir, store) = store();
        let failed = store.get_or_make::<StoreError>(
            Bucket::Images,
            "abc",
            &Cancel::new(),
            |_| {},
            |dir| {
                fs::write(dir.join("half"), "x").unwrap();
                Err(StoreError::Cancelled)
            },
        );
        assert!(matches!(failed, Err(StoreError::Cancelled)));
        assert!(store.get(Bucket::Images, "abc").unwrap().is_none());
        assert_eq!(fs::read_dir(store.root().join("staging")).unwrap().count(), 0);
    }
}
