//! From a bundle into a store: everything is staged and compared first, and becomes visible last.

use std::io::{BufRead, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use fs_err as fs;

use super::content::describe;
use super::error::BundleError;
use super::manifest::{Item, Kind, Listed, Manifest};
use super::read::Bundle;
use crate::digest::Digest;
use crate::store::{Bucket, Staging, Store, StoreError};
use crate::supervise::Cancel;

/// What becomes of an entry of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The store has it now.
    Added,
    /// The store had it, and it is the same.
    Kept,
    /// The store had it, and has kept its own, which differs first in this path.
    Differs(String),
}

enum Place {
    /// Beside the store's entries; `again` when the store has one that is damaged.
    Staged {
        staging: Staging,
        again: bool,
    },
    Had(Fate),
}

/// What the store has of an entry.
enum Own {
    Nothing,
    Damaged,
    Whole(Fate),
}

/// A bundle that was read to its end, with nothing of it visible yet.
pub struct Unpacked {
    manifest: Manifest,
    sha256: Digest,
    /// Of each entry, in the order of the manifest.
    places: Vec<Place>,
}

impl<R: BufRead> Bundle<R> {
    /// Unpacks everything that `store` does not have, beside its entries, and compares every byte. `progress` is told of
    /// bytes. Whatever fails, nothing is left.
    ///
    /// # Errors
    /// [`BundleError`], naming what is wrong.
    pub fn unpack(
        mut self,
        store: &Store,
        progress: &dyn Fn(u64),
        cancel: &Cancel,
    ) -> Result<Unpacked, BundleError> {
        let manifest = self.manifest().clone();
        let (needed, free) = (manifest.blocks(), store.free()?);
        if needed > free {
            return Err(BundleError::NoSpace { needed, free });
        }
        let mut places = Vec::new();
        for entry in &manifest.entries {
            let bucket = entry.bucket()?;
            let place = match own(entry, bucket, store, cancel)? {
                Own::Whole(fate) => Place::Had(fate),
                own => Place::Staged {
                    staging: store.stage(&format!("{bucket}-{}", entry.id.short()))?,
                    again: matches!(own, Own::Damaged),
                },
            };
            for item in &entry.items {
                cancel.check()?;
                match &place {
                    Place::Staged { staging, .. } => self.stage(entry, item, staging.path())?,
                    Place::Had(_) => self.member(entry, item, &mut |_| Ok(()))?,
                }
                if let Kind::File { size, .. } = item.kind {
                    progress(size);
                }
            }
            places.push(place);
        }
        Ok(Unpacked {
            sha256: self.end()?,
            manifest,
            places,
        })
    }

    fn stage(&mut self, entry: &Listed, item: &Item, folder: &Path) -> Result<(), BundleError> {
        let path = folder.join(&item.path);
        let unpack = BundleError::Unpack;
        match &item.kind {
            Kind::Directory => {
                self.member(entry, item, &mut |_| Ok(()))?;
                fs::create_dir(path).map_err(unpack)
            }
            Kind::Link { target } => {
                self.member(entry, item, &mut |_| Ok(()))?;
                symlink(target, path).map_err(unpack)
            }
            Kind::File { executable, .. } => {
                let mut file = std::fs::File::create_new(&path).map_err(unpack)?;
                self.member(entry, item, &mut |bytes| file.write_all(bytes))?;
                if *executable {
                    file.set_permissions(std::fs::Permissions::from_mode(0o755))
                        .map_err(unpack)?;
                }
                // All the same, as nothing in a tree for modules is to look older than what it was made from; not 0, which
                // some programs take for no time at all.
                file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1))
                    .map_err(unpack)
            }
        }
    }
}

fn own(entry: &Listed, bucket: Bucket, store: &Store, cancel: &Cancel) -> Result<Own, BundleError> {
    let own = match store.get(bucket, &entry.id.to_string()) {
        Ok(Some(own)) => own,
        Ok(None) => return Ok(Own::Nothing),
        Err(StoreError::Damaged { .. }) => return Ok(Own::Damaged),
        Err(error) => return Err(error.into()),
    };
    match describe(bucket, entry.id, "", &own, &|_| {}, cancel) {
        Ok(own) => Ok(Own::Whole(match own.compare(entry).1.first() {
            None => Fate::Kept,
            Some(path) => Fate::Differs((*path).to_owned()),
        })),
        Err(BundleError::Store(StoreError::Damaged { .. })) => Ok(Own::Damaged),
        Err(error) => Err(error),
    }
}

impl Unpacked {
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Of the whole bundle.
    pub fn sha256(&self) -> Digest {
        self.sha256
    }

    /// Makes what was unpacked visible, and tells of each entry what became of it, in the order of the manifest.
    ///
    /// # Errors
    /// Those of the store. Each entry is then there as a whole, or not at all.
    pub fn commit(self, store: &Store, cancel: &Cancel) -> Result<Vec<Fate>, BundleError> {
        let mut fates = Vec::new();
        for (entry, place) in self.manifest.entries.iter().zip(self.places) {
            fates.push(match place {
                Place::Had(fate) => fate,
                Place::Staged { staging, again } => {
                    commit_one(entry, entry.bucket()?, &staging, again, store, cancel)?
                }
            });
        }
        Ok(fates)
    }
}

fn commit_one(
    entry: &Listed,
    bucket: Bucket,
    staging: &Staging,
    again: bool,
    store: &Store,
    cancel: &Cancel,
) -> Result<Fate, BundleError> {
    let id = entry.id.to_string();
    let mut made = false;
    let make = |folder: &Path| {
        made = true;
        move_all(staging.path(), folder).map_err(StoreError::io("move a new entry"))
    };
    if again {
        store.make_again::<StoreError>(bucket, &id, cancel, make)?;
    } else {
        store.get_or_make::<StoreError>(bucket, &id, cancel, |_| {}, make)?;
    }
    // Where another labctl was quicker, it has made the same.
    Ok(if made { Fate::Added } else { Fate::Kept })
}

fn move_all(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::rename(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
