//! A commit of a git repository that nobody vouches for. Its own configuration may name programs to run (filters,
//! monitors), so git sees it in the sandbox only: no network, nothing of this host but `/usr`, nothing to write to but
//! a bounded memory. What comes out is an archive like any other.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use fs_err as fs;

use super::archive;
use super::intake::{Intake, Limits, Refusal};
use crate::deadline::Deadline;
use crate::sandbox::{self, Bubblewrap, Outcome, Sandbox, SandboxError};
use crate::supervise::Cancel;

const BUDGET: Duration = Duration::from_secs(30);
const REPOSITORY: &str = "/repository";

/// Reads commits.
#[derive(Debug, Clone)]
pub struct Git {
    pub bubblewrap: Bubblewrap,
    pub cancel: Cancel,
}

/// Why git could not be asked. Never the student's doing.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error("cannot prepare a sandbox for git")]
    Io(#[from] std::io::Error),
    #[error("git is not installed (sudo apt-get install git)")]
    Missing,
}

/// What reading a commit gave.
pub type Reading = Result<Result<Intake, Refusal>, GitError>;

impl Git {
    /// Whether a folder is a repository without a work tree.
    pub fn is_bare(path: &Path) -> bool {
        let is_dir = |name: &str| {
            let meta = fs::symlink_metadata(path.join(name));
            meta.is_ok_and(|meta| meta.is_dir())
        };
        is_dir("objects") && is_dir("refs") && path.join("HEAD").is_file()
    }

    /// Reads the files of `commit` (a name that git knows: a hash, a tag, `HEAD`). Blocking.
    ///
    /// # Errors
    /// [`GitError`]; what is wrong with the repository is a [`Refusal`].
    pub fn read(&self, repository: &Path, commit: &str, limits: &Limits) -> Reading {
        const MISSING: i32 = 127;

        let plain = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
        if commit.is_empty() || commit.len() > 200 || commit.starts_with('-') || !commit.chars().all(plain) {
            return Ok(Err(Refusal::Git(
                "its commit has no name that git could know".to_owned(),
            )));
        }
        if !fs::symlink_metadata(repository)?.is_dir() {
            return Ok(Err(Refusal::Git("it is no git repository".to_owned())));
        }
        let root = root()?;
        let sandbox = Sandbox::new(root.path())
            .read_only(Path::new("/usr"), "/usr")
            .read_only(repository, REPOSITORY)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_NO_LAZY_FETCH", "1");
        let within = self.limits(limits);
        let script = "set -o pipefail; cd \"$0\" || exit; type git > /dev/null || exit 127; \
             git -c safe.directory='*' archive --format=tar \"$1\" | gzip -c | base64 -w 4000";
        let argv = ["bash", "-c", script, REPOSITORY, commit];
        let finished = sandbox.run(&self.bubblewrap, &argv, &within, &self.cancel, &mut |_, _| {})?;
        Ok(match finished.outcome {
            Outcome::Exited(0) => {
                decode(&finished.stdout).and_then(|bytes| archive::read_bytes(&bytes, limits))
            }
            Outcome::Exited(MISSING) if finished.stderr.contains("git") => return Err(GitError::Missing),
            Outcome::LimitReached(sandbox::Limit::Output) => Err(Refusal::TooLarge(limits.packed)),
            Outcome::LimitReached(limit) => Err(Refusal::Git(format!("git exceeded its limit of {limit}"))),
            Outcome::Exited(_) | Outcome::Signaled(_) => Err(Refusal::Git(explain(&finished.stderr, commit))),
        })
    }

    fn limits(&self, limits: &Limits) -> sandbox::Limits {
        let packed = usize::try_from(limits.packed).unwrap_or(usize::MAX);
        sandbox::Limits {
            // Four characters for three bytes, and a line break now and then.
            output: packed.saturating_mul(3) / 2,
            file_size: limits.unpacked,
            tmp: limits.unpacked,
            processes: 32,
            ..sandbox::Limits::for_compile(Deadline::after(BUDGET))
        }
    }
}

/// A root with nothing in it but the names that programs of `/usr` are called by.
fn root() -> std::io::Result<tempfile::TempDir> {
    let root = tempfile::tempdir()?;
    for folder in ["usr", "dev", "tmp", "proc", "repository"] {
        fs::create_dir(root.path().join(folder))?;
    }
    for folder in ["bin", "sbin", "lib", "lib64"] {
        fs::os::unix::fs::symlink(format!("usr/{folder}"), root.path().join(folder))?;
    }
    Ok(root)
}

fn decode(text: &str) -> Result<Vec<u8>, Refusal> {
    let text: String = text.split_ascii_whitespace().collect();
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .map_err(|error| Refusal::Damaged(error.to_string()))
}

/// git's own last word, which names what it did not find.
fn explain(stderr: &str, commit: &str) -> String {
    if stderr.contains("not a valid object name") || stderr.contains("not a tree object") {
        return format!("its repository has no commit `{commit}`");
    }
    let last = stderr.lines().rev().find(|line| !line.trim().is_empty());
    format!("git cannot read it: {}", last.unwrap_or("it says nothing"))
}
