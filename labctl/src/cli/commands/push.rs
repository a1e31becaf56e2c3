//! `labctl push`: files and folders into a guest.

use std::path::{Path, PathBuf};

use super::target::{connect, transfer};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::event::Stage;
use crate::guest::PushFile;

pub(super) async fn run(
    context: &Context,
    module: Option<&str>,
    local: &[PathBuf],
    remote: &str,
) -> Result<Exit, Failure> {
    context.reap()?;
    let guest = connect(context, module).await?;
    let transfer = transfer(context);
    // Several things, or a name that ends in a slash, go *into* a folder, as with cp and scp.
    let into_folder = local.len() > 1 || remote.ends_with('/');
    for path in local {
        let source = context.settings.absolute(path);
        let meta = source.metadata().map_err(|error| {
            Failure::new(Exit::Usage, format!("cannot read {}", path.display())).because(&error)
        })?;
        let mut destination = Path::new("/root").join(remote);
        if into_folder && let Some(name) = source.file_name() {
            destination.push(name);
        }
        if meta.is_dir() {
            guest.push_tree(&source, &destination, &transfer).await?;
        } else {
            use std::os::unix::fs::PermissionsExt as _;

            let mode = meta.permissions().mode() & 0o777;
            guest
                .push_file(
                    &PushFile {
                        source,
                        destination,
                        mode,
                    },
                    &transfer,
                )
                .await?;
        }
    }
    context
        .events
        .finished(Stage::Push, format!("{} to {remote}", local.len()));
    guest.close().await;
    Ok(Exit::Done)
}
