//! One file of known size and digest, resumed where an earlier try stopped.

use std::io::{self, Write};
use std::path::Path;

use fs_err as fs;
use sha2::{Digest as _, Sha256};

use super::archive::{Archive, AsTransfer};
use super::transport::TransferError;
use crate::digest::Digest;
use crate::supervise::Cancel;

/// What a file has to be.
#[derive(Debug, Clone)]
pub struct Download {
    /// For messages: a package's name, or an index.
    pub name: String,
    /// Below the archive's base.
    pub path: String,
    /// Bytes.
    pub size: u64,
    pub sha256: Digest,
}

/// A file that could not be got, or is not what it has to be.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    #[error("cannot fetch `{name}`")]
    Transfer {
        name: String,
        #[source]
        source: TransferError,
    },
    #[error("`{name}` has a wrong digest: expected sha256 {expected}, got {got} (from `{url}`)")]
    Digest {
        name: String,
        url: String,
        expected: Digest,
        got: Digest,
    },
    #[error("`{name}` has a wrong size: expected {expected} bytes, got {got} (from `{url}`)")]
    Size {
        name: String,
        url: String,
        expected: u64,
        got: u64,
    },
    #[error("cannot write `{name}` to the store")]
    Write {
        name: String,
        #[source]
        source: io::Error,
    },
}

impl DownloadError {
    /// Whether the mirror no longer has the file.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(
            self,
            DownloadError::Transfer {
                source: TransferError::NotFound { .. },
                ..
            }
        )
    }
}

/// How an attempt ended, before the name of what was wanted is attached.
enum Failure {
    Transfer(TransferError),
    Other(DownloadError),
}

impl From<TransferError> for Failure {
    fn from(error: TransferError) -> Failure {
        Failure::Transfer(error)
    }
}

impl AsTransfer for Failure {
    fn as_transfer(&self) -> Option<&TransferError> {
        match self {
            Failure::Transfer(error) => Some(error),
            Failure::Other(_) => None,
        }
    }
}

/// Fetches `wanted` into the file `part`, which may hold its beginning already. `progress` is told how many bytes
/// are there, which may be fewer than before when a part proves useless.
///
/// # Errors
/// [`DownloadError`]; what has arrived stays in `part`, unless it is wrong.
pub fn download(
    archive: &Archive,
    wanted: &Download,
    part: &Path,
    progress: &dyn Fn(u64),
    cancel: &Cancel,
) -> Result<(), DownloadError> {
    let attempt = || attempt(archive, wanted, part, progress, cancel);
    archive
        .with_retries(cancel, attempt)
        .map_err(|failure| match failure {
            Failure::Transfer(source) => DownloadError::Transfer {
                name: wanted.name.clone(),
                source,
            },
            Failure::Other(error) => error,
        })
}

fn attempt(
    archive: &Archive,
    wanted: &Download,
    part: &Path,
    progress: &dyn Fn(u64),
    cancel: &Cancel,
) -> Result<(), Failure> {
    let write = |source: io::Error| {
        Failure::Other(DownloadError::Write {
            name: wanted.name.clone(),
            source,
        })
    };
    let url = archive.url(&wanted.path);
    let mut part = Part::open(part, wanted.size).map_err(write)?;
    let resumed = part.length > 0;
    if part.length < wanted.size {
        let transfer = archive.transport.open(&url, part.length);
        let head = match transfer.head(cancel) {
            // The part is not a beginning of what the server has; the next attempt starts over.
            Err(TransferError::Status { status: 416, url }) => {
                part.restart().map_err(write)?;
                return Err(TransferError::Truncated {
                    url,
                    got: 0,
                    expected: wanted.size,
                }
                .into());
            }
            other => other?,
        };
        if let Some(got) = head.total.filter(|total| *total != wanted.size) {
            return Err(Failure::Other(wrong_size(wanted, url, got)));
        }
        if head.start == 0 && resumed {
            part.restart().map_err(write)?;
        }
        progress(part.length);
        while let Some(chunk) = transfer.chunk(cancel)? {
            if part.length + chunk.len() as u64 > wanted.size {
                part.restart().map_err(write)?;
                return Err(Failure::Other(wrong_size(wanted, url, wanted.size + 1)));
            }
            part.append(&chunk).map_err(write)?;
            progress(part.length);
        }
        if part.length < wanted.size {
            return Err(TransferError::Truncated {
                url,
                got: part.length,
                expected: wanted.size,
            }
            .into());
        }
    }
    progress(part.length);
    let got = part.digest();
    if got == wanted.sha256 {
        return Ok(());
    }
    part.restart().map_err(write)?;
    if resumed {
        // An interruption may have left a part whose last bytes never reached the disk: that is no one's lie, so
        // the whole file gets one more chance.
        progress(0);
        return Err(TransferError::Truncated {
            url,
            got: 0,
            expected: wanted.size,
        }
        .into());
    }
    Err(Failure::Other(DownloadError::Digest {
        name: wanted.name.clone(),
        url,
        expected: wanted.sha256,
        got,
    }))
}

fn wrong_size(wanted: &Download, url: String, got: u64) -> DownloadError {
    DownloadError::Size {
        name: wanted.name.clone(),
        url,
        expected: wanted.size,
        got,
    }
}

/// The beginning of a file, with the state of its digest.
struct Part {
    file: fs::File,
    hasher: Sha256,
    length: u64,
}

impl Part {
    fn open(path: &Path, most: u64) -> io::Result<Part> {
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let mut part = Part {
            file,
            hasher: Sha256::new(),
            length: 0,
        };
        if part.file.metadata()?.len() > most {
            part.restart()?;
        }
        part.length = io::copy(&mut part.file, &mut part.hasher)?;
        Ok(part)
    }

    fn restart(&mut self) -> io::Result<()> {
        use std::io::Seek as _;

        self.file.set_len(0)?;
        self.file.rewind()?;
        self.hasher = Sha256::new();
        self.length = 0;
        Ok(())
    }

    fn append(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.file.write_all(chunk)?;
        self.hasher.update(chunk);
        self.length += chunk.len() as u64;
        Ok(())
    }

    fn digest(&self) -> Digest {
        Digest::from_bytes(self.hasher.clone().finalize().into())
    }
}
