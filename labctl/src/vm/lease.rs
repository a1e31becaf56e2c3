//! Who may start, stop and remove an instance: one labctl at a time, by a file lock that the kernel drops when its
//! holder dies, however it dies.

use std::fs::TryLockError;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::config::is_plain_name;
use super::instance::{InstanceDir, InstanceError};
use super::process::kill_and_see_gone;
use super::record::InstanceRecord;
use crate::supervise::Cancel;

/// Who holds a lease, as it wrote itself down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub pid: u32,
    /// What it is doing with the instance, in the user's words (`up module7`).
    pub doing: String,
}

/// Why an instance cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    #[error("`{0}` is not a name for an instance (letters, digits, `-`, `_`, `.`; at most 64)")]
    Name(String),
    #[error("the instance `{name}` is in use by process {} (`labctl {}`)", .holder.pid, .holder.doing)]
    Held { name: String, holder: Holder },
    #[error("interrupted while waiting for the instance `{name}`")]
    Cancelled { name: String },
    #[error("cannot lock the instance `{name}`")]
    Io {
        name: String,
        #[source]
        source: io::Error,
    },
}

/// The sole right to one instance, and the duty to leave nothing behind: dropping it removes the instance's folder,
/// unless [`Lease::keep`] was called. Whoever holds a `Vm` of the instance drops that first.
#[derive(Debug)]
pub struct Lease {
    file: std::fs::File,
    lock_path: PathBuf,
    dir: PathBuf,
    keep: bool,
}

impl Lease {
    /// Takes the lease of `name` below `root` at once.
    ///
    /// # Errors
    /// [`LeaseError::Held`] names whoever has it.
    pub fn try_take(root: &Path, name: &str, doing: &str) -> Result<Self, LeaseError> {
        if !is_plain_name(name, 64) {
            return Err(LeaseError::Name(name.to_owned()));
        }
        let failed = |source| LeaseError::Io {
            name: name.to_owned(),
            source,
        };
        fs::create_dir_all(root).map_err(failed)?;
        let lock_path = root.join(format!("{name}.lock"));
        let Some(mut file) = lock(&lock_path).map_err(failed)? else {
            return Err(LeaseError::Held {
                name: name.to_owned(),
                holder: read_holder(&lock_path),
            });
        };
        let me = Holder {
            pid: std::process::id(),
            doing: doing.to_owned(),
        };
        let text = serde_json::to_vec(&me).map_err(|error| failed(error.into()))?;
        file.set_len(0).map_err(failed)?;
        file.write_all(&text).map_err(failed)?;
        Ok(Self {
            file,
            lock_path,
            dir: root.join(name),
            keep: false,
        })
    }

    /// As [`Lease::try_take`], but waits for whoever has the lease; `on_wait` is told once who that is.
    ///
    /// # Errors
    /// [`LeaseError::Cancelled`] when a stop was asked for while waiting.
    pub async fn take(
        root: &Path,
        name: &str,
        doing: &str,
        cancel: &Cancel,
        on_wait: impl FnOnce(&Holder),
    ) -> Result<Self, LeaseError> {
        let mut on_wait = Some(on_wait);
        loop {
            match Self::try_take(root, name, doing) {
                Err(LeaseError::Held { holder, .. }) => {
                    if let Some(tell) = on_wait.take() {
                        tell(&holder);
                    }
                }
                taken => return taken,
            }
            // flock(2) can be waited for only by blocking a thread, which a Ctrl-C could not end; and whoever holds
            // an instance holds it for seconds.
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(100)) => {}
                () = cancel.requested() => return Err(LeaseError::Cancelled { name: name.to_owned() }),
            }
        }
    }

    /// A new, empty folder for the instance. What an earlier one left is killed and removed first.
    ///
    /// # Errors
    /// When the old folder cannot be removed or the new one not made.
    pub fn create_dir(&self) -> Result<InstanceDir, InstanceError> {
        self.clear()?;
        InstanceDir::create(&self.dir)
    }

    /// Kills what runs in the instance's folder, and removes the folder.
    ///
    /// # Errors
    /// When the folder cannot be removed.
    pub fn clear(&self) -> Result<(), InstanceError> {
        if let Ok(dir) = InstanceDir::open_path(&self.dir)
            && let Ok(Some(record)) = InstanceRecord::read(&dir)
            && let Some(process) = record.find_process(&dir)
        {
            kill_and_see_gone(process);
        }
        match fs::remove_dir_all(&self.dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(InstanceError::Io {
                action: "remove an instance's folder",
                source: error,
            }),
            _ => Ok(()),
        }
    }

    /// Where the instance's folder is or will be.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Gives the lease up and leaves the folder.
    pub fn keep(mut self) {
        self.keep = true;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.keep {
            // Nothing can be done about a failure here; the next labctl finds the folder without an owner.
            drop(self.clear());
        }
        // While the lock is still held: whoever opened the old file notices that it is no longer the one at this path.
        drop(fs::remove_file(&self.lock_path));
        drop(self.file.unlock());
    }
}

/// The locked file, or `None` when another process has it locked.
fn lock(path: &Path) -> io::Result<Option<std::fs::File>> {
    loop {
        let file = std::fs::File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // The previous holder may have removed the file between our open and our lock; then this lock guards nothing.
        if let Ok(at_path) = path.metadata()
            && (at_path.dev(), at_path.ino()) == (file.metadata()?.dev(), file.metadata()?.ino())
        {
            return Ok(Some(file));
        }
    }
}

fn read_holder(path: &Path) -> Holder {
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|mut file| file.read_to_string(&mut text))
        .ok()
        .and_then(|_| serde_json::from_str(&text).ok())
        // It has just been taken and its holder has not signed yet.
        .unwrap_or(Holder {
            pid: 0,
            doing: "…".to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_taker_learns_who_holds_it() {
        let root = tempfile::tempdir().unwrap();
        let lease = Lease::try_take(root.path(), "m7", "up module7").unwrap();
        let refused = Lease::try_take(root.path(), "m7", "up module7").unwrap_err();
        let LeaseError::Held { holder, .. } = refused else {
            panic!("{refused}")
        };
        assert_eq!(holder.pid, std::process::id());
        assert_eq!(holder.doing, "up module7");
        drop(lease);
        drop(Lease::try_take(root.path(), "m7", "down").unwrap());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn waiting_ends_when_the_holder_lets_go_or_a_stop_is_asked_for() {
        let root = tempfile::tempdir().unwrap();
        let mut lease = Some(Lease::try_take(root.path(), "m7", "up").unwrap());
        let cancel = Cancel::new();
        let second = Lease::take(root.path(), "m7", "up", &cancel, |_| drop(lease.take()))
            .await
            .unwrap();
        let third = Lease::take(root.path(), "m7", "up", &cancel, |_| {
            cancel.request();
        })
        .await;
        assert!(matches!(third, Err(LeaseError::Cancelled { .. })));
        drop(second);
    }

    #[test]
    fn a_dropped_lease_leaves_no_folder_and_a_kept_one_does() {
        let root = tempfile::tempdir().unwrap();
        let lease = Lease::try_take(root.path(), "m7", "up").unwrap();
        lease.create_dir().unwrap();
        drop(lease);
        assert!(!root.path().join("m7").exists());
        let lease = Lease::try_take(root.path(), "m7", "up").unwrap();
        lease.create_dir().unwrap();
        lease.keep();
        assert!(root.path().join("m7").exists());
        assert!(!root.path().join("m7.lock").exists());
    }

    #[test]
    fn a_name_cannot_leave_the_root() {
        let root = tempfile::tempdir().unwrap();
        for name in ["..", "a/b", "", ".hidden"] {
            assert!(matches!(
                Lease::try_take(root.path(), name, "up"),
                Err(LeaseError::Name(_))
            ));
        }
    }
}
