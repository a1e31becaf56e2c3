//! .zip, .tar and .tar.gz, known by their bytes rather than by their names, read entry by entry within limits.

use std::fs::File;
use std::io::{self, Cursor, Read};

use flate2::read::MultiGzDecoder;
use tar::EntryType;
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::intake::{Bounded, Collector, Intake, Limits, Refusal};
use super::path::Ignored;

pub(super) fn read(file: File, limits: &Limits) -> Result<Intake, Refusal> {
    let mut bytes = Vec::new();
    file.take(limits.packed + 1)
        .read_to_end(&mut bytes)
        .map_err(Refusal::unreadable)?;
    if bytes.len() as u64 > limits.packed {
        return Err(Refusal::TooLarge(limits.packed));
    }
    read_bytes(&bytes, limits)
}

pub(super) fn read_bytes(bytes: &[u8], limits: &Limits) -> Result<Intake, Refusal> {
    const USTAR: std::ops::Range<usize> = 257..262;
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        unzip(bytes, limits)
    } else if bytes.starts_with(&[0x1f, 0x8b]) {
        untar(MultiGzDecoder::new(bytes), limits)
    } else if bytes.get(USTAR) == Some(b"ustar") {
        untar(bytes, limits)
    } else {
        Err(Refusal::UnknownFormat)
    }
}

fn unzip(bytes: &[u8], limits: &Limits) -> Result<Intake, Refusal> {
    /// The file type in the upper half of the external attributes, as Unix archivers write it.
    const TYPE: u32 = 0o170_000;
    const REGULAR: u32 = 0o100_000;

    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    if archive.len() > limits.entries {
        return Err(Refusal::TooManyEntries(limits.entries));
    }
    match entries_told(bytes) {
        Some(u16::MAX) => return Err(Refusal::Unsupported("zip64".to_owned())),
        // Of two entries of one name the reader keeps the last; others keep the first.
        Some(told) if usize::from(told) != archive.len() => {
            let text = format!("it lists {told} entries under {} names", archive.len());
            return Err(Refusal::Damaged(text));
        }
        _ => {}
    }
    let mut collector = Collector::new(limits);
    let mut unpacked = limits.unpacked;
    for index in 0..archive.len() {
        collector.count()?;
        let (name, kind) = {
            let entry = archive.by_index_raw(index).map_err(damaged)?;
            let kind = if entry.is_dir() {
                continue;
            } else if entry.is_symlink() {
                Err(Ignored::SymbolicLink)
            } else if entry
                .unix_mode()
                .is_some_and(|mode| ![0, REGULAR].contains(&(mode & TYPE)))
            {
                Err(Ignored::Special)
            } else if entry.encrypted() {
                return Err(Refusal::Encrypted);
            } else if !matches!(
                entry.compression(),
                CompressionMethod::Stored | CompressionMethod::Deflated
            ) {
                return Err(Refusal::Unsupported(format!(
                    "compression {}",
                    entry.compression()
                )));
            } else {
                Ok(())
            };
            (entry.name_raw().to_vec(), kind)
        };
        if let Err(why) = kind {
            collector.ignore(why, &name);
            continue;
        }
        let Some(place) = collector.wanted(&name) else {
            continue;
        };
        let mut entry = archive.by_index(index).map_err(damaged)?;
        let mut counted = Counted {
            inner: Bounded::new(&mut entry, unpacked),
            count: 0,
        };
        collector.keep(place, &mut counted)?;
        unpacked -= counted.count;
    }
    collector.finish()
}

/// The number of entries that the end of a .zip tells of (APPNOTE.TXT 4.3.16).
fn entries_told(bytes: &[u8]) -> Option<u16> {
    const MARK: &[u8] = b"PK\x05\x06";
    const LENGTH: usize = 22;
    const TOTAL: usize = 10;

    let last = bytes.len().checked_sub(LENGTH)?;
    let at = (0..=last).rev().find(|at| bytes[*at..].starts_with(MARK))?;
    let count = bytes.get(at + TOTAL..at + TOTAL + 2)?;
    Some(u16::from_le_bytes([count[0], count[1]]))
}

fn damaged(error: ZipError) -> Refusal {
    match error {
        ZipError::Io(error) => Refusal::from_reading(error),
        ZipError::UnsupportedArchive(what) => Refusal::Unsupported(what.to_owned()),
        ZipError::CompressionMethodNotSupported(method) => {
            Refusal::Unsupported(format!("compression method {method}"))
        }
        ZipError::InvalidPassword => Refusal::Encrypted,
        other => Refusal::Damaged(other.to_string()),
    }
}

struct Counted<R> {
    inner: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count += read as u64;
        Ok(read)
    }
}

/// Every byte of a .tar.gz has to be unpacked to find the next entry, so all of them count.
fn untar(reader: impl Read, limits: &Limits) -> Result<Intake, Refusal> {
    let mut collector = Collector::new(limits);
    let mut archive = tar::Archive::new(Bounded::new(reader, limits.unpacked));
    for entry in archive.entries().map_err(Refusal::from_reading)? {
        let entry = entry.map_err(Refusal::from_reading)?;
        collector.count()?;
        let name = entry.path_bytes().into_owned();
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous => {
                if let Some(place) = collector.wanted(&name) {
                    collector.keep(place, entry)?;
                }
            }
            EntryType::Directory | EntryType::XGlobalHeader | EntryType::XHeader => {}
            EntryType::Symlink => collector.ignore(Ignored::SymbolicLink, &name),
            EntryType::Link => collector.ignore(Ignored::HardLink, &name),
            EntryType::GNUSparse => collector.ignore(Ignored::Sparse, &name),
            _ => collector.ignore(Ignored::Special, &name),
        }
    }
    collector.finish()
}
