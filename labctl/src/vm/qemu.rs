//! The QEMU program on this host.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::supervise;

pub const PROGRAM: &str = "qemu-system-x86_64";
/// The oldest release that has every option used here (`-action panic=`, file-backed memory with
/// `x-ignore-shared`); Debian 12's.
pub const OLDEST: Version = Version {
    major: 7,
    minor: 2,
    micro: 0,
};

/// A release of QEMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    pub major: u32,
    pub minor: u32,
    pub micro: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.micro)
    }
}

impl FromStr for Version {
    type Err = ();

    /// From the first line of `--version`: `QEMU emulator version 7.2.22 (Debian …)`.
    fn from_str(text: &str) -> Result<Self, ()> {
        let rest = text.split_once("version ").ok_or(())?.1;
        let number = rest.split([' ', '\n', '(']).next().ok_or(())?;
        let mut parts = number.split(['.', '-', '+']).map(str::parse);
        let mut next = || parts.next().and_then(Result::ok);
        Ok(Self {
            major: next().ok_or(())?,
            minor: next().ok_or(())?,
            micro: next().unwrap_or(0),
        })
    }
}

/// No QEMU that will do.
#[derive(Debug, thiserror::Error)]
pub enum QemuError {
    #[error("`{program}` is not installed")]
    Missing {
        program: String,
        /// The Debian package that has it.
        package: &'static str,
    },
    #[error("QEMU {found} is too old (at least {OLDEST} is needed)")]
    TooOld { found: Version },
    #[error("`{program} --version` failed")]
    Run {
        program: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{program} --version` said `{said}`")]
    NotQemu { program: PathBuf, said: String },
}

/// A QEMU that was found. Finding is a look at the file only; the version is asked for, or comes with the greeting
/// of the first machine, because starting QEMU just for that costs every `up` a tenth of a second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qemu {
    path: PathBuf,
    /// Size and time of the file: changes when the package is upgraded.
    stamp: String,
}

impl Qemu {
    /// Finds `program` (normally [`PROGRAM`]) in `search_path`, a `PATH`-like list.
    ///
    /// # Errors
    /// [`QemuError::Missing`] with the package to install.
    pub fn find(program: &str, search_path: &OsStr) -> Result<Self, QemuError> {
        let missing = || QemuError::Missing {
            program: program.to_owned(),
            package: "qemu-system-x86",
        };
        let path = supervise::find_program(program, search_path).ok_or_else(missing)?;
        let meta = path.metadata().map_err(|_| missing())?;
        Ok(Self {
            stamp: format!("{}-{}.{}", meta.len(), meta.mtime(), meta.mtime_nsec()),
            path,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What tells this QEMU from another or from itself before an upgrade.
    pub fn identity(&self) -> String {
        format!("{} {}", self.path.display(), self.stamp)
    }

    /// Asks the program for its version, and refuses one that is too old.
    ///
    /// # Errors
    /// [`QemuError::TooOld`], or when the program does not answer like QEMU.
    pub async fn version(&self) -> Result<Version, QemuError> {
        let output = supervise::async_command(&self.path)
            .arg("--version")
            .output()
            .await
            .map_err(|source| QemuError::Run {
                program: self.path.clone(),
                source,
            })?;
        let said = String::from_utf8_lossy(&output.stdout);
        let found: Version = said.parse().map_err(|()| QemuError::NotQemu {
            program: self.path.clone(),
            said: said.lines().next().unwrap_or_default().to_owned(),
        })?;
        found.check()
    }
}

impl Version {
    pub(super) fn check(self) -> Result<Self, QemuError> {
        if self < OLDEST {
            Err(QemuError::TooOld { found: self })
        } else {
            Ok(self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_versions_as_distributions_print_them() {
        for (text, want) in [
            (
                "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\nCopyright",
                (7, 2, 22),
            ),
            ("QEMU emulator version 10.0.2 (qemu-10.0.2-1.fc42)", (10, 0, 2)),
            (
                "QEMU emulator version 9.1.50 (v9.1.0-1-gabcdef-dirty)",
                (9, 1, 50),
            ),
            ("QEMU emulator version 8.2", (8, 2, 0)),
        ] {
            let got: Version = text.parse().unwrap();
            assert_eq!((got.major, got.minor, got.micro), want);
        }
        assert!("bash, version x".parse::<Version>().is_err());
    }

    #[test]
    fn an_old_release_is_refused() {
        let debian_11: Version = "QEMU emulator version 5.2.0 (Debian 1:5.2)".parse().unwrap();
        assert!(matches!(debian_11.check(), Err(QemuError::TooOld { .. })));
    }

    #[test]
    fn a_missing_program_names_its_package() {
        let error = Qemu::find("qemu-system-x86_64", OsStr::new("/nonexistent")).unwrap_err();
        assert!(matches!(
            error,
            QemuError::Missing {
                package: "qemu-system-x86",
                ..
            }
        ));
    }
}
