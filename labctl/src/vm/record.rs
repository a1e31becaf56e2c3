//! What an instance says about itself on the disk, for the labctl that comes after.

use std::collections::BTreeMap;
use std::io;

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::config::AccelKind;
use super::instance::{InstanceDir, InstanceError, RECORD};
use crate::supervise::ProcessRecord;

const FORMAT: u32 = 1;

/// `instance.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceRecord {
    /// The version of this format.
    pub format: u32,
    pub name: String,
    /// QEMU; absent until it was started.
    pub process: Option<ProcessRecord>,
    /// The port on 127.0.0.1 that leads to the guest's SSH server.
    pub ssh_port: u16,
    pub accel: AccelKind,
    pub accel_reason: String,
    /// QEMU's program and arguments. Bytes that are not UTF-8 are replaced: this is for people.
    pub argv: Vec<String>,
    /// Seconds since 1970.
    pub created: u64,
    /// Whether its labctl promised to leave it running.
    pub kept: bool,
    /// The caller's own words (kernel and image identities, a key's path).
    pub labels: BTreeMap<String, String>,
}

/// What has become of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Left running on purpose, and it does.
    Running,
    /// Left running on purpose, and QEMU has ended since. Its logs are still there.
    Ended,
    /// Nobody promised to leave it: it has an owner, or had one that died.
    Unkept,
}

impl InstanceRecord {
    pub(super) fn new(config: &super::VmConfig) -> Self {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self {
            format: FORMAT,
            name: config.name.clone(),
            process: None,
            ssh_port: 0,
            accel: config.accel,
            accel_reason: config.accel_reason.clone(),
            argv: Vec::new(),
            created: since_epoch.map_or(0, |span| span.as_secs()),
            kept: false,
            labels: config.labels.clone(),
        }
    }

    /// The record in `dir`; `None` when nothing was started there yet.
    ///
    /// # Errors
    /// When it cannot be read or is not a record.
    pub fn read(dir: &InstanceDir) -> Result<Option<Self>, InstanceError> {
        match fs::read(dir.file(RECORD)) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(InstanceError::Record),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(InstanceError::io("read an instance's record")(error)),
        }
    }

    pub(super) fn write(&self, dir: &InstanceDir) -> Result<(), InstanceError> {
        let text = serde_json::to_vec_pretty(self).map_err(InstanceError::Record)?;
        // Renamed into place: a reader, or a labctl after a crash, never sees half a record.
        let part = dir.file("instance.json.part");
        fs::write(&part, text)
            .and_then(|()| fs::rename(&part, dir.file(RECORD)))
            .map_err(InstanceError::io("write an instance's record"))
    }

    /// The QEMU of this instance, if it runs. Found by its arguments and its folder when the record ends before it:
    /// its labctl was killed between starting it and writing its number down.
    pub(super) fn find_process(&self, dir: &InstanceDir) -> Option<ProcessRecord> {
        if let Some(process) = self.process {
            return process.is_alive().then_some(process);
        }
        let processes = fs::read_dir("/proc").ok()?;
        processes
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|pid| self.is_process(dir, *pid))
            .find_map(ProcessRecord::of)
    }

    fn is_process(&self, dir: &InstanceDir, pid: u32) -> bool {
        let Ok(cmdline) = fs::read(format!("/proc/{pid}/cmdline")) else {
            return false;
        };
        let words = cmdline
            .strip_suffix(b"\0")
            .unwrap_or(&cmdline)
            .split(|&byte| byte == 0);
        words.eq(self.argv.iter().map(String::as_bytes))
            && fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| {
                // The caller's root may be reached through a link.
                fs::canonicalize(dir.path()).is_ok_and(|path| path == cwd)
            })
    }

    pub fn condition(&self) -> Condition {
        match &self.process {
            _ if !self.kept => Condition::Unkept,
            Some(process) if process.is_alive() => Condition::Running,
            _ => Condition::Ended,
        }
    }
}
