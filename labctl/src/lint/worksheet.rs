//! The worksheet under many seeds: right answers are right, predicted wrong ones are wrong, empty ones give nothing.

use cel::Value;

use super::report::{Item, Problem};
use crate::grade::evidence::{AnswersInput, Evidence};
use crate::grade::verdict::{CheckResult, Verdict};
use crate::grade::{GradeError, grade};
use crate::spec::answers::{self, Blank};
use crate::spec::course::Module;
use crate::spec::exercise::{Exercise, LESSON_SEED};
use crate::spec::expr::EvalError;
use crate::spec::value::record;
use crate::spec::workspace::answers_path;

/// The answers alone, judged without anything having been run.
pub(super) fn judge(
    exercise: &Exercise,
    seed: &str,
    answers: String,
) -> Result<Vec<CheckResult>, GradeError> {
    let mut evidence = Evidence::new(&exercise.full_name(), seed);
    evidence.answers = Some(AnswersInput {
        file: answers_path(exercise.id.as_str()),
        text: answers,
    });
    Ok(grade(exercise, &evidence)?.checks)
}

/// A problem with whatever made grading impossible.
pub(super) fn ungradable(exercise: &Exercise, error: &GradeError) -> Problem {
    match error {
        GradeError::Rule(error) => error.into(),
        error => Problem::in_file(&file_of(exercise), error.to_string(), ""),
    }
}

/// The exercise's own file.
pub(super) fn file_of(exercise: &Exercise) -> String {
    format!("labs/{}/exercises/{}.yaml", exercise.module, exercise.id)
}

/// The answers that the key gives are accepted, and are no known mistake.
pub(super) fn solution(exercise: &Exercise, seeds: &[String]) -> Item {
    let mut problems = Vec::new();
    for seed in seeds {
        let judged = answers::reference(exercise, seed)
            .map_err(GradeError::from)
            .and_then(|text| judge(exercise, seed, text));
        match judged {
            Ok(checks) => problems.extend(not_passed(exercise, &checks, seed)),
            Err(error) => problems.push(ungradable(exercise, &error)),
        }
        if !problems.is_empty() {
            break;
        }
    }
    let detail = format!(
        "{} blanks are right with {} seeds",
        exercise.worksheet.len(),
        seeds.len()
    );
    Item::judged("solution-answers", exercise.full_name(), detail, problems)
}

fn not_passed(exercise: &Exercise, checks: &[CheckResult], seed: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(check) = checks
        .iter()
        .find(|check| check.id == "answers" && check.verdict != Verdict::Passed)
    {
        problems.push(Problem::in_file(
            &file_of(exercise),
            format!(
                "with the seed `{seed}` the solution's answers cannot be read: {}",
                check.message
            ),
            "the key's value has to be of the blank's type",
        ));
        return problems;
    }
    for blank in &exercise.worksheet {
        let check = checks.iter().find(|check| check.id == blank.id.as_str());
        if let Some(check) = check.filter(|check| check.verdict != Verdict::Passed) {
            problems.push(Problem::with(
                blank.key.origin(),
                format!(
                    "with the seed `{seed}` the solution's own answer to `{}` is not right: {}",
                    blank.id, check.message
                ),
                "the key's value has to survive being written into the answers file",
            ));
        }
    }
    problems
}

/// No right answer is taken for a mistake, and no predicted wrong answer for a right one.
pub(super) fn collisions(exercise: &Exercise, seeds: &[String]) -> Item {
    let mut problems = Vec::new();
    for seed in seeds {
        match collisions_with(exercise, seed) {
            Ok(found) => problems.extend(found),
            Err(error) => problems.push(Problem::from(&error)),
        }
        if !problems.is_empty() {
            break;
        }
    }
    let predicted: usize = exercise.worksheet.iter().map(|blank| blank.mistakes.len()).sum();
    let detail = format!(
        "{predicted} predicted wrong answers are wrong with {} seeds",
        seeds.len()
    );
    Item::judged("no-collision", exercise.full_name(), detail, problems)
}

fn collisions_with(exercise: &Exercise, seed: &str) -> Result<Vec<Problem>, EvalError> {
    let mut scope = exercise.variables(seed, &std::collections::BTreeMap::new())?;
    let keys = answers::key(exercise, &mut scope)?;
    scope.set("answers", record(keys.clone()));
    let mut problems = Vec::new();
    for blank in &exercise.worksheet {
        let key = keys.get(blank.id.as_str()).cloned().unwrap_or(Value::Null);
        let mut inner = scope.inner();
        inner.set("answer", key.clone());
        for mistake in &blank.mistakes {
            let origin = mistake.when.origin();
            if mistake.when.holds(&inner)? {
                problems.push(Problem::with(
                    origin,
                    format!(
                        "with the seed `{seed}` the right answer to `{}` ({}) is the mistake `{}`",
                        blank.id,
                        blank.kind.show(&key),
                        mistake.id
                    ),
                    "add a `require` that keeps such givens away, or narrow the condition",
                ));
                continue;
            }
            problems.extend(
                accepted(blank, &key, &mistake.when.equal_to("answer", &inner)?, seed).map(|what| {
                    Problem::with(
                        origin,
                        what,
                        "tighten the tolerance, or keep such givens away with a `require`",
                    )
                }),
            );
        }
    }
    Ok(problems)
}

/// A predicted wrong answer that the blank would take for right.
fn accepted(blank: &Blank, key: &Value, wrong: &[Value], seed: &str) -> Option<String> {
    let taken = wrong.iter().find(|wrong| blank.accepts(wrong, key))?;
    Some(format!(
        "with the seed `{seed}` the wrong answer {} to `{}` is within the tolerance of the right one, {}",
        blank.kind.show(taken),
        blank.id,
        blank.kind.show(key)
    ))
}

/// A fresh workspace is not the solution.
pub(super) fn skeleton(module: &Module, exercise: &Exercise, seeds: &[String]) -> Item {
    let mut problems = Vec::new();
    let file = file_of(exercise);
    let seed = seeds.first().map_or(LESSON_SEED, String::as_str);
    if !exercise.worksheet.is_empty() {
        let judged = answers::skeleton(exercise, seed)
            .map_err(GradeError::from)
            .and_then(|text| judge(exercise, seed, text));
        match judged {
            Ok(checks) => {
                let given = exercise.worksheet.iter().filter(|blank| {
                    checks
                        .iter()
                        .any(|check| check.id == blank.id.as_str() && check.verdict == Verdict::Passed)
                });
                problems.extend(given.map(|blank| {
                    Problem::with(
                        blank.key.origin(),
                        format!("the empty blank `{}` passes", blank.id),
                        "an answer has to be given before it is right",
                    )
                }));
            }
            Err(error) => problems.push(ungradable(exercise, &error)),
        }
    }
    let work = files_to_write(exercise);
    let open = work
        .iter()
        .filter(|path| {
            module
                .sources
                .get(**path)
                .is_some_and(|both| both.skeleton != both.solution)
        })
        .count();
    if exercise.worksheet.is_empty() && open == 0 {
        problems.push(Problem::in_file(
            &file,
            "a fresh workspace is already the solution: nothing is left to do",
            "mark what the student writes with `//@ todo`, `//@ solution` and `//@ end`",
        ));
    }
    let detail = format!(
        "{} empty blanks give nothing, {open} of {} sources are left to finish",
        exercise.worksheet.len(),
        work.len()
    );
    Item::judged("skeleton-does-not-pass", exercise.full_name(), detail, problems)
}

/// The sources and scripts of the workspace that the exercise uses.
pub(super) fn files_to_write(exercise: &Exercise) -> Vec<&str> {
    use crate::spec::exercise::{Program, StepKind};

    let mut files: Vec<&str> = exercise
        .build
        .iter()
        .flat_map(|artefact| artefact.sources.iter().map(String::as_str))
        .collect();
    for step in &exercise.run {
        if let StepKind::Start {
            program: Program::Script(path),
            ..
        }
        | StepKind::Exec {
            program: Program::Script(path),
            ..
        } = &step.kind
        {
            files.push(path);
        }
    }
    files.sort_unstable();
    files.dedup();
    files
}
