//! Rules on evidence that no author thinks of: nothing happened, nothing was printed, one step failed, lines with odd
//! numbers. Whatever the evidence, a rule has to have a value.

use std::collections::BTreeSet;

use super::report::{Item, Problem};
use super::worksheet::ungradable;
use crate::grade::evidence::{
    AnswersInput, BuildOutcome, BuildRecord, Evidence, KernelRecord, StepKindName, StepRecord, StepStatus,
};
use crate::grade::grade;
use crate::spec::answers;
use crate::spec::exercise::{Exercise, FactKind, LESSON_SEED};
use crate::spec::workspace::answers_path;

pub(super) fn evaluate(exercise: &Exercise) -> Item {
    let cases = cases(exercise);
    let mut problems: Vec<Problem> = Vec::new();
    let mut told = BTreeSet::new();
    for evidence in &cases {
        if let Err(error) = grade(exercise, evidence) {
            let problem = ungradable(exercise, &error);
            if told.insert((problem.line, problem.column, problem.file.clone())) {
                problems.push(problem);
            }
        }
    }
    let count = exercise.facts.len() + exercise.checks.len();
    let detail = format!(
        "{count} facts and rules have a value for {} kinds of evidence",
        cases.len()
    );
    Item::judged("rules-evaluate", exercise.full_name(), detail, problems)
}

fn cases(exercise: &Exercise) -> Vec<Evidence> {
    let mut base = Evidence::new(&exercise.full_name(), LESSON_SEED);
    if let Ok(text) = answers::reference(exercise, LESSON_SEED) {
        base.answers = Some(AnswersInput {
            file: answers_path(exercise.id.as_str()),
            text,
        });
    }
    let mut cases = vec![base.clone()];
    if !exercise.is_live() {
        return cases;
    }
    let silent = silent(exercise, base);
    for broken in 0..silent.steps.len() {
        for status in [StepStatus::Exited(1), StepStatus::TimedOut, StepStatus::Lost] {
            let mut case = silent.clone();
            case.steps[broken].status = status;
            for later in &mut case.steps[broken + 1..] {
                later.status = StepStatus::NotRun;
            }
            cases.push(case);
        }
    }
    for number in [0, 1, 13, u64::from(u32::MAX), u64::MAX] {
        for times in [1, 2] {
            let mut case = talking(exercise, silent.clone(), number, times);
            case.kernel_log_lost = number;
            cases.push(case);
        }
    }
    cases.push(silent);
    cases
}

/// Everything was built and ended well, and nothing was printed.
fn silent(exercise: &Exercise, mut evidence: Evidence) -> Evidence {
    evidence.draws = exercise.draw("lint");
    for artefact in &exercise.build {
        let build = BuildRecord {
            outcome: BuildOutcome::Ok,
            diagnostics: Vec::new(),
            log: String::new(),
        };
        evidence.builds.insert(artefact.name.clone(), build);
    }
    for step in &exercise.run {
        let kind = StepKindName::from(&step.kind);
        evidence.steps.push(StepRecord {
            id: step.id.clone(),
            kind,
            status: kind.going_well(),
            stdout: String::new(),
            stderr: String::new(),
            pid: None,
            started_us: None,
            ended_us: None,
        });
    }
    evidence
}

/// Every line that a fact looks for is there, `times` over, with `number` in its holes.
fn talking(exercise: &Exercise, mut evidence: Evidence, number: u64, times: usize) -> Evidence {
    for fact in &exercise.facts {
        for _ in 0..times {
            match &fact.kind {
                FactKind::Dmesg { pattern, .. } => {
                    let seq = evidence.kernel_log.len() as u64;
                    evidence.kernel_log.push(KernelRecord {
                        seq,
                        level: 6,
                        us: seq,
                        text: pattern.example(number),
                    });
                }
                FactKind::Output {
                    step,
                    stderr,
                    pattern,
                    ..
                } => {
                    if let Some(record) = evidence.steps.iter_mut().find(|record| record.id == *step) {
                        let stream = if *stderr {
                            &mut record.stderr
                        } else {
                            &mut record.stdout
                        };
                        stream.push_str(&pattern.example(number));
                        stream.push('\n');
                    }
                }
                _ => {}
            }
        }
    }
    evidence
}
