//! `labctl watch`: what is to be watched; `cli::watch` does it.

use crate::cli::args::Watch;
use crate::cli::context::Context;
use crate::cli::course;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::progress::Progress;
use crate::cli::watch::{self, Subject, first};
use crate::spec::exercise::Exercise;

pub(super) async fn run(context: &Context, watch: &Watch) -> Result<Exit, Failure> {
    context.reap()?;
    let loaded = course::load(context)?;
    let asked = watch.workspace.as_deref();
    let name = match &watch.exercise {
        Some(name) => name.clone(),
        None => match course::workspace(context, asked)? {
            Some(found) => found.workspace.module,
            None => {
                return Err(Failure::new(Exit::Usage, "there is no workspace here")
                    .hint("`labctl init MODULE` makes one; --workspace DIR names one"));
            }
        },
    };
    let named = loaded.course.find(&name)?;
    let Some((module, _)) = named.first().copied() else {
        return Err(Failure::new(Exit::Usage, "that module has no exercises"));
    };
    let found = course::workspace_of(context, asked, module)?;
    let progress = Progress::read(context, &found.dir);
    let exercises: Vec<&Exercise> = named.iter().map(|(_, exercise)| *exercise).collect();
    let Some(exercise) = first(&exercises, |exercise| progress.passed(exercise)) else {
        return Err(Failure::new(Exit::Usage, "that module has no exercises"));
    };
    let subject = Subject {
        loaded: &loaded,
        module,
        exercise,
        shape: &watch.shape,
    };
    watch::run(context, subject, found, watch.poll).await
}
