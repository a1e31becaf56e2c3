//! `/dev/witness`.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use anyhow::{Context, bail};
use lab_proto::record::{MAX_TEXT_BYTES, RECORD_BYTES};
use nix::libc::O_NONBLOCK;

const PATH: &str = "/dev/witness";
/// What the module hands over at once at most.
const BATCH_RECORDS: usize = 32;

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// There are records.
    Records,
    /// The tracer is to end.
    MustStop,
}

/// The open device.
pub(crate) struct Device {
    file: File,
    buffer: Vec<u8>,
}

impl Device {
    /// Opens the device; from here on the module keeps every record until it is read.
    pub(crate) fn open() -> anyhow::Result<Self> {
        match OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(PATH) {
            Ok(file) => Ok(Self {
                file,
                buffer: vec![0; BATCH_RECORDS * (RECORD_BYTES + MAX_TEXT_BYTES)],
            }),
            Err(e) if e.kind() == ErrorKind::NotFound => bail!("no `{PATH}`: is witness.ko loaded?"),
            Err(e) if e.kind() == ErrorKind::ResourceBusy => bail!("`{PATH}` has a reader already"),
            Err(e) => Err(e).with_context(|| format!("cannot open `{PATH}`")),
        }
    }

    /// The records that are there; `None` if there are none.
    pub(crate) fn read(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            match self.file.read(&mut self.buffer) {
                Ok(0) => return Ok(None),
                // The module returns whole records only.
                Ok(bytes) => return Ok(Some(&self.buffer[..bytes])),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
