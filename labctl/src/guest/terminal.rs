//! A person at the keyboard: the host's terminal, handed to a program in the guest.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use rustix::termios::{isatty, tcgetwinsize};
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;
use tokio::signal::unix::{SignalKind, signal};

use super::command::Command;
use super::escape::Escape;
use super::exec::{ExecError, Outcome};
use super::keyboard::Keyboard;
use super::pump::signal_text;
use super::session::{Guest, LossCause};
use super::terminal_mode::TerminalMode;
use crate::supervise::{Cancel, Cancelled};

/// The three streams of a person or a script on the host.
#[derive(Debug)]
pub struct HostTerminal {
    input: OwnedFd,
    output: OwnedFd,
    error: OwnedFd,
}

/// The terminal could not be lent to the guest.
#[derive(Debug, thiserror::Error)]
pub enum TerminalError {
    #[error("cannot use the terminal")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Exec(#[from] ExecError),
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl HostTerminal {
    /// Duplicates of the three descriptors, which stay the caller's.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn new(input: impl AsFd, output: impl AsFd, error: impl AsFd) -> io::Result<Self> {
        Ok(Self {
            input: input.as_fd().try_clone_to_owned()?,
            output: output.as_fd().try_clone_to_owned()?,
            error: error.as_fd().try_clone_to_owned()?,
        })
    }

    /// Columns and rows; 80 by 24 where nobody knows.
    fn size(&self) -> (u32, u32) {
        let known = [&self.output, &self.input].into_iter().find_map(|fd| {
            tcgetwinsize(fd)
                .ok()
                .filter(|size| size.ws_col > 0 && size.ws_row > 0)
        });
        known.map_or((80, 24), |size| (size.ws_col.into(), size.ws_row.into()))
    }
}

impl Guest {
    /// Hands the terminal to `command`, or to a login shell, until that ends. If the input is a terminal, the guest
    /// gets one too, of kind `term` and of the same size at all times, and every key goes to the guest except for
    /// `~.` at the beginning of a line, which hangs up. If it is not, the streams are passed on as they are.
    ///
    /// # Errors
    /// The terminal or the guest refused.
    pub async fn shell(
        &self,
        host: HostTerminal,
        term: &str,
        command: Option<Command>,
        cancel: &Cancel,
    ) -> Result<Outcome, TerminalError> {
        let interactive = isatty(&host.input);
        let channel = tokio::select! {
            biased;
            () = cancel.requested() => return Err(Cancelled.into()),
            channel = self.open_channel() => channel?,
        };
        // Listening comes first: without it, a resize between the first size and the listening would be missed.
        let mut resized = signal(SignalKind::window_change())?;
        let (columns, rows) = host.size();
        let mut asked = Ok(());
        if interactive {
            asked = channel.request_pty(true, term, columns, rows, 0, 0, &[]).await;
        }
        if asked.is_ok() {
            asked = match command {
                Some(command) => channel.exec(true, command.to_line()).await,
                None => channel.request_shell(true).await,
            };
        }
        if asked.is_err() {
            return Err(ExecError::Lost(self.lost().await).into());
        }
        let _raw = if interactive {
            Some(TerminalMode::raw(&host.input)?)
        } else {
            None
        };

        let (read, write) = channel.split();
        let mut listening = std::pin::pin!(listen(read, host.output.try_clone()?, host.error.try_clone()?));
        let mut typing = std::pin::pin!(type_in(host.input.try_clone()?, &write, interactive));
        let mut typed = false;
        let resizing = async {
            let mut last = (columns, rows);
            while resized.recv().await.is_some() {
                let size = host.size();
                if interactive && size != last {
                    last = size;
                    write.window_change(size.0, size.1, 0, 0).await.ok();
                }
            }
        };
        let mut resizing = std::pin::pin!(resizing);
        let mut resizable = true;
        let ended = loop {
            tokio::select! {
                biased;
                () = cancel.requested() => break Err(Cancelled.into()),
                end = &mut listening => break end,
                left = &mut typing, if !typed => match left {
                    Ok(Typing::Ended) => typed = true,
                    Ok(Typing::Left) => break Ok(Some(Outcome::Killed)),
                    Err(error) => break Err(error.into()),
                },
                () = &mut resizing, if resizable => resizable = false,
            }
        };
        write.close().await.ok();
        match ended? {
            Some(outcome) => Ok(outcome),
            None if self.is_lost() => Ok(Outcome::Lost(self.lost().await)),
            None => Ok(Outcome::Lost(LossCause::NoExitStatus.into())),
        }
    }
}

/// Passes on what the guest writes, until the channel is gone; returns how the program ended, if that was said.
async fn listen(
    mut channel: ChannelReadHalf,
    output: OwnedFd,
    error: OwnedFd,
) -> Result<Option<Outcome>, TerminalError> {
    let mut output = File::from_std(output.into());
    let mut error = File::from_std(error.into());
    let mut end = None;
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                output.write_all(&data).await?;
                output.flush().await?;
            }
            ChannelMsg::ExtendedData { data, .. } => {
                error.write_all(&data).await?;
                error.flush().await?;
            }
            ChannelMsg::ExitStatus { exit_status } => {
                end = Some(Outcome::Exited(i32::try_from(exit_status).unwrap_or(i32::MAX)));
            }
            ChannelMsg::ExitSignal { signal_name, .. } => {
                end = Some(Outcome::Signaled(signal_text(&signal_name)));
            }
            ChannelMsg::Failure => {
                return Err(ExecError::Refused {
                    what: "to open a terminal",
                }
                .into());
            }
            _ => {}
        }
    }
    Ok(end)
}

enum Typing {
    /// The input has ended; the program may still speak.
    Ended,
    /// The user hung up, or their terminal is gone.
    Left,
}

async fn type_in(input: OwnedFd, channel: &ChannelWriteHalf<Msg>, interactive: bool) -> io::Result<Typing> {
    let mut keyboard = Keyboard::new(input)?;
    let mut escape = Escape::LineStart;
    loop {
        let typed = match keyboard.read().await {
            Ok(typed) => typed,
            // What reading a terminal that was hung up on gives.
            Err(error)
                if interactive && error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) =>
            {
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        if typed.is_empty() {
            channel.eof().await.ok();
            return Ok(if interactive { Typing::Left } else { Typing::Ended });
        }
        let bytes = if interactive {
            match escape.pass(&typed) {
                Some(bytes) => bytes,
                None => return Ok(Typing::Left),
            }
        } else {
            typed
        };
        if !bytes.is_empty() && channel.data_bytes(bytes).await.is_err() {
            return Ok(Typing::Ended);
        }
    }
}
