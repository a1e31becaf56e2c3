//! `labctl up`: a guest that stays.

use crate::cli::args::Shape;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::{course, lab, output};
use crate::event::{Events, Stage};
use crate::guest::{PushFile, Transfer};
use crate::session::{AttachError, Lab};
use crate::vm::Lease;

pub(super) async fn run(
    context: &Context,
    module: Option<&str>,
    shape: &Shape,
    layers: &[String],
) -> Result<Exit, Failure> {
    context.reap()?;
    let loaded = course::load(context)?;
    let module = course::choose_module(context, &loaded.course, module)?;
    let name = module.id.as_str();
    let root = context.settings.instances_dir();
    let events = context.events.clone();
    // Taken first: of two at once, the second finds what the first has made instead of making it again.
    let lease = Lease::take(&root, name, &format!("up {name}"), &context.cancel, |holder| {
        events.note(format!(
            "waiting for process {} (labctl {})",
            holder.pid, holder.doing
        ));
    })
    .await?;
    match Lab::attach(&root, name, &context.cancel).await {
        Ok((guest, record)) => {
            guest.close().await;
            lease.keep();
            context.events.note(format!("the guest of {name} is up already"));
            say_next(name, &record);
            return Ok(Exit::Done);
        }
        Err(AttachError::NotRunning { .. } | AttachError::HasEnded { .. }) => {}
        Err(AttachError::Silent { .. }) => {
            context
                .events
                .warn(format!("the guest of {name} does not answer; starting another"));
        }
        Err(error) => return Err(error.into()),
    }
    let host = lab::host(context, shape.accel).await?;
    let ready = lab::ready(context, &loaded, module, shape.kernel.as_deref(), layers).await?;
    let boot = Lab::boot(
        &host,
        &ready.bootable,
        name,
        lease,
        &context.cancel,
        &context.events,
    );
    let (booted, workshop) = tokio::join!(boot, lab::workshop(&ready, &loaded.course.tool_modules));
    let up = booted?;
    let workshop = match workshop {
        Ok(workshop) => workshop,
        Err(failure) => {
            up.end(&context.cancel, |_| {}).await;
            return Err(failure);
        }
    };
    if let Err(error) = push(context, &up, &workshop).await {
        up.end(&context.cancel, |_| {}).await;
        return Err(error);
    }
    let record = up.keep().await?;
    say_next(name, &record);
    Ok(Exit::Done)
}

/// Our programs and modules, where the exercises have them too.
async fn push(context: &Context, up: &Lab, workshop: &lab::Workshop) -> Result<(), Failure> {
    context
        .events
        .started(Stage::Push, "programs and modules".to_owned());
    let programs = workshop.programs.iter().map(|(name, path)| PushFile {
        source: path.clone(),
        destination: format!("/lab/bin/{name}").into(),
        mode: 0o755,
    });
    let modules = workshop.modules.iter().map(|(name, path)| PushFile {
        source: path.clone(),
        destination: format!("/lab/modules/{name}.ko").into(),
        mode: 0o644,
    });
    let files: Vec<_> = programs.chain(modules).collect();
    let silent = Events::silent();
    let transfer = Transfer {
        deadline: up.deadline(std::time::Duration::from_secs(10)),
        cancel: &context.cancel,
        events: &silent,
        stage: Stage::Push,
    };
    up.guest().push_files(&files, &transfer).await?;
    context
        .events
        .finished(Stage::Push, format!("{} files", files.len()));
    Ok(())
}

fn say_next(name: &str, record: &crate::vm::InstanceRecord) {
    output::talk(&format!(
        "\nThe guest of {name} is up (ssh port {}). Next:\n  \
           labctl ssh                 a terminal in it\n  \
           labctl exec -- uname -r    one program in it\n  \
           labctl dmesg -f            its kernel log as it grows\n  \
           labctl down                the end of it",
        record.ssh_port
    ));
}
