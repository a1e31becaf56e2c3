//! Waiting for a device: the kernel says on a netlink socket when one appears, so nothing needs to be polled.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};

/// The kernel's own messages; group 2 would be udev's.
const KERNEL_GROUP: u32 = 1;
/// A message is at most this long (`UEVENT_BUFFER_SIZE` of `include/linux/kobject.h`), its header included.
const MESSAGE_BYTES: usize = 4096;

/// The kernel's device messages cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot hear of new devices")]
pub(crate) struct UeventError(#[from] Errno);

/// Waits until the condition holds, looking again whenever a device came or went; `false` after the deadline.
pub(crate) fn wait_until(deadline: Duration, condition: impl Fn() -> bool) -> Result<bool, UeventError> {
    if condition() {
        return Ok(true);
    }
    let devices = Devices::listen()?;
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
        devices.wait(left)?;
    }
}

struct Devices(OwnedFd);

impl Devices {
    fn listen() -> Result<Self, Errno> {
        let fd = socket(
            AddressFamily::Netlink,
            SockType::Datagram,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            SockProtocol::NetlinkKObjectUEvent,
        )?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, KERNEL_GROUP))?;
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
        assert!(wait_until(Duration::ZERO, || true).unwrap());
    }
}
