//! From a stream of somebody else's: nothing in it is believed until it was compared.

use std::io::{self, BufRead, Read};

use sha2::{Digest as _, Sha256};

use super::error::BundleError;
use super::manifest::{Item, Kind, Listed, Manifest};
use super::member::{BLOCK, END, header, padding};
use super::write::{LIST, list_kind};
use crate::digest::Digest;
use crate::supervise::Cancel;

/// Of the list of contents. That of a course with three kernels has some 3 MB.
const LONGEST_LIST: u64 = 64 << 20;
/// Of what zstd may look back at while it unpacks, as a power of two: 128 MiB.
const WINDOW: u32 = 27;

type Frame<R> = zstd::Decoder<'static, Hashed<R>>;

/// A bundle whose list of contents was read and found possible.
pub struct Bundle<R: BufRead> {
    manifest: Manifest,
    frame: Frame<R>,
    cancel: Cancel,
}

impl<R: BufRead> Bundle<R> {
    /// Reads the list of contents.
    ///
    /// # Errors
    /// [`BundleError`], for everything that is not the beginning of a bundle.
    pub fn open(from: R, cancel: &Cancel) -> Result<Self, BundleError> {
        let hashed = Hashed {
            inner: from,
            hasher: Sha256::new(),
        };
        let frame = zstd::Decoder::with_buffer(hashed).and_then(|mut frame| {
            frame.window_log_max(WINDOW)?;
            Ok(frame.single_frame())
        });
        let mut frame = frame.map_err(BundleError::Read)?;
        let mut block = tar::Header::new_ustar();
        read(&mut frame, block.as_mut_bytes()).map_err(|error| match error {
            BundleError::Read(_) => BundleError::NotABundle {
                why: "it is not compressed with zstd",
            },
            other => other,
        })?;
        let other = BundleError::NotABundle {
            why: "it does not begin with a list of contents",
        };
        let size = match block.entry_size() {
            Ok(size) if size <= LONGEST_LIST => size,
            _ => return Err(other),
        };
        if header(LIST, &list_kind(size))? != block.as_bytes() {
            return Err(other);
        }
        let mut list = Vec::new();
        (&mut frame)
            .take(size)
            .read_to_end(&mut list)
            .map_err(BundleError::reading)?;
        if list.len() as u64 != size {
            return Err(BundleError::Truncated);
        }
        zeros(&mut frame, padding(size), LIST)?;
        Ok(Self {
            manifest: Manifest::parse(&list)?,
            frame,
            cancel: cancel.clone(),
        })
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Reads the next item, which has to be `item` of `entry`, and gives a file's bytes to `take`.
    pub(super) fn member(
        &mut self,
        entry: &Listed,
        item: &Item,
        take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), BundleError> {
        let name = format!("{}/{}", entry.name(), item.path);
        let mismatch = || BundleError::Mismatch { path: name.clone() };
        let promised = header(&name, &item.kind)?;
        let mut got = vec![0; promised.len()];
        read(&mut self.frame, &mut got)?;
        if got != promised {
            return Err(mismatch());
        }
        let Kind::File { size, sha256, .. } = &item.kind else {
            return Ok(());
        };
        let mut hasher = Sha256::new();
        let mut left = *size;
        let mut buffer = vec![0; 128 << 10];
        while left > 0 {
            self.cancel.check()?;
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let count = match self.frame.read(&mut buffer[..most]) {
                Ok(0) => return Err(BundleError::Truncated),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(BundleError::reading(error)),
            };
            hasher.update(&buffer[..count]);
            take(&buffer[..count]).map_err(BundleError::Unpack)?;
            left -= count as u64;
        }
        if Digest::from_bytes(hasher.finalize().into()) != *sha256 {
            return Err(mismatch());
        }
        zeros(&mut self.frame, padding(*size), &name)
    }

    /// Reads the end, behind which there is nothing, and returns the digest of the whole.
    pub(super) fn end(mut self) -> Result<Digest, BundleError> {
        zeros(&mut self.frame, END, "the end")?;
        // The frame's own end, with its checksum.
        if self.frame.read(&mut [0]).map_err(BundleError::reading)? != 0 {
            return Err(BundleError::Trailing);
        }
        let mut rest = self.frame.finish();
        if !rest.fill_buf().map_err(BundleError::Read)?.is_empty() {
            return Err(BundleError::Trailing);
        }
        Ok(Digest::from_bytes(rest.hasher.finalize().into()))
    }
}

fn read(from: &mut impl Read, bytes: &mut [u8]) -> Result<(), BundleError> {
    from.read_exact(bytes).map_err(BundleError::reading)
}

fn zeros(from: &mut impl Read, count: usize, path: &str) -> Result<(), BundleError> {
    let mut bytes = [0; 2 * BLOCK];
    let bytes = &mut bytes[..count];
    read(from, bytes)?;
    if bytes.iter().any(|byte| *byte != 0) {
        return Err(BundleError::Mismatch {
            path: path.to_owned(),
        });
    }
    Ok(())
}

/// Hashes what was consumed.
struct Hashed<R> {
    inner: R,
    hasher: Sha256,
}

impl<R: BufRead> Read for Hashed<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Hashed<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        // What is consumed was in the buffer just now.
        if let Ok(buffer) = self.inner.fill_buf() {
            let count = count.min(buffer.len());
            self.hasher.update(&buffer[..count]);
        }
        self.inner.consume(count);
    }
}
