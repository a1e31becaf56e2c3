//! Awaiting any descriptor that poll(2) understands.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Registers `fd` with the runtime, for reading.
///
/// # Errors
/// When the descriptor cannot be polled, or there is no memory for it.
#[expect(unsafe_code, reason = "tokio has no safe constructor for an owned descriptor")]
pub(super) fn readable(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` gives the same descriptor each time it is asked, and keeps it open while it lives.
    let registered = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
    registered.map_err(io::Error::from)
}
