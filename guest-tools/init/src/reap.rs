//! Every process whose parent died becomes a child of PID 1, which has to collect its exit status.

use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

/// A child that is gone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Its process id.
    pub(crate) pid: i32,
    /// The exit code, or 128 + the signal that killed it.
    pub(crate) status: i32,
}

/// Collects every child that has ended: one SIGCHLD may stand for many.
pub(crate) fn all() -> impl Iterator<Item = Ended> {
    std::iter::from_fn(|| {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) | Err(_) => return None,
                Ok(status) => {
                    if let Some(ended) = ended(status) {
                        return Some(ended);
                    }
                }
            }
        }
    })
}

fn ended(status: WaitStatus) -> Option<Ended> {
    match status {
        WaitStatus::Exited(pid, code) => Some(Ended {
            pid: pid.as_raw(),
            status: code,
        }),
        WaitStatus::Signaled(pid, signal, _) => Some(Ended {
            pid: pid.as_raw(),
            status: 128 + signal as i32,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::Signal;
    use nix::unistd::Pid;

    use super::*;

    #[test]
    fn a_status_is_what_a_shell_would_show() {
        let pid = Pid::from_raw(17);
        assert_eq!(
            ended(WaitStatus::Exited(pid, 3)),
            Some(Ended { pid: 17, status: 3 })
        );
        assert_eq!(
            ended(WaitStatus::Signaled(pid, Signal::SIGSEGV, false)),
            Some(Ended { pid: 17, status: 139 })
        );
        assert_eq!(ended(WaitStatus::Stopped(pid, Signal::SIGSTOP)), None);
    }
}
