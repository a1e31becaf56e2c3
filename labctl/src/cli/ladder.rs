//! Hints, one step at a time. What the last check recognised decides which ladder is climbed.

use super::context::Context;
use super::course::Found;
use super::failure::Failure;
use super::progress::{Given, Progress, Remembered};
use crate::report::hint::Hint;
use crate::spec::course::Module;
use crate::spec::exercise::Exercise;

/// The next rung for `exercise`, which is remembered as given.
pub(crate) fn climb(
    context: &Context,
    module: &Module,
    exercise: &Exercise,
    workspace: &Found,
) -> Result<Hint, Failure> {
    let mut progress = Progress::read(context, &workspace.dir);
    let remembered = progress.exercises.entry(exercise.id.to_string()).or_default();
    let ladder = ladder(module, exercise, remembered, &workspace.workspace.seed)?;
    let rungs = match &remembered.hint {
        Some(given) if given.about == ladder.about => given.rungs + 1,
        _ => 1,
    }
    .min(ladder.rungs.len());
    let changed = remembered
        .last
        .as_ref()
        .map(|last| last.changed(&workspace.dir, exercise))
        .unwrap_or_default();
    let hint = Hint {
        exercise: exercise.full_name(),
        passed: remembered
            .last
            .as_ref()
            .is_some_and(|last| last.score.verdict == "passed"),
        check: ladder.check,
        mistake: ladder.mistake,
        title: ladder.title,
        explanation: ladder.explanation,
        text: rungs
            .checked_sub(1)
            .and_then(|index| ladder.rungs.get(index).cloned()),
        number: rungs,
        of: ladder.rungs.len(),
        checked_at: remembered.last.as_ref().map(|last| last.at.clone()),
        changed,
    };
    if !hint.passed {
        remembered.hint = Some(Given {
            about: ladder.about,
            rungs,
        });
        progress.write(context)?;
    }
    Ok(hint)
}

/// A ladder of hints, from a nudge to all but the answer.
struct Ladder {
    /// Changes when the student is stuck somewhere else.
    about: String,
    check: Option<String>,
    mistake: Option<String>,
    title: Option<String>,
    explanation: Option<String>,
    rungs: Vec<String>,
}

/// A mistake that the last check recognised has a ladder of its own; else the exercise's is climbed; else what the check
/// said is said again.
fn ladder(
    module: &Module,
    exercise: &Exercise,
    remembered: &Remembered,
    seed: &str,
) -> Result<Ladder, Failure> {
    let wrong = remembered.last.as_ref().map_or(&[][..], |last| &last.wrong);
    if let Some((wrong, mistake)) = wrong
        .iter()
        .find_map(|wrong| Some((wrong, wrong.mistake.as_ref()?)))
    {
        let known = module.mistakes.get(mistake);
        let rungs = match known {
            Some(known) => known.hints.clone(),
            None => wrong.help.iter().cloned().collect(),
        };
        return Ok(Ladder {
            about: format!("{}: {mistake}", wrong.check),
            check: Some(wrong.check.clone()),
            mistake: Some(mistake.clone()),
            title: Some(known.map_or_else(|| wrong.message.clone(), |known| known.title.clone())),
            explanation: known.map(|known| known.explanation.clone()),
            rungs,
        });
    }
    let first = wrong.first();
    let mut ladder = Ladder {
        about: "the exercise".to_owned(),
        check: first.map(|wrong| wrong.check.clone()),
        mistake: None,
        title: first.map(|wrong| wrong.message.clone()),
        explanation: None,
        rungs: Vec::new(),
    };
    let scope = exercise.variables(seed, &std::collections::BTreeMap::new())?;
    for hint in &exercise.hints {
        ladder.rungs.push(hint.render(&scope)?);
    }
    if ladder.rungs.is_empty()
        && let Some(wrong) = first
    {
        ladder.about = wrong.check.clone();
        ladder.rungs.extend(wrong.help.clone());
    }
    Ok(ladder)
}
