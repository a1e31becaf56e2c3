//! From a store into a stream.

use std::io::{self, Read, Write};

use sha2::{Digest as _, Sha256};

use super::error::BundleError;
use super::manifest::{Item, Kind, Listed, Manifest};
use super::member::{END, header, padding};
use crate::digest::Digest;
use crate::store::Store;
use crate::supervise::Cancel;

/// Of zstd. Part of the format: another level gives other bytes.
const LEVEL: i32 = 9;
/// The name of the list of contents.
pub(super) const LIST: &str = "bundle.json";

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Bytes of the whole bundle.
    pub size: u64,
    /// Of the whole bundle.
    pub sha256: Digest,
}

/// Writes the entries of `manifest` to `out`. They are read again while they are written, and have to be what the manifest says;
/// the caller has them in use. `progress` is told of bytes read.
///
/// # Errors
/// [`BundleError::Changed`] for a file that is not what it was when it was listed.
pub fn write(
    manifest: &Manifest,
    store: &Store,
    out: impl Write,
    progress: &dyn Fn(u64),
    cancel: &Cancel,
) -> Result<Written, BundleError> {
    let counted = Counted {
        inner: out,
        hasher: Sha256::new(),
        size: 0,
    };
    let write = BundleError::Write;
    let mut stream = zstd::Encoder::new(counted, LEVEL).map_err(write)?;
    stream.include_checksum(true).map_err(write)?;
    let list = manifest.to_bytes()?;
    stream
        .write_all(&header(LIST, &list_kind(list.len() as u64))?)
        .map_err(write)?;
    stream.write_all(&list).map_err(write)?;
    pad(&mut stream, list.len() as u64)?;
    for entry in &manifest.entries {
        for item in &entry.items {
            cancel.check()?;
            member(entry, item, store, &mut stream, progress, cancel)?;
        }
    }
    stream.write_all(&[0; END]).map_err(write)?;
    let mut counted = stream.finish().map_err(write)?;
    counted.flush().map_err(write)?;
    Ok(Written {
        size: counted.size,
        sha256: Digest::from_bytes(counted.hasher.finalize().into()),
    })
}

/// The digest of the list is not in its own header.
pub(super) fn list_kind(size: u64) -> Kind {
    Kind::File {
        size,
        sha256: Digest::from_bytes([0; 32]),
        executable: false,
    }
}

fn member(
    entry: &Listed,
    item: &Item,
    store: &Store,
    stream: &mut impl Write,
    progress: &dyn Fn(u64),
    cancel: &Cancel,
) -> Result<(), BundleError> {
    let name = format!("{}/{}", entry.name(), item.path);
    stream
        .write_all(&header(&name, &item.kind)?)
        .map_err(BundleError::Write)?;
    let Kind::File { size, sha256, .. } = &item.kind else {
        return Ok(());
    };
    let path = store
        .path(entry.bucket()?, &entry.id.to_string())
        .join(&item.path);
    let failed = |source| BundleError::Entry {
        entry: entry.name(),
        source,
    };
    let file = fs_err::File::open(path).map_err(failed)?;
    let mut file = cancel.reader(file).take(*size);
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 128 << 10];
    let mut copied = 0;
    loop {
        let count = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                cancel.check()?;
                return Err(failed(error));
            }
        };
        hasher.update(&buffer[..count]);
        stream.write_all(&buffer[..count]).map_err(BundleError::Write)?;
        copied += count as u64;
    }
    progress(copied);
    let got = Digest::from_bytes(hasher.finalize().into());
    if copied != *size || got != *sha256 {
        return Err(BundleError::Changed { path: name });
    }
    pad(stream, *size)
}

fn pad(stream: &mut impl Write, size: u64) -> Result<(), BundleError> {
    stream
        .write_all(&[0; END][..padding(size)])
        .map_err(BundleError::Write)
}

/// Counts and hashes what goes through.
struct Counted<W> {
    inner: W,
    hasher: Sha256,
    size: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
