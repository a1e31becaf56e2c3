//! The built-in checks: compiled, loaded, ran, survived.

use super::evidence::{BuildOutcome, Evidence, Severity, StepRecord, StepStatus};
use super::health::{self, Health};
use super::outcome::{Board, Outcome};
use super::verdict::{Finding, FindingSource};
use crate::spec::builtin::{BuiltinKind, KERNEL_HEALTHY};
use crate::spec::exercise::{Exercise, Step, StepKind};

/// Judges the built-in checks, except the one on the answers.
pub(super) fn judge(exercise: &Exercise, evidence: &Evidence, board: &mut Board) {
    let health = health::examine(exercise, evidence);
    let view = View {
        exercise,
        evidence,
        health,
    };
    for builtin in exercise.builtins() {
        let outcome = match &builtin.kind {
            BuiltinKind::Answers => continue,
            BuiltinKind::Builds { artefact } => view.builds(artefact),
            BuiltinKind::KernelHealthy => view.kernel(),
            BuiltinKind::Loads { module, step } => view.loads(module, step),
            BuiltinKind::Unloads { module, step } => view.unloads(module, step, board),
            BuiltinKind::Runs { program, step } => view.runs(program, step, board, &builtin),
            BuiltinKind::RunCompleted => view.laboratory(),
        };
        board.add(&builtin.id, &builtin.title, 0, outcome);
    }
}

/// Compiler errors of the student's sources.
pub(super) fn compile_findings(evidence: &Evidence) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, build) in &evidence.builds {
        if build.outcome != BuildOutcome::Failed {
            continue;
        }
        for error in build
            .diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.severity == Severity::Error)
            .take(10)
        {
            let source = (error.line > 0).then(|| FindingSource {
                file: error.file.clone(),
                line: error.line,
            });
            findings.push(Finding {
                kind: "compile-error".to_owned(),
                title: format!("{}:{}: {}", error.file, error.line, error.message),
                module: Some(name.clone()),
                symbol: None,
                source,
                text: format!(
                    "{}:{}:{}: error: {}",
                    error.file, error.line, error.column, error.message
                ),
            });
        }
    }
    findings
}

pub(super) struct View<'e> {
    pub(super) exercise: &'e Exercise,
    pub(super) evidence: &'e Evidence,
    pub(super) health: Health<'e>,
}

impl View<'_> {
    fn builds(&self, name: &str) -> Outcome {
        let Some(build) = self.evidence.builds.get(name) else {
            return Outcome::inconclusive(format!("`{name}` was not built"));
        };
        match &build.outcome {
            BuildOutcome::Ok => Outcome::passed(format!("`{name}` compiles")),
            BuildOutcome::Missing(path) => Outcome::failed(
                format!("{path} is not in the workspace"),
                "labctl init writes a skeleton of it",
            ),
            BuildOutcome::Limit(what) => Outcome::failed(
                format!("compiling `{name}` was stopped: {what}"),
                "look for an include or a macro that repeats itself",
            ),
            BuildOutcome::Broken(what) => {
                Outcome::inconclusive(format!("`{name}` could not be compiled: {what}"))
            }
            BuildOutcome::Failed => {
                let errors: Vec<_> = build
                    .diagnostics
                    .iter()
                    .filter(|diagnostic| diagnostic.severity == Severity::Error)
                    .collect();
                let message = match errors.as_slice() {
                    [] => {
                        let last = build
                            .log
                            .lines()
                            .rev()
                            .find(|line| !line.trim().is_empty())
                            .unwrap_or("no output");
                        format!("`{name}` does not compile: {}", last.trim())
                    }
                    [first, rest @ ..] => {
                        let more = match rest.len() {
                            0 => String::new(),
                            1 => " (and 1 more error)".to_owned(),
                            more => format!(" (and {more} more errors)"),
                        };
                        format!(
                            "{}:{}:{}: {}{more}",
                            first.file, first.line, first.column, first.message
                        )
                    }
                };
                Outcome::failed(
                    message,
                    "begin with the first error; those after it are often its echo",
                )
                .mistake("compile-error")
            }
        }
    }

    fn kernel(&self) -> Outcome {
        match &self.health {
            Health::Well => {
                if self
                    .evidence
                    .steps
                    .iter()
                    .all(|step| step.status == StepStatus::NotRun)
                    && let Some(build) = self.failed_build()
                {
                    return Outcome::blocked(build);
                }
                Outcome::passed("the kernel reported no fault")
            }
            Health::HurtBy(splat) => {
                let mut outcome = Outcome::failed(
                    health::sentence(splat),
                    "the kernel ran into this while it executed code of your module; the finding shows where",
                );
                outcome.mistake = Some(splat.kind.clone());
                outcome
            }
            Health::LostBy(lost) => Outcome::failed(
                lost.reason.clone(),
                "the guest did not survive your module: look for a loop without end, a lock never released, or a wild pointer",
            ),
            Health::HangsIn(step) => Outcome::blocked(self.id_of_load(step)),
            Health::Unexplained(splat) => Outcome::inconclusive(format!(
                "{}, and nothing ties it to your code",
                health::sentence(splat)
            )),
        }
    }

    fn loads(&self, module: &str, step: &str) -> Outcome {
        let Some(record) = self.record(step) else {
            return self.not_reached(step, Some(module));
        };
        match &record.status {
            StepStatus::Exited(0) | StepStatus::Started => Outcome::passed(format!("`{module}` was loaded")),
            StepStatus::TimedOut | StepStatus::Lost if self.health == Health::HangsIn(step) => {
                Outcome::failed(
                    format!("loading `{module}` never returned"),
                    "insmod waits for the module's init function: it must register the probe and return",
                )
                .mistake("hang")
            }
            _ if self.is_hurt() => Outcome::blocked(KERNEL_HEALTHY),
            StepStatus::Exited(_) | StepStatus::Signaled(_) => self.refused(module, &record.stderr),
            _ => self.laboratory_failed(step),
        }
    }

    fn unloads(&self, module: &str, step: &str, board: &Board) -> Outcome {
        let loads = format!("{module}-loads");
        if board.obstacle([loads.as_str()]).is_some() {
            return Outcome::blocked(loads);
        }
        let Some(record) = self.record(step) else {
            return self.not_reached(step, Some(module));
        };
        match &record.status {
            StepStatus::Exited(0) => Outcome::passed(format!("`{module}` was removed")),
            _ if self.is_hurt() => Outcome::blocked(KERNEL_HEALTHY),
            StepStatus::TimedOut => Outcome::failed(
                format!("removing `{module}` never returned"),
                "look at the exit function: what does it wait for?",
            ),
            StepStatus::Exited(_) | StepStatus::Signaled(_) => {
                let why = last_line(&record.stderr).unwrap_or("rmmod failed");
                Outcome::failed(
                    format!("`{module}` cannot be removed: {why}"),
                    "a module needs an exit function, and it must undo what init did",
                )
            }
            _ => self.laboratory_failed(step),
        }
    }

    /// The kernel refused a module, or its init function did.
    fn refused(&self, module: &str, said: &str) -> Outcome {
        let mut message = format!("`{module}` cannot be loaded");
        if let Some(why) = last_line(said) {
            message.push_str(&format!(": {why}"));
        }
        if let Some(line) = self.log_about(module) {
            message.push_str(&format!("; the kernel log says: {line}"));
            if line.contains("Unknown symbol") {
                let help = "the module uses something that this kernel does not export to modules";
                return Outcome::failed(message, help).mistake("unknown-symbol");
            }
        }
        // ENOENT in busybox's words and in the C library's. No symbol of the module is missing: the log would say so.
        if said.contains("unknown symbol in module") || said.contains("No such file or directory") {
            let help = "register_kprobe() found no function of that name in this kernel: look at symbol_name";
            return Outcome::failed(message, help).mistake("no-such-function");
        }
        Outcome::failed(
            message,
            "this is the error that your init function returned: which call gave it?",
        )
    }

    pub(super) fn is_hurt(&self) -> bool {
        matches!(
            self.health,
            Health::HurtBy(_) | Health::LostBy(_) | Health::Unexplained(_)
        )
    }

    pub(super) fn failed_build(&self) -> Option<String> {
        self.exercise
            .build
            .iter()
            .find(|artefact| {
                self.evidence
                    .builds
                    .get(&artefact.name)
                    .is_none_or(|build| build.outcome != BuildOutcome::Ok)
            })
            .map(|artefact| format!("{}-builds", artefact.name))
    }

    pub(super) fn id_of_load(&self, step: &str) -> String {
        match self.step(step).map(|step| &step.kind) {
            Some(StepKind::Load { module, .. }) => format!("{}-loads", module.name()),
            _ => KERNEL_HEALTHY.to_owned(),
        }
    }

    pub(super) fn step(&self, id: &str) -> Option<&Step> {
        self.exercise.run.iter().find(|step| step.id == id)
    }

    /// The record of a step that was begun.
    pub(super) fn record(&self, step: &str) -> Option<&StepRecord> {
        self.evidence
            .step(step)
            .filter(|record| record.status != StepStatus::NotRun)
    }

    fn log_about(&self, module: &str) -> Option<&str> {
        let prefix = format!("{module}: ");
        let mut lines = self.evidence.kernel_log.iter().map(|record| record.text.as_str());
        lines.rfind(|line| line.starts_with(&prefix) && !line.contains("taint"))
    }
}

pub(super) fn last_line(text: &str) -> Option<&str> {
    text.lines().map(str::trim).rfind(|line| !line.is_empty())
}
