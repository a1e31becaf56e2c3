//! `labctl ssh-config`.

use super::target::choose;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::session::Lab;

pub(super) fn run(context: &Context, module: Option<&str>) -> Result<Exit, Failure> {
    context.reap()?;
    let name = choose(context, module)?;
    let config = Lab::ssh_config(&context.settings.instances_dir(), &name)?;
    let text = config.text().map_err(|error| {
        Failure::from_error(Exit::Host, &error).hint("set XDG_STATE_HOME to a folder with a plain name")
    })?;
    output::result(&text)?;
    Ok(Exit::Done)
}
