//! The result of a compilation, good or bad.

use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::diagnostic::{Diagnostic, Severity};
use crate::sandbox::Limit;

/// What became of the sources of one module or program. A failed compilation is a result, not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    /// Absent when it could not be built.
    pub output: Option<PathBuf>,
    /// In the order in which the tools gave them, without repetitions.
    pub diagnostics: Vec<Diagnostic>,
    /// What the tools wrote, with the student's paths; capped.
    pub log: String,
    /// The limit that ended the compilation, if one did.
    pub limit: Option<Limit>,
    /// Whether nothing had to be run.
    pub cached: bool,
}

impl Compiled {
    pub fn is_success(&self) -> bool {
        self.output.is_some()
    }

    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.of(Severity::Error)
    }

    pub fn warnings(&self) -> impl Iterator<Item = &Diagnostic> {
        self.of(Severity::Warning)
    }

    fn of(&self, severity: Severity) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics
            .iter()
            .filter(move |diagnostic| diagnostic.severity == severity)
    }
}

pub(super) const RECORD: &str = "compiled.json";

/// The stored form. Runs that a limit ended are never stored: another host may be faster.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Record {
    /// File name in the entry.
    pub(super) output: Option<String>,
    pub(super) diagnostics: Vec<Diagnostic>,
    pub(super) log: String,
}

impl Record {
    pub(super) fn write(&self, dir: &Path) -> std::io::Result<()> {
        fs::write(dir.join(RECORD), serde_json::to_vec_pretty(self)?)
    }

    pub(super) fn read(dir: &Path, cached: bool) -> std::io::Result<Compiled> {
        let record: Self = serde_json::from_slice(&fs::read(dir.join(RECORD))?)?;
        Ok(Compiled {
            output: record.output.map(|file| dir.join(file)),
            diagnostics: record.diagnostics,
            log: record.log,
            limit: None,
            cached,
        })
    }
}
