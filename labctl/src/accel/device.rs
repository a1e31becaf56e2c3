//! The state of `/dev/kvm`, as far as opening it tells.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use fs_err as fs;

/// Where this host keeps what decides about KVM. A value, so that tests can describe other hosts.
#[derive(Debug, Clone)]
pub struct HostKvm {
    /// `/dev/kvm`.
    pub device: PathBuf,
    /// The running kernel's release.
    pub release: String,
    /// The processor's model and flags, as `/proc/cpuinfo` has them for the first processor.
    pub processor: String,
}

/// Why `/dev/kvm` cannot even be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// There is no such device.
    Missing {
        /// Whether the processor could (`vmx` or `svm` among its flags): then only a kernel module is missing.
        processor_can: bool,
    },
    /// It is there, and this user may not use it.
    Forbidden { mode: u32, uid: u32, gid: u32 },
    /// It is there and refuses for another reason.
    Refuses { why: String },
}

impl HostKvm {
    /// This host.
    pub fn here() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let processor = cpuinfo
            .lines()
            .take_while(|line| !line.is_empty())
            .filter(|line| {
                ["model name", "flags", "microcode"]
                    .iter()
                    .any(|key| line.starts_with(key))
            })
            .collect::<Vec<_>>()
            .join("\n");
        Self {
            device: PathBuf::from("/dev/kvm"),
            release: rustix::system::uname().release().to_string_lossy().into_owned(),
            processor,
        }
    }

    /// Whether the device opens.
    ///
    /// # Errors
    /// The reason, by situation.
    pub fn open(&self) -> Result<(), Denial> {
        let error = match fs::File::options().read(true).write(true).open(&self.device) {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        match error.kind() {
            io::ErrorKind::NotFound => Err(self.missing()),
            io::ErrorKind::PermissionDenied => {
                let meta = fs::metadata(&self.device);
                let (mode, uid, gid) = meta.map_or((0, 0, 0), |meta| (meta.mode(), meta.uid(), meta.gid()));
                Err(Denial::Forbidden {
                    mode: mode & 0o777,
                    uid,
                    gid,
                })
            }
            // A device node whose module is not loaded (ENODEV, ENXIO).
            _ if matches!(error.raw_os_error(), Some(6 | 19)) => Err(self.missing()),
            _ => Err(Denial::Refuses {
                why: error.to_string(),
            }),
        }
    }

    fn missing(&self) -> Denial {
        let flag = |flag: &str| self.processor.split_ascii_whitespace().any(|word| word == flag);
        Denial::Missing {
            processor_can: flag("vmx") || flag("svm"),
        }
    }
}

impl std::fmt::Display for Denial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing { processor_can: true } => f.write_str(
                "there is no /dev/kvm, although the processor could: its kernel module is not loaded",
            ),
            Self::Missing { processor_can: false } => {
                f.write_str("there is no /dev/kvm: this machine offers no hardware virtualisation")
            }
            Self::Forbidden { mode, .. } => {
                write!(
                    f,
                    "/dev/kvm exists, but this user may not open it (mode {mode:03o})"
                )
            }
            Self::Refuses { why } => write!(f, "/dev/kvm does not open: {why}"),
        }
    }
}

impl Denial {
    /// What to do about it, one step per line.
    pub fn advice(&self) -> Vec<String> {
        let lines: &[&str] = match self {
            Self::Missing { processor_can: true } => &["sudo modprobe kvm_intel || sudo modprobe kvm_amd"],
            Self::Missing { processor_can: false } => &[
                "enable virtualisation in the firmware, or nested virtualisation for this virtual machine; \
                 labs also run without it, more slowly",
            ],
            Self::Forbidden { mode, .. } if mode & 0o060 == 0o060 => {
                &["sudo usermod -aG kvm \"$USER\"    (then log in again)"]
            }
            // The rule that hosted CI runners need, where the device belongs to root alone.
            Self::Forbidden { .. } => &[
                "echo 'KERNEL==\"kvm\", GROUP=\"kvm\", MODE=\"0666\", OPTIONS+=\"static_node=kvm\"' | sudo tee \
                 /etc/udev/rules.d/99-kvm4all.rules",
                "sudo udevadm control --reload-rules && sudo udevadm trigger --name-match=kvm",
            ],
            Self::Refuses { .. } => &["see the kernel's log (dmesg) for `kvm`"],
        };
        lines.iter().map(|&line| line.to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(device: &str, processor: &str) -> HostKvm {
        HostKvm {
            device: device.into(),
            release: "6.1".to_owned(),
            processor: processor.to_owned(),
        }
    }

    #[test]
    fn a_missing_device_asks_whether_the_processor_could() {
        for (processor, processor_can) in [("flags : fpu svm lm", true), ("flags : fpu svmx lm", false)] {
            let denial = host("/nonexistent/kvm", processor).open().unwrap_err();
            assert_eq!(denial, Denial::Missing { processor_can });
        }
    }

    #[test]
    fn something_else_in_its_place_refuses() {
        // A folder cannot be opened for writing.
        assert!(matches!(host("/", "").open(), Err(Denial::Refuses { .. })));
    }

    #[test]
    fn the_advice_depends_on_who_is_let_in() {
        let forbidden = |mode| Denial::Forbidden { mode, uid: 0, gid: 0 }.advice().join("\n");
        assert!(forbidden(0o660).contains("usermod"));
        assert!(forbidden(0o600).contains("udevadm"));
    }
}
