//! One entry of `data.tar`, checked.

use std::io::{self, Read};

use thiserror::Error;

use super::DebError;
use crate::{PathError, RelativePath};

/// An entry that a well-made package does not have.
#[derive(Debug, Error)]
pub enum EntryError {
    #[error("a bad path")]
    Path(#[from] PathError),
    #[error("`{path}` occurs twice")]
    Duplicate { path: RelativePath },
    #[error("`{path}` would be written through `{through}`, which is not a directory")]
    ThroughNonDirectory { path: RelativePath, through: String },
    #[error("the symbolic link `{path}` -> `{target}` points out of the root")]
    LinkOut { path: RelativePath, target: String },
    #[error("the symbolic link `{path}` has no target, or one that is not text")]
    LinkTarget { path: RelativePath },
    #[error("the hard link `{path}` is to `{target}`, which is no file before it in the archive")]
    HardLinkTarget {
        path: RelativePath,
        target: RelativePath,
    },
    #[error("the entry for the root is not a directory")]
    Root,
    #[error("`{path}` is of a kind that packages do not have (tar type {kind:#04x})")]
    Kind { path: RelativePath, kind: u8 },
}

/// What the visitor gets.
#[derive(Debug)]
pub struct Entry<'a> {
    pub path: RelativePath,
    /// Permission bits; setuid and setgid never get here, sticky only on directories.
    pub mode: u32,
    /// Seconds since the epoch, as the package has it.
    pub mtime: u64,
    pub kind: EntryKind<'a>,
}

#[derive(Debug)]
pub enum EntryKind<'a> {
    File(FileContent<'a>),
    Directory,
    /// An absolute target is meant in the root that the package is unpacked into.
    Symlink {
        target: String,
    },
    /// The target is a file that came earlier in the same archive.
    HardLink {
        target: RelativePath,
    },
}

/// A file's bytes; what the visitor leaves unread is skipped.
pub struct FileContent<'a> {
    size: u64,
    left: u64,
    inner: &'a mut dyn Read,
}

impl<'a> FileContent<'a> {
    pub(super) fn new(inner: &'a mut dyn Read, size: u64) -> FileContent<'a> {
        FileContent {
            size,
            left: size,
            inner,
        }
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// All that is unread.
    pub fn into_vec(mut self) -> Result<Vec<u8>, DebError> {
        // The size is the archive's claim: memory is committed as bytes arrive, not on its word.
        let mut bytes = Vec::with_capacity(usize::try_from(self.left).unwrap_or(0).min(1 << 20));
        self.read_to_end(&mut bytes).map_err(DebError::from_content)?;
        Ok(bytes)
    }
}

impl Read for FileContent<'_> {
    /// An archive that ends before the file does is an `UnexpectedEof`.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if count == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the archive ends inside of a file",
            ));
        }
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }
}

impl std::fmt::Debug for FileContent<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileContent")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// A device node, FIFO or socket, which nothing here makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    pub path: RelativePath,
    pub what: &'static str,
}
