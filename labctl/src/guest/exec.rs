//! Running a command to its end.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::AsyncRead;
use tokio::sync::mpsc;

use super::command::Command;
use super::process::{Running, Stream};
use super::session::{Guest, GuestLost};
use super::sink::{Captured, Sink};
use crate::deadline::Deadline;
use crate::supervise::{Cancel, Cancelled};

/// What a command reads.
#[derive(Default)]
pub enum Input {
    /// Nothing: end of file at once.
    #[default]
    Empty,
    Bytes(Vec<u8>),
    Reader(Box<dyn AsyncRead + Send + Unpin>),
    /// What can be read from a descriptor, such as labctl's own standard input. Unlike a reader on top of the
    /// runtime's threads, it is given up at once when the command ends.
    Descriptor(OwnedFd),
    /// Pieces as they are sent; end of file when the sender is dropped.
    Pieces(mpsc::Receiver<Vec<u8>>),
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Bytes(_) => "Bytes",
            Self::Reader(_) => "Reader",
            Self::Descriptor(_) => "Descriptor",
            Self::Pieces(_) => "Pieces",
        })
    }
}

/// A command with its three streams.
#[derive(Debug)]
pub struct Exec {
    pub command: Command,
    pub stdin: Input,
    pub stdout: Sink,
    pub stderr: Sink,
}

/// How much of each stream is kept unless the caller says otherwise: enough for any program of a course, and not
/// enough for one that floods to hurt the host.
const KEEP: usize = 4 << 20;

impl Exec {
    /// No input; the first 4 MiB of each output are kept.
    pub fn new(command: Command) -> Self {
        Self {
            command,
            stdin: Input::Empty,
            stdout: Sink::capture(KEEP),
            stderr: Sink::capture(KEEP),
        }
    }

    #[must_use]
    pub fn stdin(self, stdin: Input) -> Self {
        Self { stdin, ..self }
    }

    #[must_use]
    pub fn stdout(self, stdout: Sink) -> Self {
        Self { stdout, ..self }
    }

    #[must_use]
    pub fn stderr(self, stderr: Sink) -> Self {
        Self { stderr, ..self }
    }
}

impl From<Command> for Exec {
    fn from(command: Command) -> Self {
        Self::new(command)
    }
}

/// How a command ended, as far as can be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It ended with this status (0 to 255).
    Exited(i32),
    /// A signal ended it; the name is without `SIG`.
    Signaled(String),
    /// The deadline passed first. It was then killed, if the guest still did what it was told.
    TimedOut,
    /// It was stopped because labctl was asked to stop.
    Cancelled,
    /// It was stopped by [`Running::kill`].
    Killed,
    /// Nobody knows: no exit status came. Never to be taken for success.
    Lost(GuestLost),
}

/// A command that has ended, and what it wrote until then, however it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    pub outcome: Outcome,
    pub stdout: Captured,
    pub stderr: Captured,
}

impl Finished {
    /// Itself if the command ended with status 0.
    ///
    /// # Errors
    /// Any other end.
    pub fn success(self) -> Result<Self, CommandFailed> {
        match self.outcome {
            Outcome::Exited(0) => Ok(self),
            outcome => Err(CommandFailed {
                outcome,
                stderr: self.stderr.text().trim_end().to_owned(),
            }),
        }
    }
}

/// A command that should have succeeded did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandFailed {
    pub outcome: Outcome,
    /// What it wrote to its standard error.
    pub stderr: String,
}

impl std::error::Error for CommandFailed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.outcome {
            Outcome::Lost(lost) => Some(lost),
            _ => None,
        }
    }
}

impl std::fmt::Display for CommandFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.outcome {
            Outcome::Exited(status) => write!(f, "the command ended with status {status}")?,
            Outcome::Signaled(signal) => write!(f, "the command was ended by SIG{signal}")?,
            Outcome::TimedOut => f.write_str("the command did not end in time")?,
            Outcome::Cancelled | Outcome::Killed => f.write_str("the command was stopped")?,
            Outcome::Lost(_) => f.write_str("the command's end is not known")?,
        }
        match self.stderr.lines().next_back() {
            Some(line) => write!(f, ": `{line}`"),
            None => Ok(()),
        }
    }
}

/// A command that could not be run, or whose streams failed on this side.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    #[error("the guest's SSH server refused {what}")]
    Refused { what: &'static str },
    #[error("the guest did not take the command in time")]
    TimedOut,
    #[error("cannot pass on the {stream} of the command")]
    Stream {
        stream: Stream,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Lost(#[from] GuestLost),
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// A command that should have succeeded was not run, or did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Exec(#[from] ExecError),
    #[error(transparent)]
    Failed(#[from] CommandFailed),
}

impl Guest {
    /// As [`Guest::exec`], for commands that have to end with status 0.
    ///
    /// # Errors
    /// Those of [`Guest::exec`], and every other end.
    pub async fn run(
        &self,
        exec: impl Into<Exec>,
        deadline: Deadline,
        cancel: &Cancel,
    ) -> Result<Finished, RunError> {
        Ok(self.exec(exec, deadline, cancel).await?.success()?)
    }

    /// Runs a command to its end, but no longer than to `deadline`; it is then killed, with all it has started. The
    /// loss of the guest is an [`Outcome`], since what was heard until then may matter.
    ///
    /// # Errors
    /// The server refused to run anything, or a stream failed on this side.
    pub async fn exec(
        &self,
        exec: impl Into<Exec>,
        deadline: Deadline,
        cancel: &Cancel,
    ) -> Result<Finished, ExecError> {
        let never_began = |outcome| {
            Ok(Finished {
                outcome,
                stdout: Captured::default(),
                stderr: Captured::default(),
            })
        };
        match self.spawn(exec, deadline, cancel).await {
            Ok(running) => running.finish(deadline, cancel).await,
            Err(ExecError::Lost(lost)) => never_began(Outcome::Lost(lost)),
            Err(ExecError::TimedOut) => never_began(Outcome::TimedOut),
            Err(ExecError::Cancelled(_)) => never_began(Outcome::Cancelled),
            Err(error) => Err(error),
        }
    }

    /// Starts a command and returns as soon as the guest's server has been told; `deadline` and `cancel` are for
    /// that alone.
    ///
    /// # Errors
    /// As the variants of [`ExecError`] say.
    pub async fn spawn(
        &self,
        exec: impl Into<Exec>,
        deadline: Deadline,
        cancel: &Cancel,
    ) -> Result<Running, ExecError> {
        tokio::select! {
            biased;
            () = cancel.requested() => Err(Cancelled.into()),
            running = Running::start(self.clone(), exec.into()) => running,
            () = tokio::time::sleep_until(deadline.instant().into()) => Err(ExecError::TimedOut),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::LossCause;

    #[test]
    fn only_status_zero_is_success() {
        for outcome in [
            Outcome::Exited(1),
            Outcome::Signaled("SEGV".to_owned()),
            Outcome::TimedOut,
            Outcome::Cancelled,
            Outcome::Killed,
            Outcome::Lost(LossCause::NoExitStatus.into()),
        ] {
            let finished = Finished {
                outcome: outcome.clone(),
                stdout: Captured::default(),
                stderr: Captured::default(),
            };
            assert_eq!(finished.success().unwrap_err().outcome, outcome);
        }
    }

    #[test]
    fn the_message_ends_with_the_last_thing_the_command_said() {
        let mut stderr = Captured::default();
        stderr.push(b"warning: x\ninsmod: File exists\n", 1000);
        let failed = Finished {
            outcome: Outcome::Exited(1),
            stdout: Captured::default(),
            stderr,
        }
        .success()
        .unwrap_err();
        assert_eq!(
            failed.to_string(),
            "the command ended with status 1: `insmod: File exists`"
        );
    }
}
