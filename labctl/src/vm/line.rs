//! The line to the SSH server that a template is frozen with (`guest-tools/init/src/line.rs`): two FIFOs, of which QEMU
//! makes a virtio port.
//!
//! A clone reached in this way has no connection to accept, and no process to start for it: under emulation its first command
//! has its answer a tenth sooner. And no lesson that plays with the guest's network cuts it off.

use std::fs;
use std::io::{self, Read as _};

use lab_proto::host::Word;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, copy, duplex, split};
use tokio::net::unix::pipe;
use tokio::task::AbortHandle;
use tokio::time::timeout_at;

use super::machine::Vm;
use crate::deadline::Deadline;

/// Of the stream between the session and the FIFOs; as much as a FIFO holds.
const BUFFER: usize = 64 << 10;
/// A server that says more than this before its client has spoken is none.
const GREETING_MAX: usize = 16 << 10;

/// The line, taken up.
#[derive(Debug)]
pub struct Line {
    /// Ends when the server does, or QEMU.
    pub stream: DuplexStream,
    /// Aborting it hangs up. It ends by itself when the stream is dropped.
    pub carrier: AbortHandle,
}

impl Vm {
    /// Has the guest's init start the server, and returns what that says before its client does: all up to where
    /// `is_complete` holds.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] when it has not said it by `deadline`.
    pub async fn answer(
        &self,
        is_complete: impl Fn(&[u8]) -> bool,
        deadline: Deadline,
    ) -> io::Result<Vec<u8>> {
        self.dir().tell(Word::Answer)?;
        let (mut from_guest, _) = self.dir().ssh_line()?;
        let mut greeting = Vec::with_capacity(1024);
        while !is_complete(&greeting) {
            let read = from_guest.read_buf(&mut greeting);
            let read = timeout_at(deadline.instant().into(), read).await??;
            if read == 0 || greeting.len() > GREETING_MAX {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        Ok(greeting)
    }

    /// Takes the line up in a clone, once: `greeting` is what the server said before it was frozen.
    ///
    /// # Errors
    /// When QEMU is gone.
    pub fn line(&self, greeting: Vec<u8>) -> io::Result<Line> {
        let (from_guest, to_guest) = self.dir().ssh_line()?;
        let (stream, session) = duplex(BUFFER);
        let hung_up = self.line_closed();
        let carrier = tokio::spawn(async move {
            // An end of either side is all that there is to say.
            carry(from_guest, to_guest, session, greeting, hung_up).await.ok();
        });
        Ok(Line {
            stream,
            carrier: carrier.abort_handle(),
        })
    }
}

async fn carry(
    mut from_guest: pipe::Receiver,
    mut to_guest: pipe::Sender,
    session: DuplexStream,
    greeting: Vec<u8>,
    hung_up: impl Future<Output = ()>,
) -> io::Result<()> {
    let (mut said, mut heard) = split(session);
    heard.write_all(&greeting).await?;
    tokio::select! {
        sent = copy(&mut said, &mut to_guest) => return sent.map(drop),
        received = copy(&mut from_guest, &mut heard) => return received.map(drop),
        () = hung_up => {}
    }
    // QEMU holds the FIFO open whatever the guest does. What was said last is in it before the port is closed, but tokio may
    // not have heard of it yet: `try_read` would find nothing.
    let mut rest = fs::File::from(from_guest.into_nonblocking_fd()?);
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = rest.read(&mut bytes) {
        heard.write_all(&bytes[..count]).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinHandle;

    use super::*;

    /// Both FIFOs as QEMU and as labctl hold them.
    struct Fifos {
        qemu: (pipe::Sender, pipe::Receiver),
        labctl: (pipe::Receiver, pipe::Sender),
    }

    fn fifos() -> Fifos {
        let (from_guest, to_guest) = (pipe::pipe().unwrap(), pipe::pipe().unwrap());
        Fifos {
            qemu: (from_guest.0, to_guest.1),
            labctl: (from_guest.1, to_guest.0),
        }
    }

    #[tokio::test]
    async fn the_greeting_comes_first_and_the_last_words_are_heard() {
        let Fifos {
            qemu: (mut guest_says, mut guest_hears),
            labctl: (from_guest, to_guest),
        } = fifos();
        let (mut stream, session) = duplex(BUFFER);
        let (hang_up, hung_up) = tokio::sync::oneshot::channel::<()>();
        let carrier = tokio::spawn(carry(from_guest, to_guest, session, b"hello ".to_vec(), async {
            hung_up.await.ok();
        }));
        stream.write_all(b"question").await.unwrap();
        let mut heard = [0; 8];
        guest_hears.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"question");
        guest_says.write_all(b"answer").await.unwrap();
        hang_up.send(()).unwrap();
        carrier.await.unwrap().unwrap();
        let mut all = String::new();
        stream.read_to_string(&mut all).await.unwrap();
        assert_eq!(all, "hello answer");
    }

    /// A line without a greeting, on which nobody hangs up.
    fn taken_up(ends: (pipe::Receiver, pipe::Sender)) -> (DuplexStream, JoinHandle<io::Result<()>>) {
        let (stream, session) = duplex(BUFFER);
        let nobody = std::future::pending();
        let carrier = tokio::spawn(carry(ends.0, ends.1, session, Vec::new(), nobody));
        (stream, carrier)
    }

    #[tokio::test]
    async fn the_end_of_qemu_ends_the_stream() {
        let Fifos { qemu, labctl } = fifos();
        let (mut stream, carrier) = taken_up(labctl);
        drop(qemu);
        let mut all = Vec::new();
        assert_eq!(stream.read_to_end(&mut all).await.unwrap(), 0);
        carrier.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn dropping_the_stream_lets_the_fifos_go() {
        let Fifos {
            qemu: (_guest_says, mut guest_hears),
            labctl,
        } = fifos();
        let (stream, carrier) = taken_up(labctl);
        drop(stream);
        carrier.await.unwrap().unwrap();
        let mut all = Vec::new();
        assert_eq!(guest_hears.read_to_end(&mut all).await.unwrap(), 0);
    }
}
