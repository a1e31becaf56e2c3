//! The kernel log on its way to the host: every record of `/dev/kmsg`, verbatim, from the oldest in the ring,
//! into the virtio port [`PORT`].
//!
//! The pump is a thread of its own, so that a later stage that hangs does not silence the log.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc::O_NONBLOCK;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::ports;

/// The port's name on QEMU's command line.
const PORT: &str = "org.labctl.kmsg";
/// A guest without the port is allowed: someone started QEMU by hand.
const PORT_DEADLINE: Duration = Duration::from_secs(30);
/// A read returns one record of at most this size (`PRINTK_MESSAGE_MAX` plus prefix and dictionary).
const RECORD_BYTES: usize = 8192;
/// Records are gathered up to this size before they are handed over: each hand-over is an exit to the host.
const BATCH_BYTES: usize = 32 * 1024;
/// Longer than the pump ever needs for the rest of the ring; shorter than anyone's patience.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The running pump.
pub(crate) struct Pump {
    stop: UnixStream,
    stopped: Receiver<()>,
}

/// Starts the pump.
pub(crate) fn start() -> io::Result<Pump> {
    let log = OpenOptions::new()
        .read(true)
        .custom_flags(O_NONBLOCK)
        .open("/dev/kmsg")?;
    let (stop, stop_asked) = UnixStream::pair()?;
    let (done, stopped) = mpsc::channel();
    thread::Builder::new()
        .name("kmsg".to_owned())
        .stack_size(128 * 1024)
        .spawn(move || {
            // Without a reader on the host's side there is nothing left to do, and nobody to tell.
            run(log, &stop_asked, &done).ok();
        })?;
    Ok(Pump { stop, stopped })
}

impl Pump {
    /// Hands over what is left in the ring, for a guest that is about to power off.
    pub(crate) fn finish(&self) {
        if (&self.stop).write_all(b".").is_ok() {
            self.stopped.recv_timeout(LAST_WORDS).ok();
        }
    }
}

fn run(mut log: File, stop_asked: &UnixStream, done: &Sender<()>) -> io::Result<()> {
    let Some(port) = ports::find(PORT, PORT_DEADLINE)? else {
        return Ok(());
    };
    let mut port = OpenOptions::new().write(true).open(port)?;
    loop {
        let must_stop = wait(&log, stop_asked)?;
        pump(&mut log, &mut port)?;
        if must_stop {
            done.send(()).ok();
            return Ok(());
        }
    }
}

/// Waits for a record or for the order to stop, and says which.
fn wait(log: &File, stop_asked: &UnixStream) -> io::Result<bool> {
    let mut fds = [
        PollFd::new(log.as_fd(), PollFlags::POLLIN),
        PollFd::new(stop_asked.as_fd(), PollFlags::POLLIN),
    ];
    match poll(&mut fds, PollTimeout::NONE) {
        Ok(_) => Ok(fds[1].any().unwrap_or(true)),
        Err(Errno::EINTR) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Copies records until none is left. Each `read` of the log yields exactly one.
fn pump(log: &mut impl Read, port: &mut impl Write) -> io::Result<()> {
    let mut batch = vec![0; BATCH_BYTES + RECORD_BYTES];
    let mut filled = 0;
    loop {
        if filled > BATCH_BYTES {
            port.write_all(&batch[..filled])?;
            filled = 0;
        }
        match log.read(&mut batch[filled..]) {
            Ok(0) => break,
            Ok(bytes) => filled += bytes,
            // The ring overtook the reader; the kernel goes on with the oldest record there is, and the gap
            // shows in the sequence numbers.
            Err(e) if e.kind() == ErrorKind::BrokenPipe || e.kind() == ErrorKind::Interrupted => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => break,
            Err(e) => return Err(e),
        }
    }
    port.write_all(&batch[..filled])
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// A log as the kernel shows it: a record a read, then "not now".
    struct Log(VecDeque<io::Result<Vec<u8>>>);

    impl Read for Log {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let record = self
                .0
                .pop_front()
                .unwrap_or_else(|| Err(ErrorKind::WouldBlock.into()))?;
            assert!(
                buffer.len() >= RECORD_BYTES,
                "the kernel refuses a read that could not hold a record"
            );
            buffer[..record.len()].copy_from_slice(&record);
            Ok(record.len())
        }
    }

    struct Port(Vec<Vec<u8>>);

    impl Write for Port {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.push(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn records_arrive_verbatim_in_few_writes_and_a_lost_one_does_not_end_it() {
        let first = b"6,1,100,-;one\n".to_vec();
        let second = b"4,9,200,-;two\n SUBSYSTEM=net\n".to_vec();
        let mut log = Log([
            Ok(first.clone()),
            Err(ErrorKind::BrokenPipe.into()),
            Ok(second.clone()),
        ]
        .into_iter()
        .collect());
        let mut port = Port(Vec::new());
        pump(&mut log, &mut port).unwrap();
        assert_eq!(port.0, [[first, second].concat()]);
    }

    #[test]
    fn a_flood_is_handed_over_in_parts() {
        let record = vec![b'x'; RECORD_BYTES];
        let mut log = Log((0..20).map(|_| Ok(record.clone())).collect());
        let mut port = Port(Vec::new());
        pump(&mut log, &mut port).unwrap();
        assert!(port.0.len() > 1);
        assert_eq!(port.0.concat().len(), 20 * RECORD_BYTES);
    }
}
