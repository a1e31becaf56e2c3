//! A finished entry and the manifest that proves it whole.
//!
//! Every file of an entry is looked at on every open, with one `stat`: it must be there, have its size, and not have
//! been written to since the manifest was, which is the last file of an entry. To re-hash gigabytes at every start
//! would cost more than the work it guards. [`Entry::verify`] re-hashes: files that were touched, and those of an entry
//! under suspicion.
//!
//! A manifest is one JSON document, and for a kernel two: its tree has thousands of files, every guest starts from a kernel,
//! and few starts compile anything. What the second lists is looked at by [`Entry::look_into_the_rest`] only.

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
fn look_at(dir: &Path, files: &Files, sealed: SystemTime) -> Result<(), String> {
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
    /// Of every regular file (links are followed by nobody and not listed) that no second document lists.
    files: Files,
}

/// Relative path -> size and digest.
type Files = BTreeMap<String, Recorded>;

/// A manifest as it was read.
struct ManifestFile {
    first: Manifest,
    bytes: Vec<u8>,
    /// Where in `bytes` the first document ends.
    end: usize,
    written: SystemTime,
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
        if !path.is_dir() {
            return Ok(None);
        }
        let entry = Self { path };
        let manifest = entry.manifest()?;
        look_at(&entry.path, &manifest.first.files, manifest.written).map_err(|what| entry.damaged(what))?;
        Ok(Some(entry))
    }

    /// Looks at the files that opening the entry does not look at.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] names the first that is not as it was made.
    pub(super) fn look_into_the_rest(&self) -> Result<(), StoreError> {
        let manifest = self.manifest()?;
        let rest = manifest.rest().map_err(|what| self.damaged(what))?;
        look_at(&self.path, &rest, manifest.written).map_err(|what| self.damaged(what))
    }

    /// Looks at what opening left out, re-reads every file and compares its digest.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] names the first file that differs.
    pub fn verify(&self) -> Result<(), StoreError> {
        self.look_into_the_rest()?;
        for (name, recorded) in self.files()? {
            if recorded.sha256.is_some() {
                check_digest(&self.path, &name, &recorded).map_err(|what| self.damaged(what))?;
            }
        }
        Ok(())
    }

    /// Its files, as they were when it was finished: path -> size, and the digest where one was taken.
    ///
    /// # Errors
    /// When the manifest cannot be read.
    pub fn sealed(&self) -> Result<BTreeMap<String, (u64, Option<Digest>)>, StoreError> {
        let files = self.files()?.into_iter();
        Ok(files
            .map(|(path, recorded)| (path, (recorded.size, recorded.sha256)))
            .collect())
    }

    fn files(&self) -> Result<Files, StoreError> {
        let manifest = self.manifest()?;
        let mut files = manifest.rest().map_err(|what| self.damaged(what))?;
        files.extend(manifest.first.files);
        Ok(files)
    }

    fn manifest(&self) -> Result<ManifestFile, StoreError> {
        read_manifest(&self.path).map_err(|what| self.damaged(what))
    }

    fn damaged(&self, what: String) -> StoreError {
        StoreError::Damaged {
            entry: self.path.display().to_string(),
            what,
        }
    }

    /// Writes the manifest and renames the staging folder into place. A crash before the rename leaves only a
    /// staging folder, which nothing reads. What lies below `apart` is listed apart.
    pub(super) fn seal(staging: Staging, path: PathBuf, apart: Option<&str>) -> Result<Self, StoreError> {
        let mut files = Files::new();
        record_files(staging.path(), staging.path(), &mut files)?;
        let is_apart = |name: &str| apart.is_some_and(|apart| Path::new(name).starts_with(apart));
        let (rest, mut files): (Files, Files) = files.into_iter().partition(|(name, _)| is_apart(name));
        if files.len() <= HASHED_FILES {
            for (name, recorded) in &mut files {
                let file =
                    fs::File::open(staging.path().join(name)).map_err(StoreError::io("read a new entry"))?;
                recorded.sha256 = Some(Digest::of_reader(file).map_err(StoreError::io("hash a new entry"))?);
            }
        }
        let failed = |error: serde_json::Error| StoreError::io("write a manifest")(error.into());
        let mut manifest = serde_json::to_vec_pretty(&Manifest { version: 1, files }).map_err(failed)?;
        manifest.push(b'\n');
        if !rest.is_empty() {
            serde_json::to_writer(&mut manifest, &rest).map_err(failed)?;
            manifest.push(b'\n');
        }
        fs::write(staging.path().join(MANIFEST), manifest).map_err(StoreError::io("write a manifest"))?;
        remove_tree(&path)?;
        let staged = staging.keep();
        // tempfile makes its folders 0700; the entry is as public as the user's umask lets the rest be.
        fs::rename(&staged, &path).map_err(StoreError::io("move a new entry into place"))?;
        Ok(Self { path })
    }
}

impl ManifestFile {
    /// What the second document lists.
    fn rest(&self) -> Result<Files, String> {
        let mut documents = serde_json::Deserializer::from_slice(&self.bytes[self.end..]).into_iter();
        let rest = documents.next().transpose();
        Ok(rest.map_err(unreadable)?.unwrap_or_default())
    }
}

fn read_manifest(path: &Path) -> Result<ManifestFile, String> {
    let missing = |error| format!("no manifest: {error}");
    let mut file = fs::File::open(path.join(MANIFEST)).map_err(missing)?;
    let written = file
        .metadata()
        .and_then(|meta| meta.modified())
        .map_err(missing)?;
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut file, &mut bytes).map_err(missing)?;
    let mut documents = serde_json::Deserializer::from_slice(&bytes).into_iter();
    let first = documents
        .next()
        .ok_or_else(|| "an empty manifest".to_owned())?
        .map_err(unreadable)?;
    let end = documents.byte_offset();
    Ok(ManifestFile {
        first,
        bytes,
        end,
        written,
    })
}

fn unreadable(error: serde_json::Error) -> String {
    format!("unreadable manifest: {error}")
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

fn record_files(root: &Path, dir: &Path, files: &mut Files) -> Result<(), StoreError> {
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
