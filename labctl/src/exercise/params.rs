//! Where things lie in the guest.

use crate::session::{MODULES, PROGRAMS};

/// Scripts of the student's.
pub(super) const SCRIPTS: &str = "/lab/scripts";

/// Put before a command: a script finds the exercise's programs by name, behind those of the image.
pub(super) const SEARCH_PATH: &str = "PATH=/usr/sbin:/usr/bin:/sbin:/bin:/lab/bin/student:/lab/bin";

pub(super) fn module(name: &str) -> String {
    format!("{MODULES}/{name}.ko")
}

/// Ours and the student's may have one name (`sender`): what decides their `comm` is the file's name, so they live
/// in different folders.
pub(super) fn tool(name: &str) -> String {
    format!("{PROGRAMS}/{name}")
}

pub(super) fn student(name: &str) -> String {
    format!("{PROGRAMS}/student/{name}")
}

pub(super) fn script(path: &str) -> String {
    format!("{SCRIPTS}/{path}")
}
