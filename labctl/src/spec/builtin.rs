//! The checks that every exercise has without writing them: they follow from what it builds and runs.

use super::exercise::{ArtefactKind, Exercise, ModuleRef, StepKind};

/// A check that follows from the structure of an exercise. It carries no points: it guards those that do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Builtin {
    /// Its id, also for `needs`.
    pub id: String,
    /// One line for people.
    pub title: String,
    /// What it is about.
    pub kind: BuiltinKind,
}

/// What a built-in check is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuiltinKind {
    /// The answers file can be read: `answers`.
    Answers,
    /// An artefact compiles: `<artefact>-builds`.
    Builds {
        /// Name of the artefact.
        artefact: String,
    },
    /// The student's modules leave the kernel alive: `kernel-healthy`.
    KernelHealthy,
    /// One of the student's modules can be inserted: `<module>-loads`.
    Loads {
        /// Name of the module.
        module: String,
        /// Id of the step.
        step: String,
    },
    /// One of the student's programs does its part: `<step>-runs`.
    Runs {
        /// Name of the program.
        program: String,
        /// Id of the step.
        step: String,
    },
    /// The laboratory did its part: `run-completed`.
    RunCompleted,
    /// One of the student's modules can be removed: `<module>-unloads`.
    Unloads {
        /// Name of the module.
        module: String,
        /// Id of the step.
        step: String,
    },
}

/// Id of the check on the answers file.
pub const ANSWERS: &str = "answers";
/// Id of the check on the kernel's health.
pub const KERNEL_HEALTHY: &str = "kernel-healthy";
/// Id of the check on the laboratory's part.
pub const RUN_COMPLETED: &str = "run-completed";

pub(super) fn of(exercise: &Exercise) -> Vec<Builtin> {
    let mut all = Vec::new();
    let mut add = |id: String, title: String, kind| all.push(Builtin { id, title, kind });
    if !exercise.worksheet.is_empty() {
        add(
            ANSWERS.to_owned(),
            "The answers can be read".to_owned(),
            BuiltinKind::Answers,
        );
    }
    for artefact in &exercise.build {
        let what = match artefact.kind {
            ArtefactKind::Module => "module",
            ArtefactKind::Program => "program",
        };
        add(
            format!("{}-builds", artefact.name),
            format!("The {what} `{}` compiles", artefact.name),
            BuiltinKind::Builds {
                artefact: artefact.name.clone(),
            },
        );
    }
    if exercise.run.is_empty() {
        return all;
    }
    let student_modules = exercise
        .build
        .iter()
        .any(|artefact| artefact.kind == ArtefactKind::Module);
    if student_modules {
        add(
            KERNEL_HEALTHY.to_owned(),
            "The kernel survives".to_owned(),
            BuiltinKind::KernelHealthy,
        );
    }
    for step in &exercise.run {
        if let StepKind::Load {
            module: ModuleRef::Student(module),
            ..
        } = &step.kind
        {
            add(
                format!("{module}-loads"),
                format!("The module `{module}` can be loaded"),
                BuiltinKind::Loads {
                    module: module.clone(),
                    step: step.id.clone(),
                },
            );
        }
    }
    add(
        RUN_COMPLETED.to_owned(),
        "The experiment runs".to_owned(),
        BuiltinKind::RunCompleted,
    );
    for step in &exercise.run {
        let program = match &step.kind {
            StepKind::Start { program, .. } | StepKind::Exec { program, .. } => program,
            StepKind::Wait { step: started } => {
                let start = exercise.run.iter().find(|step| step.id == *started);
                match start.map(|step| &step.kind) {
                    Some(StepKind::Start { program, .. }) => program,
                    _ => continue,
                }
            }
            _ => continue,
        };
        if program.is_student() {
            let (id, title) = match &step.kind {
                StepKind::Start { .. } => (
                    format!("{}-starts", step.id),
                    format!("`{}` gets ready", program.name()),
                ),
                StepKind::Wait { step: started } => (
                    format!("{started}-finishes"),
                    format!("`{}` does its work and ends", program.name()),
                ),
                _ => (
                    format!("{}-runs", step.id),
                    format!("`{}` runs to its end", program.name()),
                ),
            };
            add(
                id,
                title,
                BuiltinKind::Runs {
                    program: program.name().to_owned(),
                    step: step.id.clone(),
                },
            );
        }
    }
    for step in &exercise.run {
        if let StepKind::Unload {
            module: ModuleRef::Student(module),
        } = &step.kind
        {
            add(
                format!("{module}-unloads"),
                format!("The module `{module}` can be removed"),
                BuiltinKind::Unloads {
                    module: module.clone(),
                    step: step.id.clone(),
                },
            );
        }
    }
    all
}
