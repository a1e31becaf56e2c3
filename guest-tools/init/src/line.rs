//! An SSH server on the virtio port [`SSH_PORT`], for one session. A guest that is frozen with it has done all that an SSH
//! server does before its client speaks: no clone has to do it again, and none needs the network to be reached.
//!
//! ```text
//! host ══ virtio port ══ two threads ══ socket pair ══ dropbear -i
//! ```
//!
//! dropbear serves nothing but sockets (`getpeername` must succeed), hence the pair in between. When the server ends, the
//! port is closed, and QEMU tells the host.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use lab_proto::host::SSH_PORT;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{UnixAddr, bind};

use crate::{ports, sshd};

/// It is there as soon as the port on which the order came.
const PORT_DEADLINE: Duration = Duration::from_secs(5);
/// A virtio buffer's size in the kernel's driver (`drivers/char/virtio_console.c`): a page in, 32 KiB out.
const BUFFER: usize = 32 * 1024;

/// Starts the server and the threads that carry its words. Fails when one is there already: the port opens once.
pub(crate) fn answer() -> io::Result<()> {
    let port = ports::find(SSH_PORT, PORT_DEADLINE)?.ok_or(ErrorKind::NotFound)?;
    let port = Arc::new(OpenOptions::new().read(true).write(true).open(port)?);
    let (ours, servers) = UnixStream::pair()?;
    // dropbear asks for both addresses, and takes what it gets for text: a socket without one leaves it with whatever was in
    // its memory before.
    for (socket, name) in [(&ours, "host"), (&servers, "server")] {
        bind(socket.as_raw_fd(), &UnixAddr::new_abstract(name.as_bytes())?)?;
    }
    sshd::serve_one(servers.into())?;
    let (from_host, to_host) = (Arc::clone(&port), port);
    let (to_server, from_server) = (ours.try_clone()?, ours);
    carried("ssh-in", move || carry_in(&from_host, &to_server))?;
    carried("ssh-out", move || carry(&from_server, &*to_host))
}

fn carried(name: &str, work: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    thread::Builder::new()
        .name(name.to_owned())
        .stack_size(128 * 1024)
        .spawn(|| {
            // It ends when the server has ended, one way or the other.
            work().ok();
        })
        .map(drop)
}

/// From the port to the server, until the server is gone: a read of the port alone would wait for the host for ever, and
/// keep the port open.
fn carry_in(port: &File, server: &UnixStream) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let mut fds = [
            PollFd::new(port.as_fd(), PollFlags::POLLIN),
            PollFd::new(server.as_fd(), PollFlags::empty()),
        ];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        if fds[1].any().unwrap_or(true) {
            return Ok(());
        }
        if fds[0].any().unwrap_or(true) && !pass_on(port, server, &mut buffer)? {
            return Ok(());
        }
    }
}

fn carry(from: impl Read + Copy, to: impl Write + Copy) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    while pass_on(from, to, &mut buffer)? {}
    Ok(())
}

/// Whether there can be more.
fn pass_on(mut from: impl Read, mut to: impl Write, buffer: &mut [u8]) -> io::Result<bool> {
    match from.read(buffer) {
        Ok(0) => Ok(false),
        Ok(bytes) => to.write_all(&buffer[..bytes]).map(|()| true),
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_says_arrives_until_the_server_is_gone() {
        let (mut host, port) = UnixStream::pair().unwrap();
        let port = File::from(std::os::fd::OwnedFd::from(port));
        let (ours, mut server) = UnixStream::pair().unwrap();
        let carrier = thread::spawn(move || carry_in(&port, &ours));
        host.write_all(b"SSH-2.0-test\r\n").unwrap();
        let mut heard = [0; 14];
        server.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"SSH-2.0-test\r\n");
        drop(server);
        carrier.join().unwrap().unwrap();
        // Nobody holds the port any more.
        assert_eq!(host.read(&mut heard).unwrap(), 0);
    }

    #[test]
    fn what_the_server_says_arrives_to_the_last_byte() {
        let (ours, mut server) = UnixStream::pair().unwrap();
        let (mut host, port) = UnixStream::pair().unwrap();
        let carrier = thread::spawn(move || carry(&ours, &port));
        server.write_all(&[7; 100]).unwrap();
        drop(server);
        carrier.join().unwrap().unwrap();
        let mut heard = Vec::new();
        host.read_to_end(&mut heard).unwrap();
        assert_eq!(heard, [7; 100]);
    }
}
