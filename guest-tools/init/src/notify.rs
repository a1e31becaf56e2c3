//! Waiting for a device or a link: the kernel says on a netlink socket when something changed, so nothing needs
//! to be polled by the clock.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};

/// What to listen to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum About {
    /// Devices that come and go (uevents).
    Devices,
    /// Network links that go up and down (rtnetlink).
    Links,
}

/// The kernel's own uevents; group 2 would be udev's.
const KERNEL_GROUP: u32 = 1;
/// `RTMGRP_LINK` of `include/uapi/linux/rtnetlink.h`.
const LINK_GROUP: u32 = 1;
/// A message is at most this long (`UEVENT_BUFFER_SIZE` of `include/linux/kobject.h`), its header included; a
/// longer one would be cut, which does not matter here.
const MESSAGE_BYTES: usize = 4096;

/// The kernel's notifications cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot hear of changes from the kernel")]
pub(crate) struct NotifyError(#[from] Errno);

/// Waits until the condition holds, looking again whenever something changed; `false` after the deadline.
pub(crate) fn wait_until(
    about: About,
    deadline: Duration,
    condition: impl Fn() -> bool,
) -> Result<bool, NotifyError> {
    if condition() {
        return Ok(true);
    }
    let changes = Changes::listen(about)?;
    let end = Instant::now() + deadline;
    loop {
        // After the socket is open, so that nothing falls between the look and the wait.
        if condition() {
            return Ok(true);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        changes.wait(left)?;
    }
}

struct Changes(OwnedFd);

impl Changes {
    fn listen(about: About) -> Result<Self, Errno> {
        let (protocol, group) = match about {
            About::Devices => (SockProtocol::NetlinkKObjectUEvent, KERNEL_GROUP),
            About::Links => (SockProtocol::NetlinkRoute, LINK_GROUP),
        };
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, group))?;
        Ok(Self(fd))
    }

    /// Waits for at least one message and forgets all there are: what they say is looked up in sysfs.
    fn wait(&self, at_most: Duration) -> Result<(), Errno> {
        // Rounded up: a remainder below a millisecond must not become a busy loop.
        let timeout = PollTimeout::try_from(at_most + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(e) => return Err(e),
        }
        let mut message = [0; MESSAGE_BYTES];
        loop {
            match recv(self.0.as_raw_fd(), &mut message, MsgFlags::empty()) {
                // ENOBUFS: messages were lost, so something happened all the same.
                Ok(_) | Err(Errno::ENOBUFS | Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(()),
                Err(e) => return Err(e),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_not_waited_for() {
        assert!(wait_until(About::Devices, Duration::ZERO, || true).unwrap());
    }

    #[test]
    fn what_never_comes_is_given_up() {
        for about in [About::Devices, About::Links] {
            assert!(
                !wait_until(about, Duration::from_millis(1), || false).unwrap(),
                "{about:?}"
            );
        }
    }
}
