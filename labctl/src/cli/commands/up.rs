//! `labctl up`: a guest that stays.

use crate::cli::args::Shape;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::{course, lab, output};
use crate::session::{AttachError, Lab};
use crate::vm::Lease;

pub(super) async fn run(
    context: &Context,
    module: Option<&str>,
    shape: &Shape,
    layers: &[String],
) -> Result<Exit, Failure> {
    context.reap()?;
    let loaded = course::load_modules(context, module)?;
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
    let host = lab::host(context, shape).await?;
    let mut ready = lab::ready(context, &loaded, module, shape.kernel.as_deref(), layers).await?;
    lab::equip(&mut ready, &loaded.course.tool_modules).await?;
    let up = Lab::start(
        &host,
        &ready.bootable,
        name,
        lease,
        &context.cancel,
        &context.events,
    )
    .await?;
    let record = up.keep().await?;
    say_next(name, &record);
    Ok(Exit::Done)
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
