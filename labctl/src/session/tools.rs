//! Programs and modules on their way into the guest: one connection, many channels.

use futures::future::try_join_all;

use super::lab::Lab;
use crate::deadline::Deadline;
use crate::guest::{CopyError, PushFile};
use crate::supervise::Cancel;

/// A file that did not arrive.
#[derive(Debug, thiserror::Error)]
#[error("cannot push `{path}` into the guest")]
pub struct PushError {
    pub path: String,
    #[source]
    pub source: Box<CopyError>,
}

/// Pushes all of `files` (path in the guest, mode, bytes) at once.
///
/// # Errors
/// The first file that did not arrive.
pub async fn push_tools(
    lab: &Lab,
    files: Vec<(String, u32, Vec<u8>)>,
    deadline: Deadline,
    cancel: &Cancel,
) -> Result<(), PushError> {
    let guest = lab.guest();
    try_join_all(files.into_iter().map(|(path, mode, bytes)| async move {
        let file = PushFile { path: path.clone(), mode, bytes };
        guest
            .push_file(file, deadline, cancel)
            .await
            .map_err(|source| PushError { path, source: Box::new(source) })
    }))
    .await?;
    Ok(())
}
