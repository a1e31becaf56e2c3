//! The built-in checks: compiled, loaded, ran, survived.

use super::evidence::{BuildOutcome, Evidence, Severity, StepRecord, StepStatus};
use super::health::{self, Health};
use super::outcome::{Board, Outcome};
use super::verdict::{Finding, FindingSource};
use crate::spec::builtin::{Builtin, BuiltinKind, KERNEL_HEALTHY, RUN_COMPLETED};
use crate::spec::exercise::{Exercise, ModuleRef, Program, Step, StepKind};

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

struct View<'e> {
    exercise: &'e Exercise,
    evidence: &'e Evidence,
    health: Health<'e>,
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
            return self.not_reached(Some(module));
        };
        match &record.status {
            StepStatus::Exited(0) | StepStatus::Started => Outcome::passed(format!("`{module}` was loaded")),
            StepStatus::TimedOut if self.health == Health::HangsIn(step) => Outcome::failed(
                format!("loading `{module}` never returned"),
                "insmod waits for the module's init function: it must register the probe and return",
            )
            .mistake("hang"),
            _ if self.is_hurt() => Outcome::blocked(KERNEL_HEALTHY),
            StepStatus::Exited(_) | StepStatus::Signaled(_) => {
                let why = last_line(&record.stderr);
                let mut message = format!("`{module}` cannot be loaded");
                if let Some(why) = why {
                    message.push_str(&format!(": {why}"));
                }
                if let Some(hint) = self.log_about(module) {
                    message.push_str(&format!("; the kernel log says: {hint}"));
                }
                Outcome::failed(
                    message,
                    "the error of init_module is what your init function returned, or a symbol the kernel lacks",
                )
            }
            _ => Outcome::blocked(RUN_COMPLETED),
        }
    }

    fn unloads(&self, module: &str, step: &str, board: &Board) -> Outcome {
        let loads = format!("{module}-loads");
        if board.obstacle([loads.as_str()]).is_some() {
            return Outcome::blocked(loads);
        }
        let Some(record) = self.record(step) else {
            return self.not_reached(Some(module));
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
            _ => Outcome::blocked(RUN_COMPLETED),
        }
    }

    fn runs(&self, program: &str, step: &str, board: &Board, builtin: &Builtin) -> Outcome {
        if let Some(build) = self.evidence.builds.get(program)
            && build.outcome != BuildOutcome::Ok
        {
            return Outcome::blocked(format!("{program}-builds"));
        }
        let Some(record) = self.record(step) else {
            let earlier = self.exercise.builtins();
            let earlier = earlier.iter().take_while(|other| other.id != builtin.id);
            let ids: Vec<&str> = earlier
                .filter(|other| matches!(other.kind, BuiltinKind::Runs { .. }))
                .map(|other| other.id.as_str())
                .collect();
            return match board.obstacle(ids) {
                Some(id) => Outcome::blocked(id),
                None => self.not_reached(None),
            };
        };
        let waits = self
            .step(step)
            .is_some_and(|step| matches!(step.kind, StepKind::Wait { .. }));
        let start = self.step(step).and_then(|step| self.until(step));
        match &record.status {
            StepStatus::Exited(0) if start.is_none() => Outcome::passed(format!("`{program}` ended with status 0")),
            StepStatus::Started => Outcome::passed(format!("`{program}` got ready")),
            _ if self.is_hurt() => Outcome::blocked(KERNEL_HEALTHY),
            StepStatus::Exited(code) => {
                let when = if start.is_some() { " before it was ready" } else { "" };
                let why = last_line(&record.stderr).map(|line| format!(": {line}")).unwrap_or_default();
                Outcome::failed(
                    format!("`{program}` ended with status {code}{when}{why}"),
                    "check what each system call returns, and return 0 from main when all went well",
                )
            }
            StepStatus::Signaled(signal) => Outcome::failed(
                format!("`{program}` was killed by SIG{}", signal.trim_start_matches("SIG")),
                "a segmentation fault is a wrong pointer: look at what the last system call or copy was given",
            ),
            StepStatus::TimedOut => match start {
                Some(until) => Outcome::failed(
                    format!("`{program}` did not get ready in time: {until}"),
                    "the experiment goes on when the socket is bound: check the port and what bind() returns",
                ),
                None if waits => Outcome::failed(
                    format!("`{program}` never ended: the datagram did not reach it"),
                    "is the sender's port the receiver's, in network byte order (htons)? Does it send to 127.0.0.1?",
                )
                .mistake("no-packet"),
                None => Outcome::failed(format!("`{program}` never ended"), "what is it waiting for?"),
            },
            StepStatus::Lost | StepStatus::NotRun => Outcome::blocked(RUN_COMPLETED),
        }
    }

    /// The laboratory's own part. It can be blocked by the student's code, but never failed by it.
    fn laboratory(&self) -> Outcome {
        let evidence = self.evidence;
        if self.is_hurt() {
            return Outcome::blocked(KERNEL_HEALTHY);
        }
        if let Health::HangsIn(step) = &self.health {
            return Outcome::blocked(self.id_of_load(step));
        }
        if let Some(lost) = &evidence.guest_lost {
            return Outcome::inconclusive(format!("the guest was lost: {}", lost.reason));
        }
        for step in &self.exercise.run {
            let Some(ours) = self.is_ours(step) else { continue };
            let status = self
                .evidence
                .step(&step.id)
                .map_or(&StepStatus::NotRun, |record| &record.status);
            if status.is_success() {
                continue;
            }
            if *status == StepStatus::NotRun {
                if let Some(obstacle) = self.student_obstacle(step) {
                    return Outcome::blocked(obstacle);
                }
                return Outcome::inconclusive(format!("`{ours}` was never run"));
            }
            let what = match status {
                StepStatus::Exited(code) => format!("ended with status {code}"),
                StepStatus::Signaled(signal) => {
                    format!("was killed by SIG{}", signal.trim_start_matches("SIG"))
                }
                StepStatus::TimedOut => "took too long".to_owned(),
                _ => "was lost".to_owned(),
            };
            let why = evidence
                .step(&step.id)
                .and_then(|record| last_line(&record.stderr));
            let why = why.map(|line| format!(": {line}")).unwrap_or_default();
            return Outcome::inconclusive(format!("`{ours}`, a part of the laboratory, {what}{why}"));
        }
        if !evidence.steps.is_empty()
            && evidence
                .steps
                .iter()
                .all(|step| step.status == StepStatus::NotRun)
            && let Some(build) = self.failed_build()
        {
            return Outcome::blocked(build);
        }
        if evidence.steps.is_empty() {
            return match self.failed_build() {
                Some(build) => Outcome::blocked(build),
                None => Outcome::inconclusive("nothing was run"),
            };
        }
        Outcome::passed("every step of the experiment ran")
    }

    /// The name of a step's program or module, if it is the laboratory's.
    fn is_ours(&self, step: &Step) -> Option<String> {
        match &step.kind {
            StepKind::Load {
                module: ModuleRef::Tool(name),
                ..
            }
            | StepKind::Unload {
                module: ModuleRef::Tool(name),
            } => Some(name.clone()),
            StepKind::Start { program, .. } | StepKind::Exec { program, .. } => ours(program),
            StepKind::Wait { step } => {
                let started = self.step(step)?;
                match &started.kind {
                    StepKind::Start { program, .. } => ours(program),
                    _ => None,
                }
            }
            StepKind::Load { .. } | StepKind::Unload { .. } | StepKind::Stop { .. } => None,
        }
    }

    /// The student's check that kept a step from being run: a build, or an earlier step.
    fn student_obstacle(&self, until: &Step) -> Option<String> {
        for step in self.exercise.run.iter().take_while(|step| step.id != until.id) {
            let status = self
                .evidence
                .step(&step.id)
                .map_or(&StepStatus::NotRun, |record| &record.status);
            if status.is_success() {
                continue;
            }
            let builtin = self
                .exercise
                .builtins()
                .into_iter()
                .find(|builtin| match &builtin.kind {
                    BuiltinKind::Runs { step: id, .. } => *id == step.id,
                    _ => false,
                });
            if let Some(builtin) = builtin {
                return Some(builtin.id);
            }
        }
        self.failed_build()
    }

    fn not_reached(&self, artefact: Option<&str>) -> Outcome {
        if let Some(name) = artefact
            && self
                .evidence
                .builds
                .get(name)
                .is_some_and(|build| build.outcome != BuildOutcome::Ok)
        {
            return Outcome::blocked(format!("{name}-builds"));
        }
        if self.is_hurt() {
            return Outcome::blocked(KERNEL_HEALTHY);
        }
        match &self.health {
            Health::HangsIn(step) => Outcome::blocked(self.id_of_load(step)),
            _ => Outcome::blocked(RUN_COMPLETED),
        }
    }

    fn is_hurt(&self) -> bool {
        matches!(
            self.health,
            Health::HurtBy(_) | Health::LostBy(_) | Health::Unexplained(_)
        )
    }

    fn failed_build(&self) -> Option<String> {
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

    fn id_of_load(&self, step: &str) -> String {
        match self.step(step).map(|step| &step.kind) {
            Some(StepKind::Load { module, .. }) => format!("{}-loads", module.name()),
            _ => KERNEL_HEALTHY.to_owned(),
        }
    }

    fn step(&self, id: &str) -> Option<&Step> {
        self.exercise.run.iter().find(|step| step.id == id)
    }

    /// For a `start`: what it was waited for.
    fn until(&self, step: &Step) -> Option<&'static str> {
        use crate::spec::exercise::Until;
        match &step.kind {
            StepKind::Start { until, .. } => Some(match until {
                Until::Started => "it could not be started",
                Until::Output(_) => "it did not print what was expected",
                Until::UdpBound(_) => "no UDP socket was bound to the port",
                Until::TcpListening(_) => "no TCP socket listened on the port",
            }),
            _ => None,
        }
    }

    /// The record of a step that was begun.
    fn record(&self, step: &str) -> Option<&StepRecord> {
        self.evidence
            .step(step)
            .filter(|record| record.status != StepStatus::NotRun)
    }

    fn log_about(&self, module: &str) -> Option<&str> {
        let prefix = format!("{module}: ");
        let lines = self.evidence.kernel_log.iter().map(|record| record.text.as_str());
        lines
            .filter(|line| line.starts_with(&prefix) && !line.contains("taint"))
            .next_back()
    }
}

fn ours(program: &Program) -> Option<String> {
    (!program.is_student()).then(|| program.name().to_owned())
}

fn last_line(text: &str) -> Option<&str> {
    text.lines().map(str::trim).rfind(|line| !line.is_empty())
}
