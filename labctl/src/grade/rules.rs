//! Judging the author's rules.

use super::outcome::{Board, Outcome};
use super::verdict::Verdict;
use crate::spec::exercise::{Check, Exercise, Fault};
use crate::spec::expr::EvalError;
use crate::spec::scope::Scope;

/// Judges every rule whose needs have passed; the others are blocked.
///
/// # Errors
/// When an expression of the course does not fit its values.
pub(super) fn judge(exercise: &Exercise, scope: &Scope<'_>, board: &mut Board) -> Result<(), EvalError> {
    for check in &exercise.checks {
        let outcome = match board.obstacle(check.needs.iter().map(AsRef::as_ref)) {
            Some(obstacle) => Outcome::blocked(obstacle),
            None => judge_check(check, scope)?,
        };
        board.add(check.id.as_str(), &check.title, check.points, outcome);
    }
    Ok(())
}

fn judge_check(check: &Check, scope: &Scope<'_>) -> Result<Outcome, EvalError> {
    if check.pass.holds(scope)? {
        return Ok(Outcome::passed(check.passed.render(scope)?));
    }
    if check.fault == Fault::Laboratory {
        return Ok(Outcome::inconclusive(check.message.render(scope)?));
    }
    let mut outcome = Outcome {
        verdict: Some(Verdict::Failed),
        ..Outcome::default()
    };
    for explain in &check.explain {
        if explain.when.holds(scope)? {
            outcome.mistake = Some(explain.id.to_string());
            outcome.help = Some(explain.help.render(scope)?);
            if let Some(message) = &explain.message {
                outcome.message = message.render(scope)?;
            }
            break;
        }
    }
    if outcome.message.is_empty() {
        outcome.message = check.message.render(scope)?;
    }
    if outcome.help.is_none() {
        outcome.help = Some(check.help.render(scope)?);
    }
    outcome.expected = check
        .expected
        .as_ref()
        .map(|text| text.render(scope))
        .transpose()?;
    outcome.actual = check.actual.as_ref().map(|text| text.render(scope)).transpose()?;
    Ok(outcome)
}
