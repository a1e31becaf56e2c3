//! The task behind every command: it alone reads the command's channel, so that nobody who holds a
//! [`super::Running`] and looks elsewhere can stall the connection that all commands share.
//!
//! Reading, feeding and taking orders go on side by side: a library call that sends waits while the connection's
//! task is busy handing us what it has read, so one that did both in turn could wait for itself.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use tokio::io::AsyncReadExt as _;
use tokio::sync::{mpsc, watch};

use super::exec::{Input, Outcome};
use super::keyboard::Keyboard;
use super::process::{Marker, Stream};
use super::session::{Guest, LossCause};
use super::sink::{Captured, Sink};

/// What is known of a command at a moment.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) stdout: Captured,
    pub(super) stderr: Captured,
    /// Its end, once there is no more to come.
    pub(super) outcome: Option<Outcome>,
    /// How it ended according to the server, while its output may still be open.
    pub(super) end: Option<Outcome>,
    /// What the server would not do.
    pub(super) refused: Option<&'static str>,
    /// A stream that failed on this side, and how.
    pub(super) failed_stream: Option<(Stream, io::ErrorKind, String)>,
}

impl State {
    pub(super) fn stream(&self, stream: Stream) -> &Captured {
        static NOTHING: Captured = Captured {
            bytes: Vec::new(),
            dropped: 0,
        };
        match stream {
            Stream::Stdin => &NOTHING,
            Stream::Stdout => &self.stdout,
            Stream::Stderr => &self.stderr,
        }
    }
}

#[derive(Debug)]
pub(super) enum Order {
    Signal(Sig),
    Stop(Stop),
}

/// Why a command is ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    TimedOut,
    Cancelled,
    Killed,
    /// One of its streams failed on this side.
    StreamFailed,
}

impl From<Stop> for Outcome {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::TimedOut => Self::TimedOut,
            Stop::Cancelled => Self::Cancelled,
            Stop::Killed | Stop::StreamFailed => Self::Killed,
        }
    }
}

/// How long the guest may take to kill what it was told to kill. A guest that does not is beyond help from here.
const KILL_GRACE: Duration = Duration::from_secs(5);

/// How long to wait for the rest of the output of what has been killed.
const LAST_WORDS: Duration = Duration::from_secs(1);

pub(super) struct Pump {
    pub(super) guest: Guest,
    pub(super) marker: Marker,
    pub(super) stdout: Sink,
    pub(super) stderr: Sink,
    pub(super) state: watch::Sender<State>,
}

impl Pump {
    pub(super) async fn run(
        self,
        channel: Channel<Msg>,
        stdin: Input,
        mut orders: mpsc::UnboundedReceiver<Order>,
    ) {
        let Self {
            guest,
            marker,
            stdout,
            stderr,
            state,
        } = self;
        let (read, write) = channel.split();
        let mut reading = Box::pin(read_to_end(read, stdout, stderr, &state));
        let mut read_done = false;
        let stop = {
            let mut feeding = std::pin::pin!(feed(stdin, &write));
            let mut taking_orders = std::pin::pin!(take_orders(&mut orders, &write));
            let mut fed = false;
            loop {
                tokio::select! {
                    biased;
                    result = &mut reading => {
                        read_done = true;
                        break result.err();
                    }
                    result = &mut feeding, if !fed => {
                        fed = true;
                        if let Err(error) = result {
                            note_failure(&state, Stream::Stdin, &error);
                            break Some(Stop::StreamFailed);
                        }
                    }
                    stop = &mut taking_orders => break Some(stop),
                }
            }
        };
        // A command that ended by itself did so, even if something it left behind kept its output open. What is
        // heard after the kill is only the kill.
        let end = state.borrow().end.clone();
        if stop.is_some() {
            end_by_force(&guest, &marker, reading, read_done).await;
        }
        let outcome = match (end, stop) {
            (Some(end), _) => end,
            (None, Some(stop)) => stop.into(),
            (None, None) if guest.is_lost() => Outcome::Lost(guest.lost().await),
            (None, None) => Outcome::Lost(LossCause::NoExitStatus.into()),
        };
        // Closed by now in most cases, and then this says nothing.
        write.close().await.ok();
        state.send_modify(|state| state.outcome = Some(outcome));
    }
}

fn note_failure(state: &watch::Sender<State>, stream: Stream, error: &io::Error) {
    state.send_modify(|state| state.failed_stream = Some((stream, error.kind(), error.to_string())));
}

/// Reads until the channel is gone. Neither the end of the output nor an exit status is the last message: either
/// may come before the other, and data after both.
async fn read_to_end(
    mut channel: ChannelReadHalf,
    mut stdout: Sink,
    mut stderr: Sink,
    state: &watch::Sender<State>,
) -> Result<(), Stop> {
    while let Some(message) = channel.wait().await {
        let (stream, data) = match message {
            ChannelMsg::Data { data } => (Stream::Stdout, data),
            // RFC 4254 section 5.2 defines one type of extended data: 1, standard error.
            ChannelMsg::ExtendedData { data, .. } => (Stream::Stderr, data),
            ChannelMsg::ExitStatus { exit_status } => {
                let status = i32::try_from(exit_status).unwrap_or(i32::MAX);
                state.send_modify(|state| state.end = Some(Outcome::Exited(status)));
                continue;
            }
            ChannelMsg::ExitSignal { signal_name, .. } => {
                let name = signal_text(&signal_name);
                state.send_modify(|state| state.end = Some(Outcome::Signaled(name)));
                continue;
            }
            ChannelMsg::Failure => {
                state.send_modify(|state| state.refused = Some("to run the command"));
                return Ok(());
            }
            _ => continue,
        };
        let sink = match stream {
            Stream::Stderr => &mut stderr,
            _ => &mut stdout,
        };
        state.send_modify(|state| match stream {
            Stream::Stderr => state.stderr.push(&data, sink.keep),
            _ => state.stdout.push(&data, sink.keep),
        });
        if let Err(error) = sink.take(&data).await {
            note_failure(state, stream, &error);
            return Err(Stop::StreamFailed);
        }
    }
    Ok(())
}

/// Sends all of `input` and then the end of it. The channel closing in between is no failure: a command need not
/// read what it is given.
async fn feed(input: Input, channel: &ChannelWriteHalf<Msg>) -> io::Result<()> {
    match input {
        Input::Empty => {}
        Input::Bytes(bytes) => {
            channel.data_bytes(bytes).await.ok();
        }
        Input::Reader(mut reader) => {
            let mut buffer = vec![0; 32 << 10];
            loop {
                let count = reader.read(&mut buffer).await?;
                if count == 0 || channel.data_bytes(buffer[..count].to_vec()).await.is_err() {
                    break;
                }
            }
        }
        Input::Descriptor(descriptor) => {
            let mut keyboard = Keyboard::new(descriptor)?;
            loop {
                let piece = keyboard.read().await?;
                if piece.is_empty() || channel.data_bytes(piece).await.is_err() {
                    break;
                }
            }
        }
        Input::Pieces(mut pieces) => {
            while let Some(piece) = pieces.recv().await {
                if channel.data_bytes(piece).await.is_err() {
                    break;
                }
            }
        }
    }
    channel.eof().await.ok();
    Ok(())
}

/// Passes signals on until told to stop; the holder's disappearance is such an order.
async fn take_orders(orders: &mut mpsc::UnboundedReceiver<Order>, channel: &ChannelWriteHalf<Msg>) -> Stop {
    loop {
        match orders.recv().await {
            Some(Order::Signal(signal)) => {
                channel.signal(signal).await.ok();
            }
            Some(Order::Stop(stop)) => return stop,
            None => return Stop::Killed,
        }
    }
}

/// Kills what is marked, and meanwhile goes on reading: the killing goes through the same connection.
async fn end_by_force<R: Future<Output = Result<(), Stop>>>(
    guest: &Guest,
    marker: &Marker,
    mut reading: Pin<Box<R>>,
    mut read_done: bool,
) {
    let killed = tokio::time::timeout(KILL_GRACE, async {
        let mut killing = std::pin::pin!(run_unheard(guest, marker.killing_line()));
        loop {
            tokio::select! {
                () = &mut killing => break,
                _ = &mut reading, if !read_done => read_done = true,
            }
        }
    })
    .await;
    if killed.is_ok() && !read_done {
        tokio::time::timeout(LAST_WORDS, &mut reading).await.ok();
    }
    // A sink that takes nothing any more has held up the whole connection until here.
    drop(reading);
    if killed.is_err() && !guest.is_lost() {
        tokio::time::timeout(KILL_GRACE, run_unheard(guest, marker.killing_line()))
            .await
            .ok();
    }
}

async fn run_unheard(guest: &Guest, line: Vec<u8>) {
    let Ok(mut channel) = guest.open_channel().await else {
        return;
    };
    if channel.exec(false, line).await.is_ok() {
        while channel.wait().await.is_some() {}
    }
}

/// The name of a signal without `SIG`; the library keeps its own spelling to itself.
pub(super) fn signal_text(signal: &Sig) -> String {
    match signal {
        Sig::Custom(name) => name.clone(),
        known => format!("{known:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_named_without_sig() {
        assert_eq!(signal_text(&Sig::SEGV), "SEGV");
        assert_eq!(signal_text(&Sig::Custom("SYS".to_owned())), "SYS");
    }
}
