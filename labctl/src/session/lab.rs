//! A guest that is up: found, kept, ended.

use std::path::Path;
use std::time::Duration;

use crate::deadline::Deadline;
use crate::event::Events;
use crate::guest::{
    Access, ConnectError, Guest, KeyError, KeyFiles, Nudge, Patience, SshConfig, connect_until,
};
use crate::supervise::Cancel;
use crate::vm::{AccelKind, Condition, Ended, InstanceDir, InstanceError, InstanceRecord, Lease, Vm};

/// How long a machine may take to quit before it is killed. Nothing in it is worth more: its disks are read-only.
const GRACE: Duration = Duration::from_secs(5);

/// Why a running guest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    #[error("no guest of `{name}` is running")]
    NotRunning { name: String },
    #[error("the guest of `{name}` has ended by itself")]
    HasEnded { name: String, console: Vec<String> },
    #[error(transparent)]
    Instance(#[from] InstanceError),
    #[error("cannot read the guest's keys")]
    Keys(#[from] KeyError),
    #[error("the guest of `{name}` does not answer")]
    Silent {
        name: String,
        #[source]
        source: Box<ConnectError>,
    },
    #[error("interrupted")]
    Cancelled,
}

/// A running guest with an open connection. Fields drop in order: the connection, then the machine (which is killed
/// unless it was kept), then the lease, which removes the folder.
#[derive(Debug)]
pub struct Lab {
    guest: Guest,
    vm: Vm,
    lease: Lease,
    slowness: f64,
}

impl Lab {
    pub(super) fn new(vm: Vm, guest: Guest, lease: Lease, slowness: f64) -> Self {
        Self {
            guest,
            vm,
            lease,
            slowness,
        }
    }

    pub fn guest(&self) -> &Guest {
        &self.guest
    }

    pub fn vm(&self) -> &Vm {
        &self.vm
    }

    /// A deadline `span` from now, where `span` is what it would be under KVM.
    pub fn deadline(&self, span: Duration) -> Deadline {
        Deadline::after(span.mul_f64(self.slowness))
    }

    /// Leaves the guest running.
    ///
    /// # Errors
    /// When the promise cannot be written down; the guest is ended then.
    pub async fn keep(self) -> Result<InstanceRecord, InstanceError> {
        let record = self.vm.record().clone();
        self.guest.close().await;
        self.vm.detach(self.lease)?;
        Ok(record)
    }

    /// Ends the guest and removes its folder; `last_look` sees the folder before.
    pub async fn end(self, cancel: &Cancel, last_look: impl FnOnce(&InstanceDir)) -> Option<Ended> {
        drop(self.guest);
        let dir = self.vm.dir().clone();
        let ended = self.vm.shutdown(Deadline::after(GRACE), cancel).await.ok();
        last_look(&dir);
        drop(self.lease);
        ended
    }

    /// Ends the guest at once, and removes its folder: nobody asks any more what was in it.
    pub async fn discard(self) {
        drop(self.guest);
        drop(self.vm.kill().await);
        drop(self.vm);
        drop(self.lease);
    }

    /// Connects to the guest that an earlier `up` left running. The machine itself stays with nobody.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub async fn attach(
        root: &Path,
        name: &str,
        cancel: &Cancel,
    ) -> Result<(Guest, InstanceRecord), AttachError> {
        let (dir, record) = find(root, name)?;
        let slowness = match record.accel {
            AccelKind::Kvm => 1.0,
            AccelKind::Tcg => 10.0,
        };
        let access = Access::load(dir.path())?;
        let address = (std::net::Ipv4Addr::LOCALHOST, record.ssh_port).into();
        let deadline = Deadline::after(Duration::from_secs(3).mul_f64(slowness));
        let patience = Patience::for_running(slowness);
        match connect_until(address, &access, &patience, deadline, cancel, &Nudge::new()).await {
            Ok(guest) => Ok((guest, record)),
            Err(ConnectError::Cancelled(_)) => Err(AttachError::Cancelled),
            Err(source) => Err(AttachError::Silent {
                name: name.to_owned(),
                source: Box::new(source),
            }),
        }
    }

    /// The block that lets OpenSSH in.
    ///
    /// # Errors
    /// When no such guest runs.
    pub fn ssh_config(root: &Path, name: &str) -> Result<SshConfig, AttachError> {
        let (dir, record) = find(root, name)?;
        Ok(SshConfig {
            host: alias(name),
            port: record.ssh_port,
            files: KeyFiles::in_dir(dir.path()),
        })
    }

    /// Ends a guest that was left running, and whatever else is in its folder.
    ///
    /// # Errors
    /// [`AttachError::NotRunning`] when there is nothing of that name.
    pub async fn down(root: &Path, name: &str, lease: Lease, cancel: &Cancel) -> Result<(), AttachError> {
        let dir = match InstanceDir::open(root, name) {
            Err(InstanceError::Missing(_)) => {
                return Err(AttachError::NotRunning {
                    name: name.to_owned(),
                });
            }
            dir => dir?,
        };
        // Asked first, so that QEMU ends in its own order; the lease kills what does not listen.
        if let Ok(vm) = Vm::attach(&dir, Deadline::after(GRACE), &Events::silent()).await {
            drop(vm.shutdown(Deadline::after(GRACE), cancel).await);
        }
        drop(lease);
        Ok(())
    }
}

/// The instance `name`, if it was left running and does.
fn find(root: &Path, name: &str) -> Result<(InstanceDir, InstanceRecord), AttachError> {
    let not_running = || AttachError::NotRunning {
        name: name.to_owned(),
    };
    let dir = match InstanceDir::open(root, name) {
        Err(InstanceError::Missing(_)) => return Err(not_running()),
        dir => dir?,
    };
    let record = InstanceRecord::read(&dir)?.ok_or_else(not_running)?;
    match record.condition() {
        Condition::Running => Ok((dir, record)),
        Condition::Ended => Err(AttachError::HasEnded {
            name: name.to_owned(),
            console: dir.console_tail(20),
        }),
        Condition::Unkept => Err(not_running()),
    }
}

/// The host name under which OpenSSH knows an instance.
pub(super) fn alias(name: &str) -> String {
    format!("labctl-{name}")
}
