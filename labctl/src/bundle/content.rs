//! An entry of a store, as it is listed.

use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::error::BundleError;
use super::layout::SEAL;
use super::manifest::{Item, Kind, Listed};
use crate::digest::Digest;
use crate::store::{Bucket, Entry, StoreError};
use crate::supervise::Cancel;

/// Reads every file of a finished entry. `progress` is told of each file's bytes.
///
/// # Errors
/// [`StoreError::Damaged`] for an entry that is not as it was sealed; [`BundleError::Unfit`] for one with something in
/// it that cannot be carried.
pub fn describe(
    bucket: Bucket,
    id: Digest,
    what: &str,
    entry: &Entry,
    progress: &dyn Fn(u64),
    cancel: &Cancel,
) -> Result<Listed, BundleError> {
    let mut items = Vec::new();
    let failed = |source| BundleError::Entry {
        entry: format!("{bucket}/{id}"),
        source,
    };
    let walk = Walk {
        root: entry.path(),
        progress,
        cancel,
    };
    walk.folder(entry.path(), &mut items)
        .map_err(|failure| match failure {
            Failure::Cancelled(cancelled) => cancelled.into(),
            Failure::Io(source) => failed(source),
            Failure::Unfit(what) => BundleError::Unfit {
                entry: format!("{bucket}/{id}"),
                what,
            },
        })?;
    items.sort_by(|a, b| a.path.cmp(&b.path));
    let damaged = |what: String| StoreError::Damaged {
        entry: entry.path().display().to_string(),
        what,
    };
    let sealed = entry.sealed()?;
    for item in &items {
        if let Kind::File { size, sha256, .. } = &item.kind {
            match sealed.get(&item.path) {
                None => return Err(damaged(format!("`{}` was added to it", item.path)).into()),
                Some((had, digest)) if had != size || digest.is_some_and(|digest| digest != *sha256) => {
                    return Err(damaged(format!("`{}` is not what it was", item.path)).into());
                }
                Some(_) => {}
            }
        }
    }
    Ok(Listed::new(bucket, id, what, items))
}

enum Failure {
    Cancelled(crate::supervise::Cancelled),
    Io(io::Error),
    Unfit(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

struct Walk<'a> {
    root: &'a Path,
    progress: &'a dyn Fn(u64),
    cancel: &'a Cancel,
}

impl Walk<'_> {
    fn folder(&self, folder: &Path, items: &mut Vec<Item>) -> Result<(), Failure> {
        for entry in fs_err::read_dir(folder)? {
            self.cancel.check().map_err(Failure::Cancelled)?;
            let path = entry?.path();
            let name = path
                .strip_prefix(self.root)
                .ok()
                .and_then(Path::to_str)
                .ok_or_else(|| Failure::Unfit(format!("`{}` is not a text", path.display())))?
                .to_owned();
            if name == SEAL {
                continue;
            }
            let meta = std::fs::symlink_metadata(&path)?;
            let kind = if meta.is_dir() {
                self.folder(&path, items)?;
                Kind::Directory
            } else if meta.is_symlink() {
                let target = fs_err::read_link(&path)?;
                let target = target.to_str().map(str::to_owned);
                let target = target.ok_or_else(|| Failure::Unfit(format!("`{name}` leads to no text")))?;
                Kind::Link { target }
            } else if meta.is_file() {
                let file = fs_err::File::open(&path)?;
                let sha256 = Digest::of_reader(self.cancel.reader(file).take(meta.len()))?;
                (self.progress)(meta.len());
                Kind::File {
                    size: meta.len(),
                    sha256,
                    executable: meta.permissions().mode() & 0o111 != 0,
                }
            } else {
                return Err(Failure::Unfit(format!(
                    "`{name}` is neither file, folder nor link"
                )));
            };
            items.push(Item { path: name, kind });
        }
        Ok(())
    }
}
