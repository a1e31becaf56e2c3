//! The list of contents, and what of it is believed before a byte is unpacked. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::error::BundleError;
use super::layout;
use crate::digest::{Digest, InputHasher};
use crate::store::Bucket;

pub const SCHEMA: &str = "labctl/bundle/v1";
/// Far above a course with ten kernels; a list that is longer was made to do harm.
const MOST_ENTRIES: usize = 4096;
const MOST_ITEMS: usize = 1 << 20;
const LONGEST_PATH: usize = 1024;

/// What a bundle holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub schema: String,
    /// The version of the labctl that wrote it.
    pub labctl: String,
    /// By bucket and id.
    pub entries: Vec<Listed>,
}

/// One entry of a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// As [`Bucket::name`] has it.
    pub bucket: String,
    /// Of its inputs: what it is looked for by.
    pub id: Digest,
    /// For people.
    pub what: String,
    /// Of its items: what it is recognised by.
    pub content: Digest,
    /// Of all its files.
    pub bytes: u64,
    /// By path.
    pub items: Vec<Item>,
}

/// Something in an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Below the entry.
    pub path: String,
    #[serde(flatten)]
    pub kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Kind {
    Directory,
    File {
        size: u64,
        sha256: Digest,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        executable: bool,
    },
    Link {
        target: String,
    },
}

impl Listed {
    /// The entry of `items`, which are sorted by path.
    pub(super) fn new(bucket: Bucket, id: Digest, what: &str, items: Vec<Item>) -> Self {
        Self {
            bucket: bucket.name().to_owned(),
            id,
            what: what.to_owned(),
            content: content(&items),
            bytes: bytes(&items).unwrap_or(u64::MAX),
            items,
        }
    }

    /// # Errors
    /// [`BundleError::Contents`] for a bucket that is not carried.
    pub fn bucket(&self) -> Result<Bucket, BundleError> {
        layout::carried()
            .into_iter()
            .find(|bucket| bucket.name() == self.bucket)
            .ok_or_else(|| wrong(format!("`{}` is nothing that is carried", shown(&self.bucket))))
    }

    /// `kernels/<id>`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.bucket, self.id)
    }

    /// How many paths one or the other has, and those that one has and the other has not, or has otherwise.
    pub fn compare<'a>(&'a self, other: &'a Self) -> (usize, Vec<&'a str>) {
        let index = |listed: &'a Self| -> BTreeMap<&'a str, &'a Kind> {
            let items = listed.items.iter();
            items.map(|item| (item.path.as_str(), &item.kind)).collect()
        };
        let (own, others) = (index(self), index(other));
        let paths: BTreeSet<&str> = own.keys().chain(others.keys()).copied().collect();
        let count = paths.len();
        let differing = paths.into_iter().filter(|path| own.get(path) != others.get(path));
        (count, differing.collect())
    }

    fn check(&self) -> Result<(), BundleError> {
        let bucket = self.bucket()?;
        let failed = |what: String| wrong(format!("{}: {what}", self.name()));
        let mut directories = BTreeSet::new();
        let mut before: Option<&str> = None;
        for item in &self.items {
            check_path(&item.path).map_err(failed)?;
            // Sorted and without repetitions, so that nothing is made twice and a folder comes before what is in it.
            if before.is_some_and(|before| before >= item.path.as_str()) {
                return Err(failed(format!("`{}` is out of order", item.path)));
            }
            before = Some(&item.path);
            // Whatever something is put into is a folder of this entry: never a link.
            if let Some((parent, _)) = item.path.rsplit_once('/')
                && !directories.contains(parent)
            {
                return Err(failed(format!("`{}` has no folder to be in", item.path)));
            }
            if item.kind == Kind::Directory {
                directories.insert(item.path.as_str());
            }
        }
        for item in &self.items {
            layout::allows(bucket, item, &directories).map_err(failed)?;
        }
        let bytes = bytes(&self.items).ok_or_else(|| failed("its files have no sum".to_owned()))?;
        if bytes != self.bytes {
            return Err(failed(format!("it has {bytes} bytes, not {}", self.bytes)));
        }
        if content(&self.items) != self.content {
            return Err(failed("its digest is not that of its items".to_owned()));
        }
        layout::is_complete(bucket, self.id, &self.items).map_err(failed)
    }
}

impl Manifest {
    /// # Errors
    /// As when one is read.
    pub fn new(mut entries: Vec<Listed>) -> Result<Self, BundleError> {
        entries.sort_by(|a, b| (&a.bucket, a.id).cmp(&(&b.bucket, b.id)));
        let manifest = Self {
            schema: SCHEMA.to_owned(),
            labctl: env!("CARGO_PKG_VERSION").to_owned(),
            entries,
        };
        manifest.check()?;
        Ok(manifest)
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, BundleError> {
        let mut json = serde_json::to_vec(self).map_err(|error| BundleError::Write(error.into()))?;
        json.push(b'\n');
        Ok(json)
    }

    /// # Errors
    /// [`BundleError::Version`] for another version's bundle, [`BundleError::Contents`] for what no labctl has written.
    pub(super) fn parse(json: &[u8]) -> Result<Self, BundleError> {
        #[derive(Deserialize)]
        struct Head {
            schema: String,
            #[serde(default)]
            labctl: String,
        }
        let unreadable = |error: serde_json::Error| wrong(error.to_string());
        let head: Head = serde_json::from_slice(json).map_err(unreadable)?;
        if head.schema != SCHEMA {
            return Err(BundleError::Version {
                schema: shown(&head.schema),
                labctl: shown(&head.labctl),
            });
        }
        let manifest: Self = serde_json::from_slice(json).map_err(unreadable)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Of all files of all entries.
    pub fn bytes(&self) -> u64 {
        self.entries.iter().map(|entry| entry.bytes).sum()
    }

    /// What unpacking takes on a disk, with every file and folder in blocks of its own.
    pub fn blocks(&self) -> u64 {
        const BLOCK: u64 = 4096;
        let items = self.entries.iter().flat_map(|entry| &entry.items);
        items
            .map(|item| match item.kind {
                Kind::File { size, .. } => size.div_ceil(BLOCK).saturating_mul(BLOCK),
                Kind::Directory => BLOCK,
                Kind::Link { .. } => 0,
            })
            .fold(0, u64::saturating_add)
    }

    fn check(&self) -> Result<(), BundleError> {
        let items: usize = self.entries.iter().map(|entry| entry.items.len()).sum();
        if self.entries.len() > MOST_ENTRIES || items > MOST_ITEMS {
            return Err(wrong("it is too long".to_owned()));
        }
        let mut sum: u64 = 0;
        for entry in &self.entries {
            entry.check()?;
            sum = sum
                .checked_add(entry.bytes)
                .ok_or_else(|| wrong("its entries have no sum".to_owned()))?;
        }
        let key = |entry: &Listed| (entry.bucket.clone(), entry.id);
        for pair in self.entries.windows(2) {
            if key(&pair[0]) >= key(&pair[1]) {
                return Err(wrong(format!("{} is out of order", pair[1].name())));
            }
        }
        Ok(())
    }
}

fn wrong(what: String) -> BundleError {
    BundleError::Contents { what }
}

/// A text of somebody else's, short enough to be shown.
fn shown(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_control())
        .take(60)
        .collect()
}

fn check_path(path: &str) -> Result<(), String> {
    let steps_fit = path
        .split('/')
        .all(|step| !matches!(step, "" | "." | "..") && step.len() <= 255);
    if path.len() > LONGEST_PATH || !steps_fit || path.chars().any(char::is_control) {
        return Err(format!("`{}` is not a path inside of an entry", shown(path)));
    }
    Ok(())
}

fn bytes(items: &[Item]) -> Option<u64> {
    items.iter().try_fold(0u64, |sum, item| match item.kind {
        Kind::File { size, .. } => sum.checked_add(size),
        Kind::Directory | Kind::Link { .. } => Some(sum),
    })
}

/// The digest by which an entry is recognised, wherever it was made: of paths, kinds, sizes and bytes.
fn content(items: &[Item]) -> Digest {
    items
        .iter()
        .fold(InputHasher::new("labctl/content/1"), |hasher, item| {
            let hasher = hasher.input("path", &item.path);
            match &item.kind {
                Kind::Directory => hasher.input("directory", ""),
                Kind::File {
                    size,
                    sha256,
                    executable,
                } => hasher
                    .input("size", size.to_le_bytes())
                    .input("executable", [u8::from(*executable)])
                    .input("sha256", sha256.to_string()),
                Kind::Link { target } => hasher.input("link", target),
            }
        })
        .finish()
}
