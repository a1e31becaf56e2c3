//! What students hand in, read into memory: a folder, a .zip, a .tar or .tar.gz, a commit of a git repository. Nothing
//! of it is ever unpacked on this host's disk, followed, or run.
//!
//! ```text
//! list(DIR) ─► Entry ─► read(…) ─► Intake { files by path in the workspace, notes }   or   Refusal
//! ```
//!
//! What is not a workspace's file is passed over, and counted by the reason. What cannot be read as a whole (a bomb,
//! another format, two workspaces) is refused, which is a row of the class like any other.

mod archive;
mod folder;
mod git;
mod intake;
mod listing;
mod path;
mod save;
#[cfg(test)]
mod tests;

pub use git::{Git, GitError, Reading};
pub use intake::{Intake, Limits, Refusal};
pub use listing::{Entry, list, plain_name};
pub use save::{load, save};

use std::fs::File;
use std::path::Path;

use fs_err as fs;

/// Reads a submission: a folder, or an archive that is known by its first bytes. Blocking.
///
/// # Errors
/// [`Refusal`], in words for the student.
pub fn read(path: &Path, limits: &Limits) -> Result<Intake, Refusal> {
    let kind = fs::symlink_metadata(path)
        .map_err(Refusal::unreadable)?
        .file_type();
    if kind.is_dir() {
        folder::read(path, limits)
    } else if kind.is_file() {
        // What was a file a moment ago is opened as one, whatever it has become.
        let flags = rustix::fs::OFlags::RDONLY
            | rustix::fs::OFlags::NOFOLLOW
            | rustix::fs::OFlags::NONBLOCK
            | rustix::fs::OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, rustix::fs::Mode::empty())
            .map_err(|errno| Refusal::unreadable(errno.into()))?;
        archive::read(File::from(file), limits)
    } else if kind.is_symlink() {
        Err(Refusal::Link)
    } else {
        Err(Refusal::Special)
    }
}
