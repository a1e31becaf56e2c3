//! Known wrong submissions: what grading said about each is held against what its author says it must.

use std::collections::BTreeSet;

use super::report::{Item, Problem};
use super::worksheet;
use crate::grade::verdict::{CheckResult, ExerciseResult, Verdict};
use crate::spec::course::Module;
use crate::spec::exercise::{Exercise, LESSON_SEED};
use crate::spec::mutant::Mutant;

const HELP: &str = "make the rule tell this apart, or say in `expect` what is true";

/// The mutants of an exercise that need a guest.
pub fn live<'m>(module: &'m Module, exercise: &Exercise) -> Vec<&'m Mutant> {
    let of = |mutant: &&Mutant| mutant.exercise == exercise.id.as_str() && !mutant.is_answers_only();
    module.mutants.iter().filter(of).collect()
}

/// The mutants whose answers alone are wrong.
pub(super) fn on_paper(module: &Module, exercise: &Exercise) -> Item {
    let mut problems = Vec::new();
    let mut count = 0;
    let of = |mutant: &&Mutant| mutant.exercise == exercise.id.as_str() && mutant.is_answers_only();
    for mutant in module.mutants.iter().filter(of) {
        count += 1;
        let checks = mutant
            .answers_text(exercise, LESSON_SEED)
            .map_err(Into::into)
            .and_then(|text| worksheet::judge(exercise, LESSON_SEED, text));
        match checks {
            Ok(checks) => problems.extend(wrong_on_paper(mutant, exercise, &checks)),
            Err(error) => problems.push(worksheet::ungradable(exercise, &error)),
        }
    }
    let detail = format!("{count} wrong answers are told by their ids");
    Item::judged("mutants-on-paper", exercise.full_name(), detail, problems)
}

/// What is said about the check that a mutant must fail.
fn wrong_check(mutant: &Mutant, checks: &[CheckResult]) -> Vec<String> {
    let expect = &mutant.expect;
    let Some(check) = checks.iter().find(|check| check.id == expect.check) else {
        return vec![format!("the check `{}` was not judged", expect.check)];
    };
    let mut wrong = Vec::new();
    if !matches!(
        check.verdict,
        Verdict::Failed | Verdict::Partial | Verdict::Invalid
    ) {
        wrong.push(format!(
            "`{}` is {}, and has to fail: {}",
            check.id, check.verdict, check.message
        ));
    } else if check.mistake != expect.mistake {
        let name = |id: &Option<String>| {
            id.as_ref()
                .map_or("no mistake".to_owned(), |id| format!("`{id}`"))
        };
        wrong.push(format!(
            "`{}` is told as {}, not as {}: {}",
            check.id,
            name(&check.mistake),
            name(&expect.mistake),
            check.message
        ));
    } else if check.help.as_ref().is_none_or(String::is_empty) && check.message != "not answered yet" {
        wrong.push(format!("`{}` fails without help", check.id));
    }
    wrong
}

fn wrong_on_paper(mutant: &Mutant, exercise: &Exercise, checks: &[CheckResult]) -> Vec<Problem> {
    let mut wrong = wrong_check(mutant, checks);
    let is_invalid = checks.iter().any(|check| check.verdict == Verdict::Invalid);
    if (mutant.expect.verdict == Verdict::Invalid.as_str()) != is_invalid {
        wrong.push(format!(
            "the verdict cannot be `{}`: the answers {} be read",
            mutant.expect.verdict,
            if is_invalid { "cannot" } else { "can" }
        ));
    }
    // All but the blanks is the solution's: it keeps its points.
    let lost: u32 = exercise
        .worksheet
        .iter()
        .filter_map(|blank| checks.iter().find(|check| check.id == blank.id.as_str()))
        .map(|check| check.max_points - check.points)
        .sum();
    let left = exercise.max_points().saturating_sub(lost);
    wrong.extend(wrong_points(mutant, left));
    if lost == 0 && !is_invalid {
        wrong.push("it loses no points".to_owned());
    }
    problems(mutant, wrong)
}

fn wrong_points(mutant: &Mutant, left: u32) -> Option<String> {
    let said = mutant.expect.points.filter(|said| *said != left)?;
    Some(format!("{left} points are left, not {said}"))
}

fn problems(mutant: &Mutant, wrong: Vec<String>) -> Vec<Problem> {
    wrong
        .into_iter()
        .map(|what| Problem::in_file(&mutant.file, format!("{}: {what}", mutant.id), HELP))
        .collect()
}

/// What a run of a mutant shows that its author did not say. `run` says where the evidence is.
#[must_use]
pub fn wrong_live(mutant: &Mutant, result: &ExerciseResult, run: Option<&str>) -> Vec<Problem> {
    let mut wrong = wrong_check(mutant, &result.checks);
    if result.verdict.as_str() != mutant.expect.verdict {
        wrong.push(format!(
            "the verdict is `{}`, not `{}`",
            result.verdict, mutant.expect.verdict
        ));
    }
    if let Some(kind) = &mutant.expect.finding
        && !result.findings.iter().any(|finding| finding.kind == *kind)
    {
        let found: Vec<&str> = result
            .findings
            .iter()
            .map(|finding| finding.kind.as_str())
            .collect();
        wrong.push(format!("no finding `{kind}` but {found:?}"));
    }
    wrong.extend(wrong_points(mutant, result.points));
    let mut problems = problems(mutant, wrong);
    if let Some(run) = run {
        for problem in &mut problems {
            problem.help = format!("{HELP}; the run is in {run}");
        }
    }
    problems
}

/// What a run of the solution shows that it must not.
#[must_use]
pub fn wrong_solution(exercise: &Exercise, result: &ExerciseResult, run: Option<&str>) -> Vec<Problem> {
    let mut wrong = Vec::new();
    for check in &result.checks {
        if !matches!(check.verdict, Verdict::Passed | Verdict::Blocked) {
            wrong.push(format!(
                "the solution's `{}` is {}: {}",
                check.id, check.verdict, check.message
            ));
        }
        if let Some(mistake) = &check.mistake {
            wrong.push(format!(
                "the solution is told to be the mistake `{mistake}` by `{}`",
                check.id
            ));
        }
    }
    if result.points != exercise.max_points() {
        wrong.push(format!(
            "the solution gets {} of {} points",
            result.points,
            exercise.max_points()
        ));
    }
    in_exercise(exercise, wrong, run)
}

/// What a run of a fresh workspace shows that it must not.
#[must_use]
pub fn wrong_skeleton(exercise: &Exercise, result: &ExerciseResult, run: Option<&str>) -> Vec<Problem> {
    let wrong = match result.verdict {
        Verdict::Passed => vec!["a fresh workspace passes".to_owned()],
        Verdict::Invalid => {
            let cause = result.root_cause().map_or("", |check| check.message.as_str());
            vec![format!("a fresh workspace is {}: {cause}", result.verdict)]
        }
        _ => Vec::new(),
    };
    in_exercise(exercise, wrong, run)
}

fn in_exercise(exercise: &Exercise, wrong: Vec<String>, run: Option<&str>) -> Vec<Problem> {
    let help = run.map_or_else(String::new, |run| format!("the run is in {run}"));
    wrong
        .into_iter()
        .map(|what| Problem::in_file(&worksheet::file_of(exercise), what, help.clone()))
        .collect()
}

/// Which predicted mistakes no mutant makes. Not a problem: some can only be made by hand.
pub(super) fn coverage(module: &Module) -> Item {
    let mut predicted = BTreeSet::new();
    for exercise in &module.exercises {
        let blanks = exercise.worksheet.iter().flat_map(|blank| &blank.mistakes);
        let rules = exercise.checks.iter().flat_map(|check| &check.explain);
        predicted.extend(blanks.chain(rules).map(|mistake| mistake.id.as_str()));
    }
    let made: BTreeSet<&str> = module
        .mutants
        .iter()
        .filter_map(|mutant| mutant.expect.mistake.as_deref())
        .collect();
    let without: Vec<&str> = predicted.difference(&made).copied().collect();
    let mut detail = format!(
        "{} mutants make {} of {} predicted mistakes",
        module.mutants.len(),
        predicted.len() - without.len(),
        predicted.len()
    );
    if !without.is_empty() {
        detail.push_str(&format!("; none makes {}", without.join(", ")));
    }
    Item::judged("mistakes-have-mutants", module.id.as_str(), detail, Vec::new())
}
