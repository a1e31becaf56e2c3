//! Evidence in, verdict out.

use super::evidence::Evidence;
use super::outcome::Board;
use super::verdict::{CheckResult, ExerciseResult, Verdict};
use super::{figures, health, rules, scope, structure, worksheet};
use crate::spec::exercise::Exercise;
use crate::spec::expr::EvalError;

/// Evidence that cannot be graded; never the student's doing.
#[derive(Debug, thiserror::Error)]
pub enum GradeError {
    /// A rule of the course does not fit the evidence.
    #[error("the course has a bug")]
    Rule(#[from] EvalError),
    /// The evidence is about another exercise.
    #[error("this evidence is about {found}, not {expected}")]
    Exercise {
        /// What was to be graded.
        expected: String,
        /// What the evidence says.
        found: String,
    },
}

/// Grades one exercise. The same evidence gives the same result, on every machine and at any time.
///
/// # Errors
/// When the evidence is about another exercise, or a rule of the course cannot be evaluated on it.
pub fn grade(exercise: &Exercise, evidence: &Evidence) -> Result<ExerciseResult, GradeError> {
    if evidence.exercise != exercise.full_name() {
        return Err(GradeError::Exercise {
            expected: exercise.full_name(),
            found: evidence.exercise.clone(),
        });
    }
    let mut board = Board::default();
    let answers = worksheet::read(exercise, evidence, &mut board);
    structure::judge(exercise, evidence, &mut board);
    let (scope, keys) = scope::of(exercise, evidence, answers.as_ref())?;
    worksheet::judge(exercise, answers.as_ref(), &keys, &scope, &mut board)?;
    rules::judge(exercise, &scope, &mut board)?;
    let figures = figures::draw(exercise, &scope, &board)?;
    let checks = board.finish();

    let mut findings = structure::compile_findings(evidence);
    findings.extend(health::findings(exercise, evidence));
    Ok(ExerciseResult {
        id: exercise.id.to_string(),
        title: exercise.title.clone(),
        verdict: if health::examine(exercise, evidence).is_crash() {
            Verdict::Failed
        } else {
            overall(&checks)
        },
        points: checks.iter().map(|check| check.points).sum(),
        max_points: checks.iter().map(|check| check.max_points).sum(),
        checks,
        findings,
        figures,
    })
}

fn overall(checks: &[CheckResult]) -> Verdict {
    let any = |verdict| checks.iter().any(|check| check.verdict == verdict);
    if any(Verdict::Invalid) {
        return Verdict::Invalid;
    }
    if any(Verdict::Inconclusive) {
        return Verdict::Inconclusive;
    }
    if checks.iter().all(|check| check.verdict == Verdict::Passed) {
        return Verdict::Passed;
    }
    if checks.iter().any(|check| check.points > 0) {
        Verdict::Partial
    } else {
        Verdict::Failed
    }
}
