//! `labctl down`.

use super::target::{choose, kept};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::session::Lab;
use crate::vm::Lease;

pub(super) async fn run(context: &Context, module: Option<&str>, all: bool) -> Result<Exit, Failure> {
    context.reap()?;
    let names: Vec<String> = if all || (module.is_none() && kept(context)?.is_empty()) {
        kept(context)?.into_iter().map(|kept| kept.name).collect()
    } else if let (None, [only]) = (module, kept(context)?.as_slice()) {
        // An ended guest can be cleared away by the same short command as a running one.
        vec![only.name.clone()]
    } else {
        vec![choose(context, module)?]
    };
    if names.is_empty() {
        context.events.note("no guest is running");
    }
    let root = context.settings.instances_dir();
    for name in names {
        let events = context.events.clone();
        let lease = Lease::take(&root, &name, "down", &context.cancel, |holder| {
            events.note(format!(
                "waiting for process {} (labctl {})",
                holder.pid, holder.doing
            ));
        })
        .await?;
        match Lab::down(&root, &name, lease, &context.cancel).await {
            Ok(()) => context.events.note(format!("the guest of {name} is down")),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Exit::Done)
}
