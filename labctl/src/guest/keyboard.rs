//! The host's standard input, a terminal or not, read in a way that can be given up.

use std::io;
use std::os::fd::OwnedFd;

use tokio::sync::mpsc;

/// The host's input, read by a thread of its own: the descriptor is shared with the user's shell and must not be
/// made non-blocking. The thread waits for the input *or* for the end of this value, so that it never outlives it in
/// a `read` that nobody can interrupt.
#[derive(Debug)]
pub struct Keyboard {
    pieces: mpsc::Receiver<io::Result<Vec<u8>>>,
    _stops_when_closed: io::PipeWriter,
}

impl Keyboard {
    /// Begins to read.
    ///
    /// # Errors
    /// No thread or descriptor is left.
    pub fn new(input: OwnedFd) -> io::Result<Self> {
        let (closed, stops_when_closed) = io::pipe()?;
        let (sender, pieces) = mpsc::channel(4);
        std::thread::Builder::new()
            .name("keyboard".to_owned())
            .spawn(move || read_keys(&input, &closed, &sender))?;
        Ok(Self {
            pieces,
            _stops_when_closed: stops_when_closed,
        })
    }

    /// The next piece; empty at the end.
    ///
    /// # Errors
    /// The input cannot be read.
    pub async fn read(&mut self) -> io::Result<Vec<u8>> {
        self.pieces.recv().await.unwrap_or(Ok(Vec::new()))
    }
}

fn read_keys(input: &OwnedFd, closed: &io::PipeReader, pieces: &mpsc::Sender<io::Result<Vec<u8>>>) {
    loop {
        let piece = match wait_for_key(input, closed) {
            Ok(true) => {
                let mut buffer = vec![0; 16 << 10];
                rustix::io::read(input, &mut buffer[..]).map(|count| {
                    buffer.truncate(count);
                    buffer
                })
            }
            Ok(false) => return,
            Err(error) => Err(error),
        };
        let last = !matches!(&piece, Ok(bytes) if !bytes.is_empty());
        if pieces.blocking_send(piece.map_err(io::Error::from)).is_err() || last {
            return;
        }
    }
}

/// Whether there is input; if not, nobody wants it any more.
fn wait_for_key(input: &OwnedFd, closed: &io::PipeReader) -> rustix::io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, poll};

    let mut fds = [
        PollFd::new(input, PollFlags::IN),
        PollFd::new(closed, PollFlags::IN),
    ];
    rustix::io::retry_on_intr(|| poll(&mut fds, None))?;
    Ok(fds[1].revents().is_empty())
}
