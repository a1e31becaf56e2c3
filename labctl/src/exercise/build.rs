//! The student's sources on their way to artefacts, and what is written down about it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::cbuild::{self, CompileError, Compiled, Compiler, KernelTree, ModuleSpec, ProgramSpec, SourceSet};
use crate::grade::evidence::{BuildOutcome, BuildRecord, Diagnostic, Severity};
use crate::spec::exercise::{Artefact, ArtefactKind, Exercise};
use crate::supervise::Cancel;

/// What compiling gave.
#[derive(Debug, Clone, Default)]
pub struct Built {
    /// One record for every artefact of the exercise.
    pub records: BTreeMap<String, BuildRecord>,
    /// The files of those that exist.
    pub files: BTreeMap<String, PathBuf>,
}

/// Compiles everything that `exercise` builds. Blocking. A source that does not compile is a record, not an error.
///
/// # Errors
/// [`CompileError`] when the compiler itself cannot be run.
pub fn build(
    compiler: &Compiler,
    tree: &KernelTree,
    exercise: &Exercise,
    sources: &SourceSet,
    cancel: &Cancel,
) -> Result<Built, CompileError> {
    let mut built = Built::default();
    let mut present: Vec<&Artefact> = Vec::new();
    for artefact in &exercise.build {
        match artefact.sources.iter().find(|path| !sources.contains(path)) {
            Some(path) => {
                let record = BuildRecord {
                    outcome: BuildOutcome::Missing(path.clone()),
                    diagnostics: Vec::new(),
                    log: String::new(),
                };
                built.records.insert(artefact.name.clone(), record);
            }
            None => present.push(artefact),
        }
    }
    let modules: Vec<_> = present
        .iter()
        .filter(|artefact| artefact.kind == ArtefactKind::Module)
        .map(|artefact| ModuleSpec {
            name: artefact.name.clone(),
            sources: artefact.sources.clone(),
        })
        .collect();
    let programs: Vec<_> = present
        .iter()
        .filter(|artefact| artefact.kind == ArtefactKind::Program)
        .map(|artefact| ProgramSpec {
            name: artefact.name.clone(),
            sources: artefact.sources.clone(),
            flags: Vec::new(),
        })
        .collect();
    // Two compilers at once keep two cores busy; each is mostly one process at a time.
    let (modules, programs) = std::thread::scope(|scope| {
        let modules = scope.spawn(|| {
            (!modules.is_empty()).then(|| compiler.compile_modules(tree, sources, &modules, cancel))
        });
        let programs = (!programs.is_empty()).then(|| compiler.compile_programs(sources, &programs, cancel));
        (
            modules
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            programs,
        )
    });
    for (kind, compiled) in [(ArtefactKind::Module, modules), (ArtefactKind::Program, programs)] {
        let Some(compiled) = compiled.transpose()? else {
            continue;
        };
        for artefact in present.iter().filter(|artefact| artefact.kind == kind) {
            built
                .records
                .insert(artefact.name.clone(), record(artefact, &compiled));
        }
        built.files.extend(compiled.outputs);
    }
    Ok(built)
}

fn record(artefact: &Artefact, compiled: &Compiled) -> BuildRecord {
    let exists = compiled.outputs.contains_key(&artefact.name);
    let outcome = match compiled.limit {
        _ if exists => BuildOutcome::Ok,
        Some(limit) => BuildOutcome::Limit(format!("it exceeded the limit of {limit}")),
        None => BuildOutcome::Failed,
    };
    let about_it = |found: &&cbuild::Diagnostic| match &found.file {
        Some(file) if file.starts_with("src/") => artefact.sources.contains(file) || file.ends_with(".h"),
        // About a kernel header, or about no file: part of whatever failed.
        _ => !exists,
    };
    BuildRecord {
        outcome,
        diagnostics: compiled
            .diagnostics
            .iter()
            .filter(about_it)
            .map(diagnostic)
            .collect(),
        log: compiled.log.clone(),
    }
}

fn diagnostic(found: &cbuild::Diagnostic) -> Diagnostic {
    Diagnostic {
        file: found.file.clone().unwrap_or_default(),
        line: found.line.unwrap_or(0),
        column: found.column.unwrap_or(0),
        severity: match found.severity {
            cbuild::Severity::Error => Severity::Error,
            cbuild::Severity::Warning => Severity::Warning,
            cbuild::Severity::Note => Severity::Note,
        },
        message: found.message.clone(),
    }
}
