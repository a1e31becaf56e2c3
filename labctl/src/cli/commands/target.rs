//! Which guest a command is about: the one named, else the one that runs.

use std::time::Duration;

use crate::cli::context::Context;
use crate::cli::course;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::deadline::Deadline;
use crate::event::Stage;
use crate::guest::{Guest, Transfer};
use crate::session::Lab;
use crate::vm::{Condition, InstanceDir, InstanceRecord};

/// An instance that was left running, by name.
pub(super) struct Kept {
    pub(super) name: String,
    pub(super) dir: InstanceDir,
    pub(super) record: InstanceRecord,
    pub(super) running: bool,
}

/// Every instance that some `up` left, whether it still runs or not, by name.
pub(super) fn kept(context: &Context) -> Result<Vec<Kept>, Failure> {
    let root = context.settings.instances_dir();
    let mut names: Vec<String> = match fs_err::read_dir(&root) {
        Ok(entries) => entries
            .filter_map(Result::ok)
            .filter(|entry| entry.path().is_dir())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    names.sort();
    let mut found = Vec::new();
    for name in names {
        // One that goes away while it is looked at is not worth an error.
        let Ok(dir) = InstanceDir::open(&root, &name) else {
            continue;
        };
        let Ok(Some(record)) = InstanceRecord::read(&dir) else {
            continue;
        };
        match record.condition() {
            Condition::Unkept => {}
            condition => found.push(Kept {
                name,
                dir,
                record,
                running: condition == Condition::Running,
            }),
        }
    }
    Ok(found)
}

/// The name of the guest that `module` names, or of the only one there is.
pub(super) fn choose(context: &Context, module: Option<&str>) -> Result<String, Failure> {
    if let Some(module) = module {
        if InstanceDir::open(&context.settings.instances_dir(), module).is_err() {
            // A name that is no module is a slip of the finger, and not a guest to be started.
            course::load(context)?.course.module(module)?;
        }
        return Ok(module.to_owned());
    }
    let mut running: Vec<_> = kept(context)?.into_iter().filter(|kept| kept.running).collect();
    match running.len() {
        1 => Ok(running.remove(0).name),
        0 => Err(Failure::new(Exit::Usage, "no guest is running").hint("start one with `labctl up MODULE`")),
        _ => {
            let names: Vec<_> = running.iter().map(|kept| kept.name.as_str()).collect();
            Err(Failure::new(Exit::Usage, "several guests are running; name one")
                .hint(format!("one of: {}", names.join(", "))))
        }
    }
}

/// A connection to that guest.
pub(super) async fn connect(context: &Context, module: Option<&str>) -> Result<Guest, Failure> {
    let name = choose(context, module)?;
    let (guest, _) = Lab::attach(&context.settings.instances_dir(), &name, &context.cancel).await?;
    Ok(guest)
}

/// Copying for a person, who ends it when it takes too long.
pub(super) fn transfer(context: &Context) -> Transfer<'_> {
    Transfer {
        deadline: Deadline::after(Duration::MAX),
        cancel: &context.cancel,
        events: &context.events,
        stage: Stage::Push,
    }
}
