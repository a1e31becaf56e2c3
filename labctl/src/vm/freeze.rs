//! Freezing a machine into two files, and going on from them.
//!
//! The guest's memory is a file already ([`Origin::Template`](super::Origin)): with `x-ignore-shared` QEMU leaves it where it
//! is, and what migrates is the state of processors and devices, some hundred kilobytes
//! (`qapi/migration.json`; `docs/devel/migration` calls the use "live update").

use std::io;
use std::path::Path;
use std::time::SystemTime;

use lab_proto::host::Word;
use qapi::qmp::{
    MigrationCapability, MigrationCapabilityStatus, MigrationStatus, migrate, migrate_incoming,
    migrate_set_capabilities, query_migrate,
};
use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio::time::timeout_at;

use super::instance::{InstanceDir, InstanceError};
use super::machine::Vm;
use super::qmp::{Qmp, QmpError};
use super::wire::QmpEvent;
use crate::deadline::Deadline;
use crate::supervise::Cancel;

/// Why a machine is not frozen.
#[derive(Debug, thiserror::Error)]
pub enum FreezeError {
    #[error("interrupted")]
    Cancelled,
    #[error("QEMU did not hand its state over in time")]
    TimedOut,
    #[error(transparent)]
    Qmp(#[from] QmpError),
    #[error(transparent)]
    Instance(#[from] InstanceError),
    #[error("cannot write the state of the machine")]
    Write(#[source] io::Error),
    #[error("QEMU could not save the state of the machine: {0}")]
    Failed(String),
}

/// Why a machine does not go on.
#[derive(Debug, thiserror::Error)]
pub enum ThawError {
    #[error(transparent)]
    Qmp(#[from] QmpError),
    #[error("cannot tell the guest the time")]
    Tell(#[source] io::Error),
    #[error("the machine did not go on in time")]
    TimedOut,
}

fn leave_memory_in_its_file() -> migrate_set_capabilities {
    migrate_set_capabilities {
        capabilities: vec![MigrationCapabilityStatus {
            capability: MigrationCapability::x_ignore_shared,
            state: true,
        }],
    }
}

impl Vm {
    /// Stops the guest's processors for good and writes the state of the machine to `state`, a new file. The machine
    /// is of no other use afterwards than to be shut down; then its memory's file is complete, too.
    ///
    /// # Errors
    /// When QEMU refuses (a device that cannot migrate), the file cannot be written, or `deadline` passes.
    pub async fn freeze(&self, state: &Path, cancel: &Cancel, deadline: Deadline) -> Result<(), FreezeError> {
        // By a socket: QEMU before 8.2 takes no file name, and its sandbox forbids the programs that could write one.
        let (listener, uri) = self.dir().listen_for_state()?;
        let listener = UnixListener::from_std(listener).map_err(FreezeError::Write)?;
        self.qmp().execute(leave_memory_in_its_file(), deadline).await?;
        let handed_over = async {
            let (mut stream, _) = listener.accept().await?;
            let mut options = tokio::fs::OpenOptions::new();
            let mut file = options
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(state)
                .await?;
            tokio::io::copy(&mut stream, &mut file).await?;
            file.sync_all().await
        };
        // The machine runs until QEMU itself stops it for the last step; what goes on from a machine that was stopped
        // before stays stopped (migration/global_state.c).
        let asked = migrate {
            uri: Some(uri),
            channels: None,
            detach: None,
            resume: None,
        };
        // Answered before anything is handed over.
        self.qmp().execute(asked, deadline).await?;
        tokio::select! {
            biased;
            () = cancel.requested() => return Err(FreezeError::Cancelled),
            _ = self.ended() => return Err(QmpError::Closed.into()),
            written = handed_over => written.map_err(FreezeError::Write)?,
            () = tokio::time::sleep_until(deadline.instant().into()) => return Err(FreezeError::TimedOut),
        }
        let info = self.qmp().execute(query_migrate {}, deadline).await?;
        match info.status {
            Some(MigrationStatus::completed) => Ok(()),
            status => Err(FreezeError::Failed(
                info.error_desc
                    .unwrap_or_else(|| format!("it ended as {status:?}")),
            )),
        }
    }
}

/// Has a QEMU that was started with `-incoming defer` read the state from its standard output, see
/// [`QemuProcess::spawn`](super::process::QemuProcess). The guest goes on by itself once that is done; a state that cannot
/// be read ends QEMU.
///
/// Returns when it does go on: what is sent to the guest before that is lost, and is sent again only after seconds.
pub(super) async fn thaw(
    qmp: &Qmp,
    dir: &InstanceDir,
    reports: &mut mpsc::UnboundedReceiver<QmpEvent>,
    deadline: Deadline,
) -> Result<(), ThawError> {
    qmp.execute(leave_memory_in_its_file(), deadline).await?;
    // Waiting for it when it goes on: the clock of its memory stopped when it was frozen.
    let clock = Word::Clock {
        since_epoch: SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default(),
    };
    dir.tell(clock).map_err(ThawError::Tell)?;
    let from_stdout = migrate_incoming {
        uri: Some("fd:1".to_owned()),
        channels: None,
        exit_on_error: None,
    };
    qmp.execute(from_stdout, deadline).await?;
    loop {
        match timeout_at(deadline.instant().into(), reports.recv()).await {
            Ok(Some(QmpEvent::Resumed)) => return Ok(()),
            Ok(Some(_)) => {}
            Ok(None) => return Err(QmpError::Closed.into()),
            Err(_) => return Err(ThawError::TimedOut),
        }
    }
}
