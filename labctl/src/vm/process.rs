//! The QEMU process: started so that it outlives its starter if it is allowed to, watched until it ends.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use fs_err as fs;
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit};
use tokio::sync::watch;

use super::death::Death;
use super::instance::InstanceDir;
use super::readiness::readable;
use crate::supervise::{self, ProcessRecord};

/// No log may grow beyond this many bytes, also when no labctl is there to notice: a guest that floods its console must
/// not fill the host's disk. QEMU then loses what the guest writes, or ends by SIGXFSZ if its main thread is the one
/// that writes. The kernel's busiest honest log has a few megabytes.
const LOG_LIMIT: u64 = 64 << 20;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    Signal(i32),
    /// It was another process's child, whose status is not ours to know.
    Unknown,
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, Some(signal)) => Self::Signal(signal),
            (None, None) => Self::Unknown,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with status {code}"),
            Self::Signal(signal) => write!(f, "died of signal {signal}"),
            Self::Unknown => f.write_str("ended"),
        }
    }
}

/// A QEMU of ours. Dropping it kills it, unless it was disarmed.
#[derive(Debug)]
pub struct QemuProcess {
    /// Absent only when it had ended before it could be looked at.
    record: Option<ProcessRecord>,
    exit: watch::Receiver<Option<Exit>>,
    armed: bool,
}

impl QemuProcess {
    /// Starts `program` in the instance's folder, with the listening control socket as its standard input and
    /// everything it says in `qemu.stderr`; `state` is what its standard output reads, for a machine that goes on.
    pub(super) fn spawn(
        program: &Path,
        argv: &[OsString],
        dir: &InstanceDir,
        control: UnixListener,
        state: Option<&Path>,
    ) -> io::Result<Self> {
        let says = fs::File::create(dir.qemu_stderr())?.into_file();
        // Nothing that QEMU is asked to do makes it write to its standard output, so that this descriptor can carry the
        // state to restore: others are closed on the way (`O_CLOEXEC`), and a pathname QEMU would take only by way of a
        // program that its sandbox does not let it start.
        let stdout = match state {
            Some(path) => fs::File::open(path)?.into_file(),
            None => says.try_clone()?,
        };
        let mut child = supervise::async_command(program)
            .args(argv)
            .current_dir(dir.path())
            .stdin(Stdio::from(OwnedFd::from(control)))
            .stdout(stdout)
            .stderr(says)
            // Dropping is this type's business: a detached machine has to live on.
            .kill_on_drop(false)
            .spawn()?;
        let pid = child.id();
        let (ended, exit) = watch::channel(None);
        tokio::spawn(async move {
            let exit = child.wait().await.map_or(Exit::Unknown, Exit::from);
            ended.send_replace(Some(exit));
        });
        limit_logs(pid);
        Ok(Self {
            record: pid.and_then(ProcessRecord::of),
            exit,
            armed: true,
        })
    }

    /// Watches a process that an earlier labctl started. Not armed: it was left running on purpose.
    ///
    /// # Errors
    /// When it has ended, or cannot be watched.
    pub(super) fn adopt(record: ProcessRecord) -> io::Result<Self> {
        let pid = i32::try_from(record.pid).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or(io::ErrorKind::NotFound)?;
        let handle = rustix::process::pidfd_open(pid, PidfdFlags::NONBLOCK)?;
        // Asked after the handle is there: should the number have been reused, the start time tells.
        if !record.is_alive() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let handle = readable(handle)?;
        let (ended, exit) = watch::channel(None);
        tokio::spawn(async move {
            // A process descriptor becomes readable when the process ends (pidfd_open(2)).
            drop(handle.readable().await);
            ended.send_replace(Some(Exit::Unknown));
        });
        Ok(Self {
            record: Some(record),
            exit,
            armed: false,
        })
    }

    pub fn record(&self) -> Option<ProcessRecord> {
        self.record
    }

    /// Completes when the process has ended. Outlives this value: what was dropped can still be seen to go.
    pub fn exited(&self) -> impl Future<Output = Exit> + Send + use<> {
        let mut exit = self.exit.clone();
        async move {
            // The sender goes without a word only when the runtime ends, and then nobody hears the answer.
            let ended = exit.wait_for(Option::is_some).await;
            ended.map_or(Exit::Unknown, |exit| exit.unwrap_or(Exit::Unknown))
        }
    }

    pub(super) fn exit_watch(&self) -> watch::Receiver<Option<Exit>> {
        self.exit.clone()
    }

    /// Kills the process group at once. To be sure that it is gone, await [`QemuProcess::exited`].
    pub fn kill(&self) {
        if self.exit.borrow().is_none()
            && let Some(record) = self.record
        {
            record.kill_group();
        }
    }

    /// Why it ended, with what it had to say. To be asked once it has ended.
    pub(super) fn death(exit: Exit, dir: &InstanceDir) -> Death {
        let said = InstanceDir::log_end(&dir.qemu_stderr(), 16 << 10).unwrap_or_default();
        Death::classify(exit, &String::from_utf8_lossy(&said))
    }

    pub(super) fn disarm(&mut self) {
        self.armed = false;
    }
}

impl Drop for QemuProcess {
    fn drop(&mut self) {
        if self.armed {
            self.kill();
        }
    }
}

/// Kills the group of a process that is not ours to wait for, and sees it gone, so that its port and its memory are
/// free. Blocks, for milliseconds; a process that even SIGKILL does not end is given up after ten seconds.
pub(super) fn kill_and_see_gone(process: ProcessRecord) {
    let pid = i32::try_from(process.pid).ok().and_then(Pid::from_raw);
    let handle = pid.and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok());
    process.kill_group();
    if let Some(handle) = handle
        && process.is_alive()
    {
        let limit = rustix::event::Timespec {
            tv_sec: 10,
            tv_nsec: 0,
        };
        let mut fds = [PollFd::new(&handle, PollFlags::IN)];
        // What it returns changes nothing: there is nothing left to try.
        let _ = rustix::event::poll(&mut fds, Some(&limit));
    }
}

fn limit_logs(pid: Option<u32>) {
    let Some(pid) = pid
        .and_then(|pid| i32::try_from(pid).ok())
        .and_then(Pid::from_raw)
    else {
        return;
    };
    let hard = rustix::process::getrlimit(Resource::Fsize).maximum;
    let limit = Rlimit {
        current: Some(hard.map_or(LOG_LIMIT, |hard| hard.min(LOG_LIMIT))),
        maximum: hard,
    };
    // It fails when QEMU has ended already, which is noticed anyway.
    let _ = rustix::process::prlimit(Some(pid), Resource::Fsize, limit);
}
/// Completes when the process that `record` names has ended; at once when it has already.
pub async fn gone(record: ProcessRecord) {
    if let Ok(process) = QemuProcess::adopt(record) {
        process.exited().await;
    }
}
