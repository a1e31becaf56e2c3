//! Starting a machine: from its description to a negotiated control connection, or to a cause worth reading.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc;

use super::argv::argv;
use super::config::{ConfigError, Origin, VmConfig};
use super::death::{Death, DeathCause};
use super::follow::Follower;
use super::freeze::{self, ThawError};
use super::instance::{InstanceDir, InstanceError};
use super::machine::Vm;
use super::port::free_port;
use super::process::QemuProcess;
use super::qemu::{Qemu, QemuError};
use super::qmp::{Qmp, QmpError};
use super::record::InstanceRecord;
use crate::deadline::Deadline;
use crate::event::Events;
use crate::supervise::Cancel;

/// Losing the race for a port this often in a row is not bad luck any more.
const PORT_ATTEMPTS: u32 = 8;

/// Why there is no machine.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    #[error("interrupted")]
    Cancelled,
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Instance(#[from] InstanceError),
    #[error(transparent)]
    Qemu(#[from] QemuError),
    #[error("the host has no free port")]
    Port(#[source] io::Error),
    #[error("cannot start `{program}`")]
    Spawn {
        program: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("QEMU did not start")]
    Died(#[source] Death),
    #[error("QEMU did not answer in time")]
    TimedOut,
    #[error("cannot control QEMU")]
    Qmp(#[source] QmpError),
    #[error("cannot restore the machine")]
    Thaw(#[source] ThawError),
    #[error("cannot watch the machine")]
    Watch(#[source] io::Error),
}

impl Vm {
    /// Starts a machine in `dir` and takes control of it. The guest boots meanwhile.
    ///
    /// # Errors
    /// Whatever kept QEMU from coming up; nothing runs then.
    pub async fn start(
        qemu: &Qemu,
        config: &VmConfig,
        dir: &InstanceDir,
        cancel: &Cancel,
        deadline: Deadline,
        events: &Events,
    ) -> Result<Self, LaunchError> {
        config.check()?;
        let mut attempts = 0;
        loop {
            attempts += 1;
            match start_once(qemu, config, dir, cancel, deadline, events).await {
                Err(LaunchError::Died(death))
                    if death.cause == DeathCause::PortTaken && attempts < PORT_ATTEMPTS => {}
                outcome => return outcome,
            }
        }
    }
}

async fn start_once(
    qemu: &Qemu,
    config: &VmConfig,
    dir: &InstanceDir,
    cancel: &Cancel,
    deadline: Deadline,
    events: &Events,
) -> Result<Vm, LaunchError> {
    let ssh_port = free_port().map_err(LaunchError::Port)?;
    let control = dir.listen()?;
    let argv = argv(config, ssh_port);
    let mut record = InstanceRecord::new(config);
    record.ssh_port = ssh_port;
    record.argv = std::iter::once(qemu.path().as_os_str())
        .chain(argv.iter().map(AsRef::as_ref))
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    // Written before QEMU exists as well: should this process be killed in between, the arguments in the record are
    // what the orphan is found by.
    record.write(dir)?;
    let state = match &config.origin {
        Origin::Clone { state, .. } => Some(state.as_path()),
        Origin::Boot | Origin::Template { .. } => None,
    };
    let spawned = QemuProcess::spawn(qemu.path(), &argv, dir, control, state);
    let process = spawned.map_err(|source| LaunchError::Spawn {
        program: qemu.path().to_owned(),
        source,
    })?;
    record.process = process.record();
    record.write(dir)?;
    let (report, mut reports) = mpsc::unbounded_channel();
    let qmp = tokio::select! {
        exit = process.exited() => return Err(LaunchError::Died(QemuProcess::death(exit, dir))),
        () = cancel.requested() => return Err(end(&process, LaunchError::Cancelled).await),
        qmp = Qmp::connect(dir, report, deadline) => qmp,
    };
    let qmp = match qmp {
        Ok(qmp) => qmp,
        // A connection that is cut is how a QEMU that is about to end looks from here.
        Err(QmpError::Closed | QmpError::NotListening(_)) => {
            let patience = Duration::from_secs(5).min(deadline.remaining());
            return Err(match tokio::time::timeout(patience, process.exited()).await {
                Ok(exit) => LaunchError::Died(QemuProcess::death(exit, dir)),
                Err(_) => end(&process, LaunchError::Qmp(QmpError::Closed)).await,
            });
        }
        Err(QmpError::Busy | QmpError::TimedOut { .. }) => {
            return Err(end(&process, LaunchError::TimedOut).await);
        }
        Err(error) => return Err(end(&process, LaunchError::Qmp(error)).await),
    };
    if let Err(error) = qmp.version().check() {
        return Err(end(&process, error.into()).await);
    }
    if state.is_some() {
        let thawed = tokio::select! {
            exit = process.exited() => return Err(LaunchError::Died(QemuProcess::death(exit, dir))),
            () = cancel.requested() => return Err(end(&process, LaunchError::Cancelled).await),
            thawed = freeze::thaw(&qmp, dir, &mut reports, deadline) => thawed,
        };
        if let Err(error) = thawed {
            return Err(end(&process, LaunchError::Thaw(error)).await);
        }
    }
    // The stages of a boot are waited for; what goes on is ready.
    let console = match &config.origin {
        Origin::Clone { .. } => Follower::unhurried(&dir.console_log()),
        Origin::Boot | Origin::Template { .. } => Follower::open(&dir.console_log()),
    };
    let console = console.map_err(LaunchError::Watch)?;
    Ok(Vm::assemble(
        qmp,
        process,
        dir.clone(),
        record,
        reports,
        console,
        events,
    ))
}

/// Kills what was half started and sees it gone, so that the caller may remove its folder.
async fn end(process: &QemuProcess, why: LaunchError) -> LaunchError {
    process.kill();
    drop(tokio::time::timeout(Duration::from_secs(5), process.exited()).await);
    why
}
