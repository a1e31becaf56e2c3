//! The only place that makes a `Command`. Everything started here gets its own process group, so that a Ctrl-C
//! in the terminal reaches labctl alone: it decides in which order its children end, after their evidence is
//! collected.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

#[expect(clippy::disallowed_methods, reason = "the one allowed place")]
fn new_std(program: &OsStr) -> std::process::Command {
    std::process::Command::new(program)
}

/// A command with no input, an own process group, and an environment of `PATH`, `HOME` and a fixed locale only:
/// what a tool prints must not depend on the user's language.
pub fn blocking_command(program: impl AsRef<OsStr>) -> std::process::Command {
    use std::os::unix::process::CommandExt as _;

    let mut command = new_std(program.as_ref());
    command.stdin(Stdio::null()).process_group(0);
    for (name, _) in std::env::vars_os() {
        if !matches!(
            name.to_str(),
            Some("PATH" | "HOME" | "XDG_RUNTIME_DIR" | "TMPDIR")
        ) {
            command.env_remove(&name);
        }
    }
    command.env("LC_ALL", "C.UTF-8");
    command
}

/// As [`blocking_command`], for the asynchronous side. The child is killed when its handle is dropped, unless the
/// caller says otherwise.
pub fn async_command(program: impl AsRef<OsStr>) -> tokio::process::Command {
    let mut command = tokio::process::Command::from(blocking_command(program));
    command.kill_on_drop(true);
    command
}

/// The absolute path of `name` in `search_path` (a `PATH`-like list), if an executable file is there.
pub fn find_program(name: &str, search_path: &OsStr) -> Option<PathBuf> {
    if name.contains('/') {
        let path = PathBuf::from(name);
        return is_executable(&path).then_some(path);
    }
    std::env::split_paths(search_path)
        .map(|dir| dir.join(name))
        .find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;

    path.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
