//! The choice of an accelerator.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use super::device::{Denial, HostKvm};
use super::memory::{Finding, recall, remember};
use super::probe::{ProbeFailure, probe};
use crate::deadline::Deadline;
use crate::supervise::Cancel;
use crate::vm::{AccelKind, Qemu};

/// A probe guest takes a third of a second where KVM works, most of it QEMU's own start.
const PROBE_LIMIT: Duration = Duration::from_secs(5);

/// What the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AccelChoice {
    #[default]
    Auto,
    Kvm,
    Tcg,
}

impl FromStr for AccelChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "kvm" => Ok(Self::Kvm),
            "tcg" => Ok(Self::Tcg),
            _ => Err(format!("`{text}` is not an accelerator (auto, kvm or tcg)")),
        }
    }
}

/// What KVM is worth on this host. Each is another answer to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kvm {
    /// A guest of ours has run on it.
    Proven,
    /// `/dev/kvm` cannot be opened.
    Denied(Denial),
    /// It opens, and a guest does not run.
    Unable { why: String },
}

impl fmt::Display for Kvm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proven => f.write_str("a guest has run on /dev/kvm on this host"),
            Self::Denied(denial) => denial.fmt(f),
            Self::Unable { why } => write!(f, "/dev/kvm opens, but cannot run a guest: {why}"),
        }
    }
}

impl Kvm {
    /// What to do about it, one step per line; empty where nothing needs doing or nothing helps.
    pub fn advice(&self) -> Vec<String> {
        match self {
            Self::Denied(denial) => denial.advice(),
            Self::Proven | Self::Unable { .. } => Vec::new(),
        }
    }
}

/// The accelerator to use, with the reason that every result shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accel {
    pub kind: AccelKind,
    pub reason: String,
}

/// No accelerator as asked for.
#[derive(Debug, thiserror::Error)]
pub enum AccelError {
    #[error("KVM was asked for, but {0}")]
    NoKvm(Kvm),
    #[error("interrupted")]
    Cancelled,
    #[error("cannot find out whether KVM works")]
    Probe(#[source] ProbeFailure),
}

/// What KVM is worth here: from memory below `folder`, unless `again`, or by running a guest, which takes up to five
/// seconds.
///
/// # Errors
/// When it cannot be found out.
pub async fn kvm(
    host: &HostKvm,
    qemu: &Qemu,
    folder: &Path,
    again: bool,
    cancel: &Cancel,
) -> Result<Kvm, AccelError> {
    // Asked each time: it costs nothing, and permissions change without a restart.
    if let Err(denial) = host.open() {
        return Ok(Kvm::Denied(denial));
    }
    let remembered = if again { None } else { recall(folder, host, qemu) };
    let finding = match remembered {
        Some(finding) => finding,
        None => {
            let failure = match probe(qemu, AccelKind::Kvm, cancel, Deadline::after(PROBE_LIMIT)).await {
                Ok(()) => None,
                Err(ProbeFailure::Cancelled) => return Err(AccelError::Cancelled),
                Err(failure @ ProbeFailure::Io(_)) => return Err(AccelError::Probe(failure)),
                Err(failure) => Some(failure.to_string()),
            };
            let finding = Finding::new(failure);
            remember(folder, host, qemu, &finding);
            finding
        }
    };
    Ok(match finding.failure {
        None => Kvm::Proven,
        Some(why) => Kvm::Unable { why },
    })
}

/// Chooses: what was asked for, else KVM where it is proven, else TCG.
///
/// # Errors
/// [`AccelError::NoKvm`] when KVM was asked for and is not there.
pub async fn choose(
    choice: AccelChoice,
    host: &HostKvm,
    qemu: &Qemu,
    folder: &Path,
    cancel: &Cancel,
) -> Result<Accel, AccelError> {
    if choice == AccelChoice::Tcg {
        return Ok(Accel {
            kind: AccelKind::Tcg,
            reason: "asked for".to_owned(),
        });
    }
    let kvm = kvm(host, qemu, folder, false, cancel).await?;
    match (kvm, choice) {
        (kvm @ Kvm::Proven, _) => Ok(Accel {
            kind: AccelKind::Kvm,
            reason: kvm.to_string(),
        }),
        (kvm, AccelChoice::Kvm) => Err(AccelError::NoKvm(kvm)),
        (kvm, _) => Ok(Accel {
            kind: AccelKind::Tcg,
            reason: kvm.to_string(),
        }),
    }
}
