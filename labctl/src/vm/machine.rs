//! A machine under control.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::death::Death;
use super::follow::Follower;
use super::instance::{InstanceDir, InstanceError};
use super::lease::Lease;
use super::observe::{Observed, Sources, observe};
use super::process::{Exit, QemuProcess};
use super::qmp::{Qmp, QmpError};
use super::record::InstanceRecord;
use super::state::{RunState, StageMark};
use crate::deadline::Deadline;
use crate::event::Events;
use crate::supervise::Cancel;

/// How long the rest of a panic's output may take after its first line, and a killed process to go.
const LAST_WORDS: Duration = Duration::from_secs(3);
const KILLED_PROCESS: Duration = Duration::from_secs(10);
/// Characters of a console line that a message quotes.
const LINE_SHOWN: usize = 300;

/// A running QEMU with its control connection. Fields drop in order: the connection first, then the process, which is
/// killed unless the machine was detached.
#[derive(Debug)]
pub struct Vm {
    pub(super) qmp: Qmp,
    pub(super) process: QemuProcess,
    observed: watch::Receiver<Observed>,
    observer: tokio::task::AbortHandle,
    dir: InstanceDir,
    record: InstanceRecord,
}

/// A machine that is no longer of use, with all that is known of why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    pub state: RunState,
    /// The last stage its init reached.
    pub last_stage: Option<StageMark>,
    /// QEMU's own account, once QEMU has ended.
    pub death: Option<Death>,
    /// The end of the console.
    pub console: Vec<String>,
    /// Whether it had to be killed.
    pub killed: bool,
}

/// Why a wait for the guest ended without what was waited for.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    #[error("interrupted")]
    Cancelled,
    #[error("the guest did not reach `{wanted}` in time (last stage: {})", stage_name(.last_stage.as_ref()))]
    TimedOut {
        wanted: String,
        last_stage: Option<StageMark>,
        console: Vec<String>,
    },
    #[error("{0}")]
    Ended(Box<Ended>),
}

/// Why a machine could not be ended.
#[derive(Debug, thiserror::Error)]
pub enum ShutdownError {
    #[error("QEMU (process {pid}) does not end although it was killed")]
    Unkillable { pid: u32 },
}

/// Why a running instance cannot be controlled.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    #[error("the instance is not running any more")]
    NotRunning,
    #[error(transparent)]
    Instance(#[from] InstanceError),
    #[error("cannot watch the instance")]
    Watch(#[source] std::io::Error),
    #[error(transparent)]
    Qmp(#[from] QmpError),
}

fn stage_name(stage: Option<&StageMark>) -> &str {
    stage.map_or("none", |stage| &stage.name)
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use super::state::PanicInfo;

        match (self.state.panic(), &self.death) {
            (Some(PanicInfo::Kernel { reason }), _) => write!(f, "the guest's kernel panicked: `{reason}`")?,
            (Some(PanicInfo::Init { stage, why }), _) => {
                write!(f, "the guest's init gave up in `{stage}`: {why}")?
            }
            (Some(PanicInfo::Reported), _) => f.write_str("the guest's kernel panicked")?,
            (None, Some(death)) => write!(f, "{death}")?,
            (None, None) => f.write_str("the guest was shut down")?,
        }
        write!(f, " (last stage: {})", stage_name(self.last_stage.as_ref()))
    }
}

impl Vm {
    pub(super) fn assemble(
        qmp: Qmp,
        process: QemuProcess,
        dir: InstanceDir,
        record: InstanceRecord,
        reports: mpsc::UnboundedReceiver<super::wire::QmpEvent>,
        console: Follower,
        events: &Events,
    ) -> Self {
        let (observed, observer) = observe(Sources {
            console,
            qmp: reports,
            exit: process.exit_watch(),
            events: events.clone(),
        });
        Self {
            qmp,
            process,
            observed,
            observer,
            dir,
            record,
        }
    }

    /// Takes control of an instance that an earlier labctl left running. Dropping the result does not end it.
    ///
    /// # Errors
    /// [`AttachError::NotRunning`] when it has ended; [`QmpError::Busy`] when another labctl controls it until
    /// `deadline`.
    pub async fn attach(dir: &InstanceDir, deadline: Deadline, events: &Events) -> Result<Self, AttachError> {
        let record = InstanceRecord::read(dir)?.ok_or(AttachError::NotRunning)?;
        let process = record.process.ok_or(AttachError::NotRunning)?;
        let process = QemuProcess::adopt(process).map_err(|_| AttachError::NotRunning)?;
        let (report, reports) = mpsc::unbounded_channel();
        let qmp = Qmp::connect(dir, report, deadline).await?;
        let console = Follower::unhurried(&dir.console_log()).map_err(AttachError::Watch)?;
        Ok(Self::assemble(
            qmp,
            process,
            dir.clone(),
            record,
            reports,
            console,
            events,
        ))
    }

    /// Where the guest's SSH server can be reached, once it listens.
    pub fn ssh_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.record.ssh_port).into()
    }

    pub fn dir(&self) -> &InstanceDir {
        &self.dir
    }

    pub fn record(&self) -> &InstanceRecord {
        &self.record
    }

    /// The control connection, for commands that are not this type's business.
    pub fn qmp(&self) -> &Qmp {
        &self.qmp
    }

    pub fn state(&self) -> RunState {
        self.observed.borrow().state.clone()
    }

    /// The stages that the guest's init has reached so far.
    pub fn stages(&self) -> Vec<StageMark> {
        self.observed.borrow().stages.clone()
    }

    /// The last `count` lines of the console, safe to print.
    pub fn console_tail(&self, count: usize) -> Vec<String> {
        console_tail(&self.dir, count)
    }

    /// Completes when QEMU has ended, also after this value was dropped.
    pub fn exited(&self) -> impl Future<Output = Exit> + Send + use<> {
        self.process.exited()
    }

    /// Completes when nothing more is to be expected of the guest: it panicked, powered off, or QEMU ended. To be
    /// selected against any wait for the guest.
    pub async fn ended(&self) -> Ended {
        let mut observed = self.observed.clone();
        let seen = observed.wait_for(|seen| seen.state.is_over()).await.is_ok();
        if seen {
            // The interesting part of a panic follows its first line, and QEMU's end follows a power-off.
            let complete = |seen: &Observed| matches!(seen.state, RunState::Gone { .. }) || seen.panic_ended;
            drop(tokio::time::timeout(LAST_WORDS, observed.wait_for(complete)).await);
        }
        self.account(false)
    }

    /// Completes when the server on the SSH line has ended.
    pub(super) fn line_closed(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut observed = self.observed.clone();
        async move {
            if observed.wait_for(|seen| seen.line_closed).await.is_err() {
                // Nobody watches the machine any more. Its end is seen on the line itself.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits until the guest's init has reached the stage `name`.
    ///
    /// # Errors
    /// Whatever comes first: the machine's end, a request to stop, the deadline.
    pub async fn wait_stage(
        &self,
        name: &str,
        cancel: &Cancel,
        deadline: Deadline,
    ) -> Result<StageMark, WaitError> {
        let find = |seen: &Observed| seen.stages.iter().find(|stage| stage.name == name).cloned();
        let mut observed = self.observed.clone();
        tokio::select! {
            biased;
            Ok(seen) = observed.wait_for(|seen| find(seen).is_some()) => {
                find(&seen).ok_or(WaitError::Cancelled)
            }
            ended = self.ended() => Err(WaitError::Ended(Box::new(ended))),
            () = cancel.requested() => Err(WaitError::Cancelled),
            () = tokio::time::sleep_until(deadline.instant().into()) => Err(self.timed_out(name)),
        }
    }

    /// The error for something that did not happen in time: says how far the guest came.
    pub fn timed_out(&self, wanted: &str) -> WaitError {
        WaitError::TimedOut {
            wanted: wanted.to_owned(),
            last_stage: self.observed.borrow().stages.last().cloned(),
            console: self.console_tail(20),
        }
    }

    /// Ends the machine: asks QEMU to quit (its disks are read-only, there is nothing to flush), and kills it when it
    /// has not by `grace` or when `cancel` says so twice.
    ///
    /// # Errors
    /// When not even that helps.
    pub async fn shutdown(self, grace: Deadline, cancel: &Cancel) -> Result<Ended, ShutdownError> {
        let orderly = async {
            // QEMU may be gone before it has answered; what counts is that it goes.
            drop(self.qmp.execute(qapi::qmp::quit {}, grace).await);
            self.process.exited().await;
        };
        let killed = tokio::select! {
            () = orderly => false,
            () = cancel.killed() => true,
            () = tokio::time::sleep_until(grace.instant().into()) => true,
        };
        if killed {
            self.kill().await?;
        }
        let mut observed = self.observed.clone();
        let gone = |seen: &Observed| matches!(seen.state, RunState::Gone { .. });
        drop(tokio::time::timeout(LAST_WORDS, observed.wait_for(gone)).await);
        Ok(self.account(killed))
    }

    /// Ends the machine at once, for those who will not look at its end: when it is to quit, QEMU takes 10 ms to clear up
    /// what the kernel clears up, too.
    ///
    /// # Errors
    /// When it does not go.
    pub async fn kill(&self) -> Result<(), ShutdownError> {
        self.process.kill();
        let gone = tokio::time::timeout(KILLED_PROCESS, self.process.exited()).await;
        match (gone, self.process.record()) {
            (Err(_), Some(process)) => Err(ShutdownError::Unkillable { pid: process.pid }),
            _ => Ok(()),
        }
    }

    /// Leaves the machine running and promises so on the disk; then gives up the lease. On an error the machine is
    /// ended with it.
    ///
    /// # Errors
    /// When the promise cannot be written.
    pub fn detach(mut self, lease: Lease) -> Result<(), InstanceError> {
        self.record.kept = true;
        self.record.write(&self.dir)?;
        self.process.disarm();
        lease.keep();
        Ok(())
    }

    fn account(&self, killed: bool) -> Ended {
        let seen = self.observed.borrow().clone();
        Ended {
            death: match &seen.state {
                RunState::Gone { exit, .. } => Some(QemuProcess::death(*exit, &self.dir)),
                _ => None,
            },
            state: seen.state,
            last_stage: seen.stages.last().cloned(),
            console: self.console_tail(40),
            killed,
        }
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        self.observer.abort();
    }
}

/// The last `count` lines of an instance's console, running or not.
pub(super) fn console_tail(dir: &InstanceDir, count: usize) -> Vec<String> {
    let end = InstanceDir::log_end(&dir.console_log(), 32 << 10).unwrap_or_default();
    lab_kmsg::console::tail(&end, count, LINE_SHOWN)
}
