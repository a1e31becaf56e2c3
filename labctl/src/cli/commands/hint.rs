//! `labctl hint`: the next rung of the ladder.

use std::path::Path;

use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::ladder::climb;
use crate::cli::{course, output};
use crate::report;

pub(super) fn run(
    context: &Context,
    name: &str,
    workspace: Option<&Path>,
    format: Format,
) -> Result<Exit, Failure> {
    let loaded = course::load(context)?;
    let found = loaded.course.find(name)?;
    let [(module, exercise)] = found.as_slice() else {
        let ids: Vec<_> = found.iter().map(|(_, exercise)| exercise.id.as_str()).collect();
        return Err(
            Failure::new(Exit::Usage, format!("{name} has several exercises; name one"))
                .hint(format!("one of: {}", ids.join(", "))),
        );
    };
    let workspace = course::workspace_of(context, workspace, module)?;
    let hint = climb(context, module, exercise, &workspace)?;
    let settings = &context.settings;
    let text = match format {
        Format::Json => report::hint::json(&hint)?,
        Format::Human => report::hint::human(&hint, settings.width, settings.colour),
    };
    output::result(&text)?;
    Ok(Exit::Done)
}
