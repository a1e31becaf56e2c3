//! Checks as the tests of a grader's report: in the order of the exercise, and with one more for an exercise whose verdict
//! none of them shows.

use super::safe;
use crate::grade::results::{GradedExercise, Results};
use crate::grade::verdict::{CheckResult, Finding, Verdict};

/// One test. Every string is safe.
pub(super) struct Case {
    /// The number of the exercise, from 1.
    pub(super) task: usize,
    /// `1.2`: the second check of the first exercise; an exercise itself is `1`.
    pub(super) number: String,
    /// `exercise-b/copies`.
    pub(super) name: String,
    /// What is checked.
    pub(super) title: String,
    pub(super) verdict: Verdict,
    pub(super) points: u32,
    pub(super) max_points: u32,
    /// Lines that say why, without a break at the end. Never empty when it was not passed.
    pub(super) why: String,
    /// What the student's work shows.
    pub(super) actual: Option<String>,
    pub(super) mistake: Option<String>,
}

/// A verdict in the three words of GitHub Classroom and Exercism.
pub(super) const fn status(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "pass",
        Verdict::Partial | Verdict::Failed | Verdict::Blocked => "fail",
        Verdict::Invalid | Verdict::Inconclusive => "error",
    }
}

/// Every check of every exercise; never empty unless there are no exercises.
pub(super) fn all(results: &Results) -> Vec<Case> {
    let mut cases = Vec::new();
    for (index, exercise) in results.exercises.iter().enumerate() {
        let mut checks: Vec<&CheckResult> = exercise.result.checks.iter().collect();
        checks.sort_by_key(|check| check.position);
        cases.extend(whole(exercise, index + 1));
        cases.extend(
            checks
                .into_iter()
                .enumerate()
                .map(|(number, check)| of(exercise, check, index + 1, number + 1)),
        );
    }
    cases
}

fn of(exercise: &GradedExercise, check: &CheckResult, task: usize, number: usize) -> Case {
    Case {
        task,
        number: format!("{task}.{number}"),
        name: format!("{}/{}", safe::line(&exercise.result.id), safe::line(&check.id)),
        title: safe::line(&check.title),
        verdict: check.verdict,
        points: check.points,
        max_points: check.max_points,
        why: why(check),
        actual: safe::optional_line(check.actual.as_deref()),
        mistake: safe::optional_line(check.mistake.as_deref()),
    }
}

/// What stands for the exercise itself: when nothing was judged, or when it was not passed and no check shows it, as when
/// the kernel crashed after all was right.
fn whole(exercise: &GradedExercise, task: usize) -> Option<Case> {
    let result = &exercise.result;
    let shown = result
        .checks
        .iter()
        .any(|check| !matches!(check.verdict, Verdict::Passed | Verdict::Blocked));
    if !result.checks.is_empty() && (shown || result.verdict == Verdict::Passed) {
        return None;
    }
    let mut why = vec![result.verdict.to_string()];
    why.extend(result.findings.iter().map(found));
    Some(Case {
        task,
        number: task.to_string(),
        name: safe::line(&result.id),
        title: safe::line(&result.title),
        verdict: result.verdict,
        points: 0,
        max_points: 0,
        why: why.join("\n"),
        actual: None,
        mistake: None,
    })
}

/// The verdict and its reasons, a line for each.
pub(super) fn why(check: &CheckResult) -> String {
    let mut lines = Vec::new();
    match check.verdict {
        Verdict::Passed => {}
        Verdict::Invalid => lines.push("invalid: the input could not be read; this costs nothing".to_owned()),
        Verdict::Inconclusive => lines.push(
            "inconclusive: the laboratory failed, not the submission; this costs nothing, run it again"
                .to_owned(),
        ),
        Verdict::Blocked => lines.push("blocked: a check that it builds on did not pass".to_owned()),
        other => lines.push(other.to_string()),
    }
    if !check.message.is_empty() {
        lines.push(safe::block(&check.message));
    }
    let details = [
        ("expected", &check.expected),
        ("actual", &check.actual),
        ("mistake", &check.mistake),
        ("try", &check.help),
    ];
    for (label, text) in details {
        if let Some(text) = text {
            lines.push(format!("{label}: {}", safe::line(text)));
        }
    }
    lines.join("\n")
}

/// What the evidence shows, in one line.
pub(super) fn found(finding: &Finding) -> String {
    let place = finding.source.as_ref().map_or_else(String::new, |source| {
        format!(" at {}:{}", safe::line(&source.file), source.line)
    });
    format!(
        "found {}: {}{place}",
        safe::line(&finding.kind),
        safe::line(&finding.title)
    )
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_order_is_that_of_the_exercise() {
        let mut results = sample::partial();
        results.exercises[0].result.checks[0].position = 9;
        let names: Vec<String> = all(&results)
            .into_iter()
            .map(|case| format!("{} {}", case.number, case.name))
            .collect();
        assert_eq!(
            names,
            [
                "1.1 exercise-b/same-kernel-address",
                "1.2 exercise-b/send_trace-builds",
                "1.3 exercise-b/copies",
                "1.4 exercise-b/copy1-is-the-transfer",
                "2.1 exercise-a/total",
            ]
        );
    }

    #[test]
    fn a_crash_after_all_was_right_is_no_pass() {
        let mut results = sample::partial();
        results.exercises.truncate(1);
        let result = &mut results.exercises[0].result;
        result.checks.drain(..2);
        result.verdict = Verdict::Failed;
        let cases = all(&results);
        assert_eq!((cases.len(), cases[0].name.as_str()), (3, "exercise-b"));
        assert_eq!(cases[0].verdict, Verdict::Failed);
        assert!(
            cases[0].why.contains("at src/send_trace.c:31"),
            "{}",
            cases[0].why
        );
    }
}
