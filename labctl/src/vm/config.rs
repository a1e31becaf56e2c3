//! What a machine is to be, checked before anything is started.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How guest instructions run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccelKind {
    Kvm,
    Tcg,
}

impl fmt::Display for AccelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        })
    }
}

/// Where a machine begins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Origin {
    /// It boots.
    #[default]
    Boot,
    /// It boots with its memory in a file, so that it can be frozen. The file exists and has exactly the memory's size.
    Template { memory: PathBuf },
    /// It goes on where a template was frozen. What it writes to its memory stays its own.
    Clone {
        memory: PathBuf,
        state: PathBuf,
        /// What the server on its SSH line had said by then, see [`Vm::line`](super::Vm::line).
        greeting: PathBuf,
    },
}

/// A raw disk image that the guest sees as a virtio disk (`/dev/vda` is the first) and cannot write to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    pub path: PathBuf,
    /// At most 20 bytes (virtio 1.2, 5.2.6: the device id string); how the guest tells disks apart.
    pub serial: String,
}

/// Everything that decides a machine, except where its files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmConfig {
    /// Shown by `ps` and in messages: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// An ELF kernel with a PVH entry point, or a bzImage.
    pub kernel: PathBuf,
    pub initrd: Option<PathBuf>,
    /// The kernel's command line, one word each, without spaces.
    pub cmdline: Vec<String>,
    pub cpus: u32,
    /// In MiB.
    pub memory: u32,
    pub origin: Origin,
    pub disks: Vec<Disk>,
    pub accel: AccelKind,
    /// Why that accelerator: kept in the record, and shown with every result.
    pub accel_reason: String,
    /// QEMU's own system-call filter. Off only on a QEMU that was built without it, and then said loudly.
    pub sandbox: bool,
    /// Kept in the record for whoever finds this instance (kernel and image identities, a key's path).
    pub labels: BTreeMap<String, String>,
}

/// A configuration that no machine can be made of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("`{0}` is not a name for a machine (letters, digits, `-`, `_`, `.`; at most 64)")]
    Name(String),
    #[error("the path `{0}` is not absolute")]
    RelativePath(PathBuf),
    #[error("`{0}` cannot be a word of the kernel's command line")]
    CmdlineWord(String),
    #[error("a machine cannot have {0} processors (1 to 64)")]
    Cpus(u32),
    #[error("{0} MiB of memory are out of range (64 to 65536)")]
    Memory(u32),
    #[error("the disk serial `{0}` has not 1 to 20 letters, digits, `-`, `_` or `.`")]
    Serial(String),
}

pub(super) fn is_plain_name(name: &str, longest: usize) -> bool {
    !name.is_empty()
        && name.len() <= longest
        && !name.starts_with(['.', '-'])
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

impl VmConfig {
    /// A machine with one processor, 256 MiB, no disks and TCG.
    pub fn new(name: impl Into<String>, kernel: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            kernel: kernel.into(),
            initrd: None,
            cmdline: Vec::new(),
            cpus: 1,
            memory: 256,
            origin: Origin::Boot,
            disks: Vec::new(),
            accel: AccelKind::Tcg,
            accel_reason: "asked for".to_owned(),
            sandbox: true,
            labels: BTreeMap::new(),
        }
    }

    /// # Errors
    /// The first thing that QEMU would misread or refuse.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !is_plain_name(&self.name, 64) {
            return Err(ConfigError::Name(self.name.clone()));
        }
        let frozen = match &self.origin {
            Origin::Boot => vec![],
            Origin::Template { memory } => vec![memory],
            Origin::Clone {
                memory,
                state,
                greeting,
            } => vec![memory, state, greeting],
        };
        let paths = [&self.kernel]
            .into_iter()
            .chain(&self.initrd)
            .chain(frozen)
            .chain(self.disks.iter().map(|disk| &disk.path));
        for path in paths {
            // QEMU runs in the instance's folder, so that a relative path would mean another file there.
            if !path.is_absolute() {
                return Err(ConfigError::RelativePath(path.clone()));
            }
        }
        for word in &self.cmdline {
            if word.is_empty() || word.chars().any(|c| c.is_whitespace() || c.is_control()) {
                return Err(ConfigError::CmdlineWord(word.clone()));
            }
        }
        if !(1..=64).contains(&self.cpus) {
            return Err(ConfigError::Cpus(self.cpus));
        }
        if !(64..=65536).contains(&self.memory) {
            return Err(ConfigError::Memory(self.memory));
        }
        match self.disks.iter().find(|disk| !is_plain_name(&disk.serial, 20)) {
            Some(disk) => Err(ConfigError::Serial(disk.serial.clone())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_qemu_would_misread() {
        let good = VmConfig::new("m7", "/k");
        assert_eq!(good.check(), Ok(()));
        let bad = |change: fn(&mut VmConfig)| {
            let mut config = good.clone();
            change(&mut config);
            config.check().unwrap_err()
        };
        assert!(matches!(bad(|c| c.name = "a/b".into()), ConfigError::Name(_)));
        assert!(matches!(
            bad(|c| c.kernel = "k".into()),
            ConfigError::RelativePath(_)
        ));
        assert!(matches!(
            bad(|c| c.cmdline.push("a b".into())),
            ConfigError::CmdlineWord(_)
        ));
        assert!(matches!(bad(|c| c.cpus = 0), ConfigError::Cpus(0)));
        assert!(matches!(bad(|c| c.memory = 1), ConfigError::Memory(1)));
        let long = |c: &mut VmConfig| {
            c.disks.push(Disk {
                path: "/d".into(),
                serial: "s".repeat(21),
            });
        };
        assert!(matches!(bad(long), ConfigError::Serial(_)));
    }
}
