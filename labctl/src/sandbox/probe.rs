//! Whether this host lets labctl make sandboxes: for `doctor`, before anything was downloaded.

use std::ffi::OsStr;

use super::bubblewrap::{Bubblewrap, SandboxError};
use super::obstacle::{HostFacts, Obstacle};
use crate::supervise::blocking_command;

/// What a trial showed.
#[derive(Debug)]
pub enum SandboxSupport {
    Works {
        bubblewrap: Bubblewrap,
    },
    /// The error says what, [`SandboxError::fix`] what to do.
    Broken {
        error: SandboxError,
    },
}

/// Makes a sandbox of the same kind on the host's own root, read-only, and runs `true` in it. Takes some 20 ms.
pub fn probe(search_path: &OsStr) -> SandboxSupport {
    let bubblewrap = match Bubblewrap::find(search_path) {
        Ok(bubblewrap) => bubblewrap,
        Err(error) => return SandboxSupport::Broken { error },
    };
    let tried = blocking_command(bubblewrap.program())
        .args([
            "--unshare-all",
            "--die-with-parent",
            "--new-session",
            "--cap-drop",
            "ALL",
        ])
        .args([
            "--ro-bind",
            "/",
            "/",
            "--dev",
            "/dev",
            "--proc",
            "/proc",
            "--tmpfs",
            "/tmp",
        ])
        .args(["--", "true"])
        .output();
    let output = match tried {
        Ok(output) => output,
        Err(source) => {
            let error = SandboxError::io("start bubblewrap")(source);
            return SandboxSupport::Broken { error };
        }
    };
    if output.status.success() {
        return SandboxSupport::Works { bubblewrap };
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let error = match Obstacle::diagnose(&HostFacts::read(), &message) {
        Some(obstacle) => SandboxError::Forbidden(obstacle),
        None => SandboxError::Setup { message },
    };
    SandboxSupport::Broken { error }
}
