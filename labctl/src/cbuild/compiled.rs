//! The result of a compilation, good or bad.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::diagnostic::{Diagnostic, Severity};
use crate::sandbox::Limit;

/// What became of the sources. A failed compilation is a result, not an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compiled {
    /// Name of a module or program -> its file, for those that could be built.
    pub outputs: BTreeMap<String, PathBuf>,
    /// Those that could not.
    pub failed: BTreeSet<String>,
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
        self.failed.is_empty() && self.limit.is_none()
    }

    /// Both results as one.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.outputs.extend(other.outputs);
        self.failed.extend(other.failed);
        for diagnostic in other.diagnostics {
            if !self.diagnostics.contains(&diagnostic) {
                self.diagnostics.push(diagnostic);
            }
        }
        self.log.push_str(&other.log);
        self.limit = self.limit.or(other.limit);
        self.cached &= other.cached;
        self
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
    /// Name -> file name in the entry.
    pub(super) outputs: BTreeMap<String, String>,
    pub(super) failed: BTreeSet<String>,
    pub(super) diagnostics: Vec<Diagnostic>,
    pub(super) log: String,
}

impl Record {
    pub(super) fn write(&self, dir: &Path) -> std::io::Result<()> {
        fs::write(dir.join(RECORD), serde_json::to_vec_pretty(self)?)
    }

    pub(super) fn read(dir: &Path, cached: bool) -> std::io::Result<Compiled> {
        let record: Self = serde_json::from_slice(&fs::read(dir.join(RECORD))?)?;
        let outputs = record
            .outputs
            .into_iter()
            .map(|(name, file)| (name, dir.join(file)));
        Ok(Compiled {
            outputs: outputs.collect(),
            failed: record.failed,
            diagnostics: record.diagnostics,
            log: record.log,
            limit: None,
            cached,
        })
    }
}
