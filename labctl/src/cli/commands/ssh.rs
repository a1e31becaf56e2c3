//! `labctl ssh`: a terminal in a guest.

use super::target::connect;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::guest::{Command, HostTerminal, Outcome};

pub(super) async fn run(
    context: &Context,
    module: Option<&str>,
    command: &[String],
) -> Result<Exit, Failure> {
    context.reap()?;
    let guest = connect(context, module).await?;
    context.ui.clear();
    let command = if command.is_empty() {
        None
    } else {
        // As ssh does: the words are joined and the guest's shell reads the line.
        Some(Command::shell(command.join(" "))?)
    };
    let terminal = HostTerminal::new(std::io::stdin(), std::io::stdout(), std::io::stderr())?;
    let outcome = guest
        .shell(terminal, &context.settings.term, command, &context.cancel)
        .await?;
    guest.close().await;
    match outcome {
        Outcome::Lost(lost) => Err(Failure::from_error(Exit::Inconclusive, &lost)
            .hint("`labctl dmesg` shows whether the guest's kernel is to blame")),
        outcome => Ok(super::exec::exit_of(&outcome)),
    }
}
