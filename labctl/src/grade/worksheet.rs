//! Judging the blanks of a worksheet.

use std::collections::BTreeMap;

use cel::Value;

use super::evidence::Evidence;
use super::outcome::{Board, Outcome};
use crate::spec::answers::{self, Answers, Blank};
use crate::spec::builtin::ANSWERS;
use crate::spec::exercise::Exercise;
use crate::spec::expr::EvalError;
use crate::spec::scope::Scope;

/// Reads the answers and judges whether they could be read.
pub(super) fn read(exercise: &Exercise, evidence: &Evidence, board: &mut Board) -> Option<Answers> {
    if exercise.worksheet.is_empty() {
        return None;
    }
    let (outcome, answers) = match &evidence.answers {
        None => {
            let file = format!("answers/{}.yaml", exercise.id);
            (
                Outcome::invalid(format!("{file} is missing"), "labctl init writes an empty one"),
                None,
            )
        }
        Some(input) => match answers::parse(exercise, &input.file, &input.text) {
            Ok(answers) => {
                let filled = answers.values().filter(|answer| answer.is_some()).count();
                let of = exercise.worksheet.len();
                (
                    Outcome::passed(format!("{filled} of {of} blanks are filled in")),
                    Some(answers),
                )
            }
            Err(errors) => {
                let help = "a file that cannot be read costs nothing: mend these lines and check again";
                (Outcome::invalid(errors.to_string(), help), None)
            }
        },
    };
    board.add(ANSWERS, "The answers can be read", 0, outcome);
    answers
}

/// Judges every blank.
///
/// # Errors
/// When an expression of the course does not fit its values.
pub(super) fn judge(
    exercise: &Exercise,
    answers: Option<&Answers>,
    keys: &BTreeMap<String, Value>,
    scope: &Scope<'_>,
    board: &mut Board,
) -> Result<(), EvalError> {
    for blank in &exercise.worksheet {
        let outcome = match answers {
            None => Outcome::blocked(ANSWERS),
            Some(answers) => {
                let answer = answers.get(blank.id.as_str()).and_then(Option::as_ref);
                let key = keys.get(blank.id.as_str()).cloned().unwrap_or(Value::Null);
                judge_blank(blank, answer, &key, scope)?
            }
        };
        board.add(
            blank.id.as_str(),
            question(&blank.ask.render(scope)?),
            blank.points,
            outcome,
        );
    }
    Ok(())
}

fn judge_blank(
    blank: &Blank,
    answer: Option<&Value>,
    key: &Value,
    scope: &Scope<'_>,
) -> Result<Outcome, EvalError> {
    let Some(answer) = answer else {
        return Ok(Outcome::failed("not answered yet", ""));
    };
    let shown = blank.kind.show(answer);
    if blank.accepts(answer, key) {
        return Ok(Outcome {
            actual: Some(shown.clone()),
            ..Outcome::passed(format!("{shown} is right"))
        });
    }
    let mut inner = scope.inner();
    inner.set("answer", answer.clone());
    for mistake in &blank.mistakes {
        if mistake.when.holds(&inner)? {
            let message = match &mistake.message {
                Some(message) => message.render(&inner)?,
                None => format!("{shown} is not right"),
            };
            let outcome = Outcome::failed(message, mistake.help.render(&inner)?).mistake(mistake.id.as_str());
            return Ok(Outcome {
                actual: Some(shown),
                ..outcome
            });
        }
    }
    let outcome = Outcome::failed(format!("{shown} is not right"), blank.help.render(&inner)?);
    Ok(Outcome {
        actual: Some(shown),
        ..outcome
    })
}

/// The question itself: what comes before it are the numbers it is about.
fn question(ask: &str) -> &str {
    ask.lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty())
        .unwrap_or(ask)
}
