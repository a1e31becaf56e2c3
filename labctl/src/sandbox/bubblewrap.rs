//! The bubblewrap program, and what may go wrong around a sandbox (never in what runs inside it).

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::obstacle::Obstacle;
use crate::supervise::{blocking_command, find_program};

/// A failure of the sandbox itself. What the program inside did is an [`super::Outcome`].
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error("bubblewrap (`bwrap`) is not installed")]
    Missing,
    #[error("{0}")]
    Forbidden(Obstacle),
    #[error("bubblewrap could not set up the sandbox: {message}")]
    Setup { message: String },
    #[error("the sandbox's root `{path}` is not there")]
    NoRoot { path: PathBuf },
    #[error("cannot {action}")]
    Io {
        action: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("interrupted")]
    Cancelled,
}

impl SandboxError {
    /// For `map_err`: names the attempted action.
    pub(super) fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }

    /// The exact thing to do about it, where there is one.
    pub fn fix(&self) -> Option<String> {
        match self {
            Self::Missing => {
                Some("install the package `bubblewrap` (sudo apt-get install bubblewrap)".to_owned())
            }
            Self::Forbidden(obstacle) => Some(obstacle.fix()),
            _ => None,
        }
    }
}

/// An installed bubblewrap.
#[derive(Debug, Clone)]
pub struct Bubblewrap {
    program: PathBuf,
    /// Of all copies together. Asked for when it is needed: most guests start without anything being compiled.
    version: Arc<OnceLock<(u32, u32)>>,
}

impl Bubblewrap {
    /// Looks for `bwrap` in `search_path` (a `PATH`-like list).
    ///
    /// # Errors
    /// [`SandboxError::Missing`].
    pub fn find(search_path: &OsStr) -> Result<Self, SandboxError> {
        let program = find_program("bwrap", search_path).ok_or(SandboxError::Missing)?;
        Ok(Self {
            program,
            version: Arc::default(),
        })
    }

    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Major and minor number; (0, 0) when the program cannot be started or does not say.
    pub fn version(&self) -> (u32, u32) {
        *self.version.get_or_init(|| {
            let said = blocking_command(&self.program).arg("--version").output();
            said.ok()
                .and_then(|output| parse_version(&String::from_utf8_lossy(&output.stdout)))
                .unwrap_or_default()
        })
    }

    /// `--size` for a tmpfs came with 0.7.0.
    pub(super) fn can_size_tmpfs(&self) -> bool {
        self.version() >= (0, 7)
    }
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().strip_prefix("bubblewrap ")?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_version() {
        assert_eq!(parse_version("bubblewrap 0.8.0\n"), Some((0, 8)));
        assert_eq!(parse_version("bubblewrap 0.11.0-rc1\n"), Some((0, 11)));
        assert_eq!(parse_version("something else"), None);
    }

    #[test]
    fn a_missing_program_has_a_fix() {
        let error = Bubblewrap::find(OsStr::new("/nonexistent")).unwrap_err();
        assert!(matches!(error, SandboxError::Missing));
        assert!(error.fix().unwrap().contains("apt-get install bubblewrap"));
    }
}
