//! What is taken from a submission, whichever way it came, and how much of it at most.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use lab_kmsg::sanitize;

use super::path::{Ignored, MARK, Place, judge};
use crate::digest::{Digest, InputHasher};

/// How much a submission may be. A workspace of the lesson has 40 kB in 30 files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of an archive.
    pub packed: u64,
    /// Bytes that a compressed archive may become, whether they are kept or not.
    pub unpacked: u64,
    /// Entries that are looked at.
    pub entries: usize,
    /// Files that are kept.
    pub files: usize,
    /// Bytes of one file that is kept.
    pub file: u64,
    /// Bytes of all files that are kept.
    pub kept: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            packed: 8 << 20,
            unpacked: 64 << 20,
            entries: 4_096,
            files: 256,
            file: 1 << 20,
            kept: 4 << 20,
        }
    }
}

/// Why a submission cannot be graded. About the student's files, in words for the student.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("it cannot be read")]
    Unreadable(#[source] io::Error),
    #[error("it is a symbolic link; hand in what it points to")]
    Link,
    #[error("it is neither a file nor a folder")]
    Special,
    #[error("it is neither a folder nor a .zip, .tar or .tar.gz")]
    UnknownFormat,
    #[error("the archive is damaged: {0}")]
    Damaged(String),
    #[error("the archive is encrypted")]
    Encrypted,
    #[error("the archive uses what is not read here: {0}")]
    Unsupported(String),
    #[error("the archive has more than {0} bytes")]
    TooLarge(u64),
    #[error("it unpacks to more than {0} bytes")]
    Bomb(u64),
    #[error("it has more than {0} entries")]
    TooManyEntries(usize),
    #[error("it has more than {0} files of a workspace")]
    TooManyFiles(usize),
    #[error("`{path}` has more than {limit} bytes")]
    FileTooLarge { path: String, limit: u64 },
    #[error("its files have more than {0} bytes together")]
    TooMuch(u64),
    #[error("`{0}` is in it twice")]
    Twice(String),
    #[error("it holds two workspaces, `{0}` and `{1}`")]
    TwoWorkspaces(String, String),
    #[error("there is no workspace in it: no {MARK}, no src, no answers")]
    NoWorkspace,
    #[error("{0}")]
    Git(String),
}

impl Refusal {
    pub(super) fn unreadable(error: io::Error) -> Self {
        Self::Unreadable(error)
    }

    /// One line, with what lies below it. Names in it come from strangers.
    pub fn reason(&self) -> String {
        let text = match self {
            Self::Unreadable(error) => format!("{self}: {error}"),
            _ => self.to_string(),
        };
        sanitize::line(text, 300)
    }
}

/// The files of a workspace, by path in it, and what was passed over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Intake {
    pub files: BTreeMap<String, Vec<u8>>,
    /// For the student: safe to show.
    pub notes: Vec<String>,
}

impl Intake {
    /// Content address of the files.
    pub fn digest(&self) -> Digest {
        let hasher = InputHasher::new("submission/1");
        let all = self.files.iter();
        all.fold(hasher, |hasher, (path, bytes)| {
            hasher.input("path", path).input("bytes", bytes)
        })
        .finish()
    }

    /// The files as text; a byte that is no UTF-8 becomes a replacement character.
    pub fn texts(&self) -> BTreeMap<String, String> {
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        self.files
            .iter()
            .map(|(path, bytes)| (path.clone(), text(bytes)))
            .collect()
    }
}

/// Collects the entries of a submission as they come.
pub(super) struct Collector<'a> {
    pub(super) limits: &'a Limits,
    entries: usize,
    kept: u64,
    files: BTreeMap<Place, Vec<u8>>,
    ignored: BTreeMap<Ignored, (usize, String)>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            entries: 0,
            kept: 0,
            files: BTreeMap::new(),
            ignored: BTreeMap::new(),
        }
    }

    /// Counts an entry, of whatever kind.
    pub(super) fn count(&mut self) -> Result<(), Refusal> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(Refusal::TooManyEntries(self.limits.entries));
        }
        Ok(())
    }

    /// Passes an entry over.
    pub(super) fn ignore(&mut self, why: Ignored, name: &[u8]) {
        let found = self
            .ignored
            .entry(why)
            .or_insert_with(|| (0, sanitize::line(name, 120)));
        found.0 += 1;
    }

    /// Judges the name of a regular file: where it is to be kept, if it is.
    pub(super) fn wanted(&mut self, name: &[u8]) -> Option<Place> {
        match judge(name) {
            Ok(place) => Some(place),
            Err(why) => {
                self.ignore(why, name);
                None
            }
        }
    }

    /// Keeps a file.
    pub(super) fn keep(&mut self, place: Place, reader: impl Read) -> Result<(), Refusal> {
        if self.files.contains_key(&place) {
            return Err(Refusal::Twice(shown(&place)));
        }
        if self.files.len() >= self.limits.files {
            return Err(Refusal::TooManyFiles(self.limits.files));
        }
        let limit = self.limits.file;
        let mut bytes = Vec::new();
        reader
            .take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(Refusal::from_reading)?;
        let length = bytes.len() as u64;
        if length > limit {
            return Err(Refusal::FileTooLarge {
                path: shown(&place),
                limit,
            });
        }
        self.kept += length;
        if self.kept > self.limits.kept {
            return Err(Refusal::TooMuch(self.limits.kept));
        }
        self.files.insert(place, bytes);
        Ok(())
    }

    /// Decides which folder is the workspace: the topmost with its mark, else the topmost with its folders.
    pub(super) fn finish(self) -> Result<Intake, Refusal> {
        let marked: BTreeSet<&str> = self
            .files
            .keys()
            .filter(|place| place.path == MARK)
            .map(|place| place.root.as_str())
            .collect();
        let any: BTreeSet<&str> = self.files.keys().map(|place| place.root.as_str()).collect();
        let roots = if marked.is_empty() { any } else { marked };
        let depth = |root: &&str| {
            if root.is_empty() {
                0
            } else {
                1 + root.matches('/').count()
            }
        };
        let least = roots.iter().map(depth).min();
        let mut topmost = roots.iter().filter(|root| Some(depth(root)) == least);
        let root = match (topmost.next(), topmost.next()) {
            (Some(root), None) => (*root).to_owned(),
            (Some(one), Some(other)) => return Err(Refusal::TwoWorkspaces((*one).into(), (*other).into())),
            (None, _) => return Err(Refusal::NoWorkspace),
        };
        let mut notes: Vec<String> = self
            .ignored
            .iter()
            .filter_map(|(why, (count, first))| {
                let what = why.describe(*count)?;
                let first = if *count == 1 {
                    format!("`{first}`")
                } else {
                    format!("first `{first}`")
                };
                Some(format!("passed over: {what} ({first})"))
            })
            .collect();
        let elsewhere = self.files.keys().filter(|place| place.root != root).count();
        if elsewhere > 0 {
            notes.push(format!("passed over: {elsewhere} files outside of the workspace"));
        }
        let files = self.files.into_iter().filter(|(place, _)| place.root == root);
        Ok(Intake {
            files: files.map(|(place, bytes)| (place.path, bytes)).collect(),
            notes,
        })
    }
}

impl Refusal {
    /// What a reader of ours or of an archive said: a limit of ours is not damage.
    pub(super) fn from_reading(error: io::Error) -> Self {
        match error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<OverLimit>())
        {
            Some(OverLimit(limit)) => Self::Bomb(*limit),
            None => Self::Damaged(error.to_string()),
        }
    }
}

fn shown(place: &Place) -> String {
    if place.root.is_empty() {
        place.path.clone()
    } else {
        format!("{}/{}", place.root, place.path)
    }
}

/// More bytes came out of a stream than are allowed.
#[derive(Debug, thiserror::Error)]
#[error("more than {0} bytes")]
struct OverLimit(u64);

/// A stream that fails, rather than ends, at its limit.
pub(super) struct Bounded<R> {
    inner: R,
    left: u64,
    limit: u64,
}

impl<R> Bounded<R> {
    pub(super) fn new(inner: R, limit: u64) -> Self {
        Self {
            inner,
            left: limit,
            limit,
        }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => {
                self.left = left;
                Ok(read)
            }
            None => Err(io::Error::other(OverLimit(self.limit))),
        }
    }
}
