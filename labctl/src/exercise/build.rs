//! The student's sources on their way to artefacts, and what is written down about it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;

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
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some(artefact) = exercise.build.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push((artefact, compile(compiler, tree, artefact, sources, cancel)?));
        }
        Ok::<_, CompileError>(done)
    };
    // Each compilation is one process at a time, mostly.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let done: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores.min(exercise.build.len()))
            .map(|_| scope.spawn(work))
            .collect();
        let join = |worker: ScopedJoinHandle<'_, _>| {
            worker
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        workers.into_iter().map(join).collect::<Result<_, _>>()
    })?;
    let mut built = Built::default();
    for (artefact, (record, file)) in done.into_iter().flatten() {
        built.records.insert(artefact.name.clone(), record);
        built.files.extend(file.map(|file| (artefact.name.clone(), file)));
    }
    Ok(built)
}

fn compile(
    compiler: &Compiler,
    tree: &KernelTree,
    artefact: &Artefact,
    sources: &SourceSet,
    cancel: &Cancel,
) -> Result<(BuildRecord, Option<PathBuf>), CompileError> {
    if let Some(path) = artefact.sources.iter().find(|path| !sources.contains(path)) {
        let record = BuildRecord {
            outcome: BuildOutcome::Missing(path.clone()),
            diagnostics: Vec::new(),
            log: String::new(),
        };
        return Ok((record, None));
    }
    let compiled = match artefact.kind {
        ArtefactKind::Module => {
            let module = ModuleSpec {
                name: artefact.name.clone(),
                sources: artefact.sources.clone(),
            };
            compiler.compile_module(tree, sources, &module, cancel)?
        }
        ArtefactKind::Program => {
            let program = ProgramSpec {
                name: artefact.name.clone(),
                sources: artefact.sources.clone(),
                flags: Vec::new(),
            };
            compiler.compile_program(sources, &program, cancel)?
        }
    };
    Ok((record(&compiled), compiled.output))
}

fn record(compiled: &Compiled) -> BuildRecord {
    let outcome = match compiled.limit {
        _ if compiled.is_success() => BuildOutcome::Ok,
        Some(limit) => BuildOutcome::Limit(format!("it exceeded the limit of {limit}")),
        None => BuildOutcome::Failed,
    };
    // What is said of the kernel's headers, or of no file, matters only when there is nothing to run.
    let matters = |found: &&cbuild::Diagnostic| {
        !compiled.is_success() || found.file.as_ref().is_some_and(|file| file.starts_with("src/"))
    };
    BuildRecord {
        outcome,
        diagnostics: compiled
            .diagnostics
            .iter()
            .filter(matters)
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
