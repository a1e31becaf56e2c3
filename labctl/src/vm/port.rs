//! A free port on 127.0.0.1 for the guest's SSH server.
//!
//! QEMU binds it itself, a moment later: somebody else may take it in between. That is not prevented but
//! answered: QEMU then refuses to start, and the launch tries another port.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// A port that was free a moment ago.
///
/// # Errors
/// When the host has no port or no descriptor left.
pub(super) fn free_port() -> io::Result<u16> {
    // The kernel hands out ephemeral ports in random order, so that two labctls rarely get the same.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}
