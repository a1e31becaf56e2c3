//! `labctl pull`: a file or folder out of a guest, which may hold whatever a hostile program has put there.

use std::path::Path;
use std::time::Duration;

use super::target::{connect, transfer};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::deadline::Deadline;
use crate::event::Stage;
use crate::guest::{Command, Outcome, PullLimits};

pub(super) async fn run(
    context: &Context,
    module: Option<&str>,
    remote: &str,
    local: &Path,
) -> Result<Exit, Failure> {
    context.reap()?;
    let guest = connect(context, module).await?;
    let transfer = transfer(context);
    let source = Path::new("/root").join(remote);
    let mut destination = context.settings.absolute(local);
    if destination.is_dir()
        && let Some(name) = source.file_name()
    {
        destination.push(name);
    }
    let is_folder = Command::program(["test".as_ref(), "-d".as_ref(), source.as_os_str()])?;
    let asked = guest
        .exec(
            is_folder,
            Deadline::after(Duration::from_secs(30)),
            &context.cancel,
        )
        .await?;
    if asked.outcome == Outcome::Exited(0) {
        let report = guest
            .pull_tree(&source, &destination, PullLimits::default(), &transfer)
            .await?;
        for skipped in &report.skipped {
            context
                .events
                .warn(format!("left out {}: {}", skipped.path.display(), skipped.why));
        }
        context.events.finished(
            Stage::Push,
            format!("{} files, {} bytes", report.files, report.bytes),
        );
    } else {
        let bytes = guest
            .pull_file(&source, &destination, PullLimits::default(), &transfer)
            .await?;
        context.events.finished(Stage::Push, format!("{bytes} bytes"));
    }
    guest.close().await;
    Ok(Exit::Done)
}
