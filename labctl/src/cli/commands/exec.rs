//! `labctl exec`: a program in a guest, as if it were here.

use std::os::fd::AsFd as _;
use std::time::Duration;

use super::target::connect;
use crate::cli::args::Shape;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::lab;
use crate::deadline::Deadline;
use crate::guest::{Command, Exec, ExecError, Guest, Input, Outcome, Sink};

pub(super) async fn run(
    context: &Context,
    module: Option<&str>,
    fresh: bool,
    shape: &Shape,
    layers: &[String],
    command: &[String],
) -> Result<Exit, Failure> {
    context.reap()?;
    if fresh {
        let lab = lab::boot_owned(context, module, shape, layers, "exec").await?;
        let exit = pass_through(context, lab.guest(), command).await;
        lab.discard().await;
        return exit;
    }
    let guest = connect(context, module).await?;
    let exit = pass_through(context, &guest, command).await;
    guest.close().await;
    exit
}

/// Runs `command` with this process's own streams, for as long as it takes.
pub(super) async fn pass_through(
    context: &Context,
    guest: &Guest,
    command: &[String],
) -> Result<Exit, Failure> {
    context.ui.clear();
    let command = Command::program(command)?;
    // Not tokio's own handle: its thread would hold up this process's end until a key is pressed.
    let stdin = std::io::stdin().as_fd().try_clone_to_owned()?;
    let exec = Exec::new(command)
        .stdin(Input::Descriptor(stdin))
        .stdout(Sink::write(tokio::io::stdout()))
        .stderr(Sink::write(tokio::io::stderr()));
    let ran = guest
        .exec(exec, Deadline::after(Duration::MAX), &context.cancel)
        .await;
    let finished = match ran {
        // Whoever read our output has seen enough, as in `labctl exec … | head`.
        Err(ExecError::Stream { source, .. }) if source.kind() == std::io::ErrorKind::BrokenPipe => {
            return Ok(Exit::Done);
        }
        ran => ran?,
    };
    match finished.outcome {
        Outcome::Lost(lost) => Err(Failure::from_error(Exit::Inconclusive, &lost)
            .hint("`labctl dmesg` shows whether the guest's kernel is to blame")),
        outcome => Ok(exit_of(&outcome)),
    }
}

/// The exit status that tells how a program in the guest ended. A lost guest has none and is the caller's business.
pub(super) fn exit_of(outcome: &Outcome) -> Exit {
    match outcome {
        Outcome::Exited(status) => Exit::Guest(u8::try_from(*status).unwrap_or(255)),
        // As shells report it: 128 plus the number of the signal.
        Outcome::Signaled(name) => Exit::Guest(128 + signal_number(name)),
        Outcome::Cancelled | Outcome::Killed => Exit::Interrupted,
        Outcome::TimedOut | Outcome::Lost(_) => Exit::Inconclusive,
    }
}

/// The number of a signal on x86_64 Linux (signal(7)); RFC 4254 sends its name. 0 for one that it does not know.
fn signal_number(name: &str) -> u8 {
    const NAMES: [(&str, u8); 13] = [
        ("HUP", 1),
        ("INT", 2),
        ("QUIT", 3),
        ("ILL", 4),
        ("ABRT", 6),
        ("FPE", 8),
        ("KILL", 9),
        ("USR1", 10),
        ("SEGV", 11),
        ("USR2", 12),
        ("PIPE", 13),
        ("ALRM", 14),
        ("TERM", 15),
    ];
    NAMES
        .iter()
        .find(|(known, _)| *known == name)
        .map_or(0, |(_, number)| *number)
}
