//! What a probe found, remembered for as long as it can be true.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::device::HostKvm;
use crate::digest::InputHasher;
use crate::vm::Qemu;

/// A bad outcome may have been a busy host's. It is asked again after a day.
const DOUBT: Duration = Duration::from_secs(24 * 60 * 60);

/// A probe's outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Finding {
    /// Why KVM cannot be used; absent when a guest ran.
    pub(super) failure: Option<String>,
    /// Seconds since 1970.
    pub(super) at: u64,
}

impl Finding {
    pub(super) fn new(failure: Option<String>) -> Self {
        Self { failure, at: now() }
    }

    fn holds(&self, now: u64) -> bool {
        self.failure.is_none() || now.saturating_sub(self.at) < DOUBT.as_secs()
    }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |span| span.as_secs())
}

/// The file that remembers the outcome on this host with this QEMU.
fn path(folder: &Path, host: &HostKvm, qemu: &Qemu) -> PathBuf {
    let id = InputHasher::new("kvm-probe-1")
        .input("kernel", &host.release)
        .input("processor", &host.processor)
        .input("qemu", qemu.identity())
        .finish();
    folder.join(format!("kvm-{}.json", id.short()))
}

/// What was found earlier, if it still counts.
pub(super) fn recall(folder: &Path, host: &HostKvm, qemu: &Qemu) -> Option<Finding> {
    let bytes = fs::read(path(folder, host, qemu)).ok()?;
    let finding: Finding = serde_json::from_slice(&bytes).ok()?;
    finding.holds(now()).then_some(finding)
}

/// Keeps `finding`. A failure to keep it costs a probe next time, and nothing else.
pub(super) fn remember(folder: &Path, host: &HostKvm, qemu: &Qemu, finding: &Finding) {
    let kept = || -> std::io::Result<()> {
        fs::create_dir_all(folder)?;
        let part = tempfile::NamedTempFile::new_in(folder)?;
        fs::write(part.path(), serde_json::to_vec(finding)?)?;
        part.persist(path(folder, host, qemu))?;
        Ok(())
    };
    drop(kept());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_finding_is_doubted_after_a_day_and_a_good_one_is_not() {
        let bad = Finding::new(Some("slow".to_owned()));
        assert!(bad.holds(bad.at + 60));
        assert!(!bad.holds(bad.at + 2 * DOUBT.as_secs()));
        let good = Finding::new(None);
        assert!(good.holds(good.at + 365 * DOUBT.as_secs()));
    }
}
