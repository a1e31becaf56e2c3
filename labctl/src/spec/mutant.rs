//! Known wrong submissions, and what grading has to say about each.

use std::collections::BTreeMap;

use super::answers;
use super::error::{SpecError, SpecErrors};
use super::exercise::Exercise;
use super::expr::EvalError;
use super::ids::is_name;
use super::raw::RawMutant;
use super::suggest::did_you_mean;
use super::yaml::{Mapping, Source};
use crate::spec::builtin::ANSWERS;

/// A wrong submission: the solution with one thing changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutant {
    /// Its file, relative to the course.
    pub file: String,
    /// The file's name without `.yaml`.
    pub id: String,
    /// What is wrong, for people.
    pub title: String,
    /// Id of the exercise.
    pub exercise: String,
    /// By file of the workspace: its whole new contents.
    pub files: BTreeMap<String, String>,
    /// Answers that replace the key's, as written (`null` for a blank).
    pub answers: BTreeMap<String, String>,
    /// The whole answers file instead.
    pub answers_file: Option<String>,
    /// What grading must say.
    pub expect: Expect,
}

/// What grading must say about a mutant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expect {
    /// Name of the exercise's verdict.
    pub verdict: String,
    /// The check that must have failed (or be `invalid`).
    pub check: String,
    /// The mistake that must be recognised there.
    pub mistake: Option<String>,
    /// The kind of a finding that must be there.
    pub finding: Option<String>,
    /// The points that are left, where the author says.
    pub points: Option<u32>,
}

impl Mutant {
    /// Whether it needs no guest: only answers differ from the solution.
    #[must_use]
    pub fn is_answers_only(&self) -> bool {
        self.files.is_empty()
    }

    /// The mutant's answers file for a seed.
    ///
    /// # Errors
    /// When an expression of the course does not fit its values.
    pub fn answers_text(&self, exercise: &Exercise, seed: &str) -> Result<String, EvalError> {
        match &self.answers_file {
            Some(text) => Ok(text.clone()),
            None => answers::reference_except(exercise, seed, &self.answers),
        }
    }
}

/// Verdicts an exercise can have when it was not passed. The names are grading's, which knows this module and not the other way.
const VERDICTS: &[&str] = &["partial", "failed", "invalid", "inconclusive"];

/// Reads and checks `mutants/<id>.yaml` against the module's exercises and solution.
///
/// # Errors
/// Every mistake in the file, each with its place.
pub fn mutant(
    source: &Source,
    exercises: &[Exercise],
    solution: &BTreeMap<String, String>,
) -> Result<Mutant, SpecErrors> {
    let raw: RawMutant = source.read()?;
    let mut errors: Vec<SpecError> = Vec::new();
    let stem = source
        .file()
        .rsplit('/')
        .next()
        .and_then(|name| name.strip_suffix(".yaml"))
        .unwrap_or_default();
    if !is_name(&raw.id.value) || raw.id.value != stem {
        errors.push(source.at(&raw.id, format!("the id has to be the file's name, `{stem}`")));
    }
    let exercise = exercises
        .iter()
        .find(|exercise| exercise.id.as_str() == raw.exercise.value);
    if exercise.is_none() {
        let hint = did_you_mean(
            &raw.exercise.value,
            exercises.iter().map(|exercise| exercise.id.as_str()),
        );
        errors.push(source.at(
            &raw.exercise,
            format!("no exercise `{}`{hint}", raw.exercise.value),
        ));
    }
    let files = changed(source, raw.files, solution, &mut errors);
    let mut answers = BTreeMap::new();
    for (key, value) in raw.answers.0 {
        let known = || {
            exercise
                .iter()
                .flat_map(|exercise| &exercise.worksheet)
                .map(|blank| blank.id.as_str())
        };
        if exercise.is_some() && !known().any(|id| id == key.value) {
            let hint = did_you_mean(&key.value, known());
            errors.push(source.at(&key, format!("no blank `{}`{hint}", key.value)));
        }
        answers.insert(key.value, value.value.unwrap_or_else(|| "null".to_owned()));
    }
    if !VERDICTS.contains(&raw.expect.verdict.value.as_str()) {
        let hint = did_you_mean(&raw.expect.verdict.value, VERDICTS.iter().copied());
        errors.push(source.at(
            &raw.expect.verdict,
            format!("no verdict `{}`{hint}", raw.expect.verdict.value),
        ));
    }
    if let Some(exercise) = exercise {
        let known = check_ids(exercise);
        if !known.contains(&raw.expect.check.value) {
            let hint = did_you_mean(&raw.expect.check.value, known.iter().map(String::as_str));
            errors.push(source.at(
                &raw.expect.check,
                format!("no check `{}`{hint}", raw.expect.check.value),
            ));
        }
        let most = exercise.max_points();
        if let Some(points) = raw.expect.points.as_ref().filter(|points| points.value >= most) {
            errors.push(source.at(
                points,
                format!(
                    "{} has {most} points, and a mutant does not get them all",
                    exercise.id
                ),
            ));
        }
    }
    let mutant = Mutant {
        file: source.file().to_owned(),
        id: raw.id.value,
        title: raw.title,
        exercise: raw.exercise.value,
        files,
        answers,
        answers_file: raw.answers_file.map(|text| text.value),
        expect: Expect {
            verdict: raw.expect.verdict.value,
            check: raw.expect.check.value,
            mistake: raw.expect.mistake.map(|mistake| mistake.value),
            finding: raw.expect.finding.map(|finding| finding.value),
            points: raw.expect.points.map(|points| points.value),
        },
    };
    SpecErrors::check(errors, mutant)
}

fn check_ids(exercise: &Exercise) -> Vec<String> {
    let mut ids: Vec<String> = exercise
        .builtins()
        .into_iter()
        .map(|builtin| builtin.id)
        .collect();
    ids.extend(exercise.worksheet.iter().map(|blank| blank.id.to_string()));
    ids.extend(exercise.checks.iter().map(|check| check.id.to_string()));
    ids.push(ANSWERS.to_owned());
    ids
}

fn changed(
    source: &Source,
    files: Mapping<Vec<super::raw::RawEdit>>,
    solution: &BTreeMap<String, String>,
    errors: &mut Vec<SpecError>,
) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for (path, edits) in files.0 {
        let Some(original) = solution.get(&path.value) else {
            let hint = did_you_mean(&path.value, solution.keys().map(String::as_str));
            errors.push(source.at(&path, format!("the solution has no `{}`{hint}", path.value)));
            continue;
        };
        let mut text = original.clone();
        for edit in edits {
            match (edit.search, edit.replace, edit.contents) {
                (Some(search), Some(replace), None) => {
                    let found = text.matches(search.value.as_str()).count();
                    if found == 1 {
                        text = text.replacen(search.value.as_str(), &replace.value, 1);
                    } else {
                        let what = format!("this text occurs {found} times in {}, not once", path.value);
                        errors.push(source.at(&search, what));
                    }
                }
                (None, None, Some(contents)) => text = contents.value,
                _ => errors.push(source.at(&path, "an edit is `search` and `replace`, or `contents`")),
            }
        }
        out.insert(path.value, text);
    }
    out
}
