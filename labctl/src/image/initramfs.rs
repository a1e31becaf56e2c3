//! From the tree to the file: uncompressed. Under emulation, unpacking zstd in the guest costs more than reading
//! twice the bytes: QEMU loads them with the host's own speed.

use std::io::{self, Write as _};
use std::path::Path;

use fs_err as fs;
use lab_disk::{Tree, cpio};

/// Writes the archive and returns its size and what zstd would make of it (level 9), both in bytes.
pub(super) fn write(tree: &Tree, path: &Path) -> io::Result<(u64, u64)> {
    let bytes = cpio::to_vec(tree).map_err(io::Error::other)?;
    fs::write(path, &bytes)?;
    let mut counter = Counter(0);
    let mut encoder = zstd::Encoder::new(&mut counter, 9)?;
    encoder.write_all(&bytes)?;
    encoder.finish()?;
    Ok((bytes.len() as u64, counter.0))
}

struct Counter(u64);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
