//! The laboratory's own part of a run, and what stood in the way of a step. The student's code can block it, but never fail it.

use super::evidence::{BuildOutcome, StepStatus};
use super::health::Health;
use super::outcome::Outcome;
use super::structure::{View, last_line};
use super::verdict::Verdict;
use crate::spec::builtin::{BuiltinKind, KERNEL_HEALTHY, RUN_COMPLETED};
use crate::spec::exercise::{ModuleRef, Program, Step, StepKind};

impl View<'_> {
    /// The laboratory's own part.
    pub(super) fn laboratory(&self) -> Outcome {
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

    /// For a step that ended without a word about the student's code.
    pub(super) fn laboratory_failed(&self, step: &str) -> Outcome {
        match self.laboratory().verdict {
            Some(Verdict::Passed) | None => Outcome::inconclusive(format!("the step `{step}` was cut short")),
            Some(_) => Outcome::blocked(RUN_COMPLETED),
        }
    }

    /// For a step that was not begun.
    pub(super) fn not_reached(&self, step: &str, artefact: Option<&str>) -> Outcome {
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
        if let Health::HangsIn(step) = &self.health {
            return Outcome::blocked(self.id_of_load(step));
        }
        match self.step(step).and_then(|step| self.student_obstacle(step)) {
            Some(obstacle) => Outcome::blocked(obstacle),
            None => self.laboratory_failed(step),
        }
    }
}

fn ours(program: &Program) -> Option<String> {
    (!program.is_student()).then(|| program.name().to_owned())
}
