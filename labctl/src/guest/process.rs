//! A command that runs in the guest while other things happen.

use std::fmt;

use rand::RngCore as _;
use russh::Sig;
use tokio::sync::{mpsc, watch};

use super::exec::{Exec, ExecError, Finished, Outcome};
use super::pump::{Order, Pump, State, Stop};
use super::session::Guest;
use super::sink::Captured;
use crate::deadline::Deadline;
use crate::supervise::{Cancel, Cancelled};

/// One of a command's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    Stdin,
    Stdout,
    Stderr,
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stdin => "standard input",
            Self::Stdout => "standard output",
            Self::Stderr => "standard error",
        })
    }
}

/// Why the wanted output never came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WaitError {
    #[error("the command ended before it wrote what was waited for")]
    Ended(Outcome),
    #[error("the command did not write in time what was waited for")]
    TimedOut,
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// A command that was started. Dropping it kills the command and all that it has started, in the background.
#[derive(Debug)]
pub struct Running {
    state: watch::Receiver<State>,
    orders: mpsc::UnboundedSender<Order>,
}

impl Running {
    pub(super) async fn start(guest: Guest, exec: Exec) -> Result<Self, ExecError> {
        let mut id = [0; 8];
        rand::rng().fill_bytes(&mut id);
        let marker = Marker(hex::encode(id));
        let channel = guest.open_channel().await?;
        if channel
            .exec(true, marker.mark(&exec.command.to_line()))
            .await
            .is_err()
        {
            return Err(ExecError::Lost(guest.lost().await));
        }
        let (state_sender, state) = watch::channel(State::default());
        let (orders, order_receiver) = mpsc::unbounded_channel();
        let pump = Pump {
            guest,
            marker,
            stdout: exec.stdout,
            stderr: exec.stderr,
            state: state_sender,
        };
        tokio::spawn(pump.run(channel, exec.stdin, order_receiver));
        Ok(Self { state, orders })
    }

    /// What it has written to `stream` so far, within the limit of its sink.
    pub fn output(&self, stream: Stream) -> Captured {
        self.state.borrow().stream(stream).clone()
    }

    /// How it ended, if it has.
    pub fn outcome(&self) -> Option<Outcome> {
        self.state.borrow().outcome.clone()
    }

    /// Waits for its end.
    pub async fn wait(&self) -> Outcome {
        let mut state = self.state.clone();
        // The pump records an outcome before it ends, unless the runtime is being shut down around it.
        match state.wait_for(|state| state.outcome.is_some()).await {
            Ok(state) => state.outcome.clone().unwrap_or(Outcome::Killed),
            Err(_) => Outcome::Killed,
        }
    }

    /// Waits until `find` returns something for the output of `stream` so far. It is called again, with all of the
    /// output within the sink's limit, whenever there is more.
    ///
    /// # Errors
    /// The command ended, the deadline passed or a stop was asked for first.
    pub async fn wait_for_output<T>(
        &self,
        stream: Stream,
        mut find: impl FnMut(&[u8]) -> Option<T>,
        deadline: Deadline,
        cancel: &Cancel,
    ) -> Result<T, WaitError> {
        let mut state = self.state.clone();
        let mut found = None;
        let seen = state.wait_for(|state| {
            found = find(&state.stream(stream).bytes);
            found.is_some() || state.outcome.is_some()
        });
        let outcome = tokio::select! {
            biased;
            () = cancel.requested() => return Err(Cancelled.into()),
            seen = seen => seen.ok().and_then(|state| state.outcome.clone()),
            () = tokio::time::sleep_until(deadline.instant().into()) => return Err(WaitError::TimedOut),
        };
        found.ok_or(WaitError::Ended(outcome.unwrap_or(Outcome::Killed)))
    }

    /// Sends a signal, named without `SIG`, to the process that the SSH server started: the program itself for a
    /// [`super::Command::program`], the shell for a line.
    pub fn signal(&self, name: &str) {
        // A command that has ended needs no signal.
        self.orders.send(Order::Signal(Sig::Custom(name.to_owned()))).ok();
    }

    /// Kills the command and all that it has started, and returns what it had written.
    ///
    /// # Errors
    /// As [`Running::finish`].
    pub async fn kill(self) -> Result<Finished, ExecError> {
        self.orders.send(Order::Stop(Stop::Killed)).ok();
        self.wait().await;
        self.into_finished()
    }

    /// Waits for the end; at the deadline, or when a stop is asked for, kills the command and all that it has
    /// started.
    ///
    /// # Errors
    /// The server refused the command, or a stream failed on this side.
    pub async fn finish(self, deadline: Deadline, cancel: &Cancel) -> Result<Finished, ExecError> {
        let stop = tokio::select! {
            biased;
            _ = self.wait() => None,
            () = cancel.requested() => Some(Stop::Cancelled),
            () = tokio::time::sleep_until(deadline.instant().into()) => Some(Stop::TimedOut),
        };
        if let Some(stop) = stop {
            self.orders.send(Order::Stop(stop)).ok();
            tokio::select! {
                _ = self.wait() => {}
                () = cancel.killed() => {}
            }
        }
        self.into_finished()
    }

    fn into_finished(self) -> Result<Finished, ExecError> {
        let state = self.state.borrow();
        if let Some(what) = state.refused {
            return Err(ExecError::Refused { what });
        }
        if let Some((stream, kind, message)) = &state.failed_stream {
            return Err(ExecError::Stream {
                stream: *stream,
                source: std::io::Error::new(*kind, message.clone()),
            });
        }
        Ok(Finished {
            outcome: state.outcome.clone().unwrap_or(Outcome::Cancelled),
            stdout: state.stdout.clone(),
            stderr: state.stderr.clone(),
        })
    }
}

/// A word in the environment of everything that one command starts, by which all of it can be found again, also
/// what has left its process group.
#[derive(Debug, Clone)]
pub(super) struct Marker(String);

impl Marker {
    fn mark(&self, line: &[u8]) -> Vec<u8> {
        let mut marked = format!("LABCTL_RUN={};export LABCTL_RUN;", self.0).into_bytes();
        marked.extend_from_slice(line);
        marked
    }

    /// A line that kills all that is marked. The shell that runs the command has the marker in its arguments
    /// instead of its environment, hence both are searched; the brackets keep the searcher from finding itself.
    /// What is marked may be forking, hence the repetition, and may be unkillable, hence its limit. `grep` fails
    /// whenever some process ends while it looks, hence only its output counts.
    pub(super) fn killing_line(&self) -> Vec<u8> {
        format!(
            "n=0;while [ $n -lt 20 ];do \
             f=$(grep -ls 'LABCTL_RU[N]={}' /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null);\
             [ \"$f\" ]||break;\
             for p in $f;do p=${{p#/proc/}};kill -KILL \"${{p%/*}}\" 2>/dev/null;done;n=$((n+1));done",
            self.0
        )
        .into_bytes()
    }
}
