//! The compiler: a toolchain, a sandbox and a cache, and what modules and programs have in common.

use std::io;
use std::path::Path;
use std::time::Duration;

use fs_err as fs;

use super::WORKSPACE;
use super::compiled::{Compiled, Record};
use super::diagnostic::{Diagnostic, parse_gcc};
use super::modpost::parse_modpost;
use super::modules::with_debug_info;
use super::sources::SourceSet;
use crate::deadline::Deadline;
use crate::digest::{Digest, InputHasher};
use crate::event::Events;
use crate::sandbox::{Bubblewrap, Finished, Limit, Limits, Outcome, Sandbox, SandboxError, Stream};
use crate::store::{Bucket, Store, StoreError};
use crate::supervise::Cancel;
use crate::toolchain::{LazyToolchain, OpenError};

/// Why nothing could be said about the sources. Never the student's doing.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error("cannot {action}")]
    Io {
        action: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("there is no compiler")]
    Toolchain(#[source] OpenError),
    #[error("`{name}` cannot be the name of a module or program")]
    BadName { name: String },
    #[error("the source file `{path}` of `{name}` is not in the workspace")]
    NoSource { name: String, path: String },
    #[error("strip does not take the compiled modules: {log}")]
    NotStripped { log: String },
    #[error("`{path}` cannot be read as a module with debug information")]
    NotAModule {
        path: String,
        #[source]
        source: object::read::Error,
    },
}

impl CompileError {
    pub(super) fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}

/// Compiles C in sandboxes and remembers the results.
#[derive(Debug, Clone)]
pub struct Compiler {
    pub bubblewrap: Bubblewrap,
    pub toolchain: LazyToolchain,
    pub store: Store,
    /// Wall-clock time for one compilation; 60 s is some thirty times what the lesson's modules take.
    pub budget: Duration,
    pub events: Events,
}

impl Compiler {
    /// A sandbox on the toolchain, with nothing bound yet.
    pub(super) fn sandbox(&self) -> Result<Sandbox, CompileError> {
        Ok(self.toolchain.get().map_err(CompileError::Toolchain)?.sandbox())
    }

    pub(super) fn limits(&self) -> Limits {
        Limits::for_compile(Deadline::after(self.budget))
    }

    /// Key of a compilation: the recipe, the tools, the sources, and what the caller adds.
    pub(super) fn key(&self, recipe: &str, sources: &SourceSet) -> InputHasher {
        let hasher = InputHasher::new(recipe).input("toolchain", self.toolchain.id().to_string());
        sources.iter().fold(hasher, |hasher, (path, bytes)| {
            hasher.input("path", path).input("bytes", bytes)
        })
    }

    /// Finds a result in the store, or has `work` make it in a folder that holds the sources.
    pub(super) fn cached(
        &self,
        key: Digest,
        sources: &SourceSet,
        cancel: &Cancel,
        work: impl FnOnce(&Path) -> Result<Attempt, CompileError>,
    ) -> Result<Compiled, CompileError> {
        let id = key.to_string();
        let mut fresh = false;
        let made = self.store.get_or_make(
            Bucket::Artefacts,
            &id,
            cancel,
            |damage| self.events.warn(format!("{damage}; it is compiled again")),
            |staging| {
                fresh = true;
                let dir = tempfile::tempdir_in(staging).map_err(CompileError::io("make a build folder"))?;
                sources
                    .write_below(dir.path())
                    .map_err(CompileError::io("copy the sources"))?;
                let attempt = work(dir.path())?;
                if let Some(limit) = attempt.limit {
                    return Err(Unstored::Limited(Box::new(attempt.limited(limit))));
                }
                attempt
                    .store(dir.path(), staging)
                    .map_err(CompileError::io("keep what was compiled"))?;
                Ok(())
            },
        );
        match made {
            Ok(entry) => {
                Record::read(entry.path(), !fresh).map_err(CompileError::io("read what was compiled"))
            }
            Err(Unstored::Limited(compiled)) => Ok(*compiled),
            Err(Unstored::Failed(error)) => Err(error),
        }
    }

    pub(super) fn run(
        &self,
        sandbox: &Sandbox,
        argv: &[&str],
        limits: &Limits,
        cancel: &Cancel,
    ) -> Result<Finished, CompileError> {
        Ok(sandbox.run(
            &self.bubblewrap,
            argv,
            limits,
            cancel,
            &mut |_: Stream, _: &str| {},
        )?)
    }
}

/// A result that is not to be stored.
enum Unstored {
    Limited(Box<Compiled>),
    Failed(CompileError),
}

impl From<CompileError> for Unstored {
    fn from(error: CompileError) -> Self {
        Self::Failed(error)
    }
}

impl From<StoreError> for Unstored {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// What one compilation gave so far.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    /// Path in the build folder.
    pub(super) built: Option<String>,
    pub(super) diagnostics: Vec<Diagnostic>,
    pub(super) log: String,
    pub(super) limit: Option<Limit>,
}

impl Attempt {
    /// Takes in what a tool wrote.
    pub(super) fn absorb(&mut self, finished: &Finished) {
        for line in finished.stderr.lines() {
            let said = parse_modpost(line).or_else(|| parse_gcc(line));
            self.diagnostics
                .extend(said.filter(|said| !self.diagnostics.contains(said)));
        }
        self.log
            .push_str(&finished.stderr.replace(&format!("{WORKSPACE}/"), ""));
        self.limit = self.limit.or(limit_of(finished));
    }

    fn limited(self, limit: Limit) -> Compiled {
        let mut diagnostics = self.diagnostics;
        diagnostics.push(Diagnostic::error(
            None,
            format!("the compiler was stopped: it reached its limit of {limit}"),
        ));
        Compiled {
            output: None,
            diagnostics,
            log: self.log,
            limit: Some(limit),
            cached: false,
        }
    }

    /// Moves the output into the entry and writes the record.
    fn store(self, build: &Path, entry: &Path) -> io::Result<()> {
        let mut record = Record {
            output: None,
            diagnostics: self.diagnostics,
            log: self.log,
        };
        if let Some(file) = self.built {
            let kept = file.rsplit('/').next().unwrap_or(&file).to_owned();
            let debug = with_debug_info(&build.join(&file));
            if debug.exists() {
                fs::rename(debug, with_debug_info(&entry.join(&kept)))?;
            }
            fs::rename(build.join(&file), entry.join(&kept))?;
            record.output = Some(kept);
        }
        record.write(entry)
    }
}

/// The limit that ended a tool, whichever way it shows: the watch from outside, or a signal to the compiler proper
/// that its driver reports.
pub(super) fn limit_of(finished: &Finished) -> Option<Limit> {
    if let Outcome::LimitReached(limit) = finished.outcome {
        return Some(limit);
    }
    const SIGNS: [(&str, Limit); 6] = [
        ("CPU time limit exceeded", Limit::Time),
        ("virtual memory exhausted", Limit::Memory),
        ("out of memory allocating", Limit::Memory),
        ("Killed signal terminated program", Limit::Memory),
        ("File size limit exceeded", Limit::Output),
        ("Resource temporarily unavailable", Limit::Processes),
    ];
    let sign = |line: &str| {
        SIGNS
            .iter()
            .find(|(sign, _)| line.contains(sign))
            .map(|(_, limit)| *limit)
    };
    finished
        .stderr
        .lines()
        .filter(|line| is_of_a_tool(line))
        .find_map(sign)
}

/// Only the tools' own lines count: a student may write such words into an `#error`. Debian's kernels name the compiler
/// `x86_64-linux-gnu-gcc-14`; a shell that reports a child killed by a signal writes the signal alone.
fn is_of_a_tool(line: &str) -> bool {
    let Some((tool, _)) = line.split_once(": ") else {
        return !line.contains(':');
    };
    let tool = tool.strip_prefix("x86_64-linux-gnu-").unwrap_or(tool);
    let tool = tool.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-');
    ["gcc", "cc1", "as", "ld"].contains(&tool) || tool.starts_with("make")
}

/// A name that is safe as a file name, a make target and a kernel module's name.
pub(super) fn check_name(name: &str) -> Result<(), CompileError> {
    let fine = !name.is_empty()
        && name.len() <= 55
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    // MODULE_NAME_LEN is 64 - sizeof(long) (include/linux/moduleparam.h).
    if fine {
        Ok(())
    } else {
        Err(CompileError::BadName {
            name: name.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_believed_to_tools_only() {
        for line in [
            "gcc: fatal error: Killed signal terminated program cc1",
            "x86_64-linux-gnu-gcc-14: fatal error: Killed signal terminated program cc1",
            "make[2]: *** [x:1: a.o] File size limit exceeded",
            "CPU time limit exceeded",
        ] {
            assert!(is_of_a_tool(line), "{line}");
        }
        for line in [
            "src/a.c:1:2: error: #error gcc: CPU time limit exceeded",
            "    1 | #error gcc: CPU time limit exceeded",
        ] {
            assert!(!is_of_a_tool(line), "{line}");
        }
    }
}
