//! Finding what a labctl left behind that was killed before it could clean up.

use std::io;
use std::path::Path;

use fs_err as fs;

use super::instance::{InstanceDir, InstanceError};
use super::lease::{Lease, LeaseError};
use super::record::{Condition, InstanceRecord};

/// An instance that had no owner left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaped {
    pub name: String,
    /// Whether a QEMU was still running there.
    pub was_running: bool,
}

/// Kills and removes every instance below `root` whose owner died without having promised to leave it. Instances
/// with a living owner, and kept ones, are not touched.
///
/// # Errors
/// When `root` cannot be listed or an orphan's folder not removed.
pub fn reap_stale(root: &Path) -> Result<Vec<Reaped>, InstanceError> {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(InstanceError::io("list the instances")(error)),
    };
    let mut reaped = Vec::new();
    for entry in entries {
        let entry = entry.map_err(InstanceError::io("list the instances"))?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if let Some(owner) = name.strip_suffix(".lock") {
            // Of a labctl that was killed; taking the lease and dropping it removes the file.
            if !root.join(owner).exists() {
                drop(Lease::try_take(root, owner, "reap"));
            }
            continue;
        }
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        // Looked at before it is locked as well: whoever wants a kept instance must not find it held by this.
        if is_kept(&entry.path()) {
            continue;
        }
        let lease = match Lease::try_take(root, &name, "reap") {
            Ok(lease) => lease,
            Err(LeaseError::Held { .. } | LeaseError::Name(_)) => continue,
            Err(LeaseError::Io { source, .. }) => {
                return Err(InstanceError::io("lock an instance")(source));
            }
            Err(LeaseError::Cancelled { .. }) => break,
        };
        if is_kept(&entry.path()) {
            lease.keep();
            continue;
        }
        let was_running =
            read(&entry.path()).is_some_and(|(dir, record)| record.find_process(&dir).is_some());
        lease.clear()?;
        reaped.push(Reaped { name, was_running });
    }
    reaped.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(reaped)
}

fn is_kept(path: &Path) -> bool {
    read(path).is_some_and(|(_, record)| record.condition() != Condition::Unkept)
}

/// A record that cannot be read was never finished: the owner died in the middle.
fn read(path: &Path) -> Option<(InstanceDir, InstanceRecord)> {
    let dir = InstanceDir::open_path(path).ok()?;
    let record = InstanceRecord::read(&dir).ok()??;
    Some((dir, record))
}
