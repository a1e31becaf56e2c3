//! A finished entry and the manifest that proves it whole.
//!
//! Every file of an entry is looked at on every open, with one `stat`: it must be there, have its size, and not have
//! been written to since the manifest was, which is the last file of an entry. To re-hash gigabytes at every start
//! would cost more than the work it guards. [`Entry::verify`] re-hashes: files that were touched, and those of an entry
//! under suspicion.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::bucket::remove_tree;
use super::staging::Staging;
use crate::digest::Digest;

const MANIFEST: &str = "MANIFEST.json";
/// Entries with more files than this (toolchain roots, kernel trees) have no digests: what was touched there counts as
/// damaged.
const HASHED_FILES: usize = 512;
/// Entries with more files than this are looked at by two threads: beginning one costs as much as dozens of looks.
const MANY_FILES: usize = 1024;

/// A failure of the store itself.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot {action}")]
    Io {
        action: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("the stored entry `{entry}` is damaged: {what}")]
    Damaged { entry: String, what: String },
    #[error("interrupted while waiting for another labctl")]
    Cancelled,
}

impl StoreError {
    /// For `map_err`: names the attempted action.
    pub fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}

/// Says what is wrong with the first of `files` that is not as it was recorded.
fn look_at(dir: &Path, files: &[(&String, &Recorded)], sealed: SystemTime) -> Result<(), String> {
    let mut file = dir.to_owned();
    for (name, recorded) in files {
        file.clear();
        file.push(dir);
        file.push(name);
        // Not fs_err's: its errors carry a copy of the path, and there are thousands of files.
        let Ok(meta) = std::fs::symlink_metadata(&file) else {
            return Err(format!("`{name}` is missing"));
        };
        let (got, want) = (meta.len(), recorded.size);
        if got != want {
            return Err(format!("`{name}` has {got} bytes instead of {want}"));
        }
        if meta.modified().is_ok_and(|at| at > sealed) {
            check_digest(dir, name, recorded)?;
        }
    }
    Ok(())
}

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    version: u32,
    /// Relative path -> size and digest, of every regular file (links are followed by nobody and not listed).
    files: BTreeMap<String, Recorded>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Recorded {
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<Digest>,
}

/// A whole entry of the store. Its files are not to be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    path: PathBuf,
}

impl Entry {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of one file of the entry.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(super) fn open(path: PathBuf) -> Result<Option<Self>, StoreError> {
        let damaged = |what: String| StoreError::Damaged {
            entry: path.display().to_string(),
            what,
        };
        if !path.is_dir() {
            return Ok(None);
        }
        let (manifest, sealed) = read_manifest(&path).map_err(&damaged)?;
        let files: Vec<(&String, &Recorded)> = manifest.files.iter().collect();
        if files.len() < MANY_FILES {
            look_at(&path, &files, sealed).map_err(&damaged)?;
        } else {
            // A kernel's tree is looked at before every guest, and nothing else goes on meanwhile.
            let (some, others) = files.split_at(files.len() / 2);
            let (some, others) = std::thread::scope(|scope| {
                let others = scope.spawn(|| look_at(&path, others, sealed));
                (look_at(&path, some, sealed), others.join())
            });
            some.map_err(&damaged)?;
            others
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                .map_err(&damaged)?;
        }
        Ok(Some(Self { path }))
    }

    /// Re-reads every file and compares its digest.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] names the first file that differs.
    pub fn verify(&self) -> Result<(), StoreError> {
        let damaged = |what: String| StoreError::Damaged {
            entry: self.path.display().to_string(),
            what,
        };
        for (name, recorded) in read_manifest(&self.path).map_err(damaged)?.0.files {
            if recorded.sha256.is_some() {
                check_digest(&self.path, &name, &recorded).map_err(damaged)?;
            }
        }
        Ok(())
    }

    /// Its files, as they were when it was finished: path -> size, and the digest where one was taken.
    ///
    /// # Errors
    /// When the manifest cannot be read.
    pub fn sealed(&self) -> Result<BTreeMap<String, (u64, Option<Digest>)>, StoreError> {
        let (manifest, _) = read_manifest(&self.path).map_err(|what| StoreError::Damaged {
            entry: self.path.display().to_string(),
            what,
        })?;
        let files = manifest.files.into_iter();
        Ok(files
            .map(|(path, recorded)| (path, (recorded.size, recorded.sha256)))
            .collect())
    }

    /// Writes the manifest and renames the staging folder into place. A crash before the rename leaves only a
    /// staging folder, which nothing reads.
    pub(super) fn seal(staging: Staging, path: PathBuf) -> Result<Self, StoreError> {
        let mut files = BTreeMap::new();
        record_files(staging.path(), staging.path(), &mut files)?;
        if files.len() <= HASHED_FILES {
            for (name, recorded) in &mut files {
                let file =
                    fs::File::open(staging.path().join(name)).map_err(StoreError::io("read a new entry"))?;
                recorded.sha256 = Some(Digest::of_reader(file).map_err(StoreError::io("hash a new entry"))?);
            }
        }
        let manifest = serde_json::to_vec_pretty(&Manifest { version: 1, files })
            .map_err(|error| StoreError::io("write a manifest")(error.into()))?;
        fs::write(staging.path().join(MANIFEST), manifest).map_err(StoreError::io("write a manifest"))?;
        remove_tree(&path)?;
        let staged = staging.keep();
        // tempfile makes its folders 0700; the entry is as public as the user's umask lets the rest be.
        fs::rename(&staged, &path).map_err(StoreError::io("move a new entry into place"))?;
        Ok(Self { path })
    }
}

/// The manifest, and when it was written.
fn read_manifest(path: &Path) -> Result<(Manifest, SystemTime), String> {
    let missing = |error| format!("no manifest: {error}");
    let mut file = fs::File::open(path.join(MANIFEST)).map_err(missing)?;
    let written = file
        .metadata()
        .and_then(|meta| meta.modified())
        .map_err(missing)?;
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut file, &mut bytes).map_err(missing)?;
    let manifest = serde_json::from_slice(&bytes).map_err(|error| format!("unreadable manifest: {error}"))?;
    Ok((manifest, written))
}

/// Re-reads one file. One without a digest was not to be touched.
fn check_digest(entry: &Path, name: &str, recorded: &Recorded) -> Result<(), String> {
    let Some(want) = recorded.sha256 else {
        return Err(format!("`{name}` was changed after it was made"));
    };
    let got = fs::File::open(entry.join(name))
        .and_then(Digest::of_reader)
        .map_err(|error| format!("`{name}`: {error}"))?;
    if got == want {
        Ok(())
    } else {
        Err(format!("`{name}` has digest {got} instead of {want}"))
    }
}

fn record_files(root: &Path, dir: &Path, files: &mut BTreeMap<String, Recorded>) -> Result<(), StoreError> {
    for entry in fs::read_dir(dir).map_err(StoreError::io("list a new entry"))? {
        let entry = entry.map_err(StoreError::io("list a new entry"))?;
        let meta = entry.metadata().map_err(StoreError::io("list a new entry"))?;
        if meta.is_dir() {
            record_files(root, &entry.path(), files)?;
        } else if meta.is_file()
            && let Ok(name) = entry.path().strip_prefix(root)
            && let Some(name) = name.to_str()
        {
            files.insert(
                name.to_owned(),
                Recorded {
                    size: meta.len(),
                    sha256: None,
                },
            );
        }
    }
    Ok(())
}
