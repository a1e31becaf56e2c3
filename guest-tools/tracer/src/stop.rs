//! When to end: a signal, or the end of standard input, which is how the host closes a channel.

use std::io::{self, Read};
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::device::Readiness;

/// Waits for the order to end.
pub(crate) struct Stop(SignalFd);

impl Stop {
    /// From here on SIGTERM and SIGINT are noted instead of killing the process.
    pub(crate) fn listen() -> Result<Self, Errno> {
        let mask = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT]);
        mask.thread_block()?;
        SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC).map(Self)
    }

    /// Waits until the device has records or the tracer is to end.
    pub(crate) fn wait_for(&self, device: &impl AsFd) -> io::Result<Readiness> {
        let stdin = io::stdin();
        loop {
            let mut fds = [
                PollFd::new(device.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.0.as_fd(), PollFlags::POLLIN),
                PollFd::new(stdin.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut fds, PollTimeout::NONE) {
                Ok(_) => {}
                Err(Errno::EINTR) => continue,
                Err(e) => return Err(e.into()),
            }
            let [has_records, has_signal, has_input] = fds.map(|fd| fd.any().unwrap_or(true));
            if has_signal || (has_input && stdin.lock().read(&mut [0; 512])? == 0) {
                return Ok(Readiness::MustStop);
            }
            if has_records {
                return Ok(Readiness::Records);
            }
        }
    }
}
