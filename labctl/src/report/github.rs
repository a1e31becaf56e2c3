//! Annotations for GitHub Actions: commands in its log that put a message at a line of a file.
//!
//! A line of the log that starts with `::` is a command, so a text is escaped until it is one line of one command.

use super::case;
use super::safe;
use crate::grade::results::{GradedExercise, Results};
use crate::grade::verdict::{CheckResult, Finding, Verdict};

/// Bytes that a step may write into its summary.
pub const SUMMARY_MAX: usize = 1 << 20;

/// One line per annotation: crashes and compiler errors at their line, then what is wrong, then the points. A page shows
/// ten errors and ten warnings of a step, so what explains most comes first.
///
/// `workspace` is the student's folder as seen from the repository's, such as `module7`, or empty when it is the same;
/// without it no annotation names a file.
#[must_use]
pub fn annotations(results: &Results, workspace: Option<&str>) -> String {
    let name = |exercise: &GradedExercise| format!("{}/{}", results.module, exercise.result.id);
    let mut lines = Vec::new();
    for exercise in &results.exercises {
        for finding in &exercise.result.findings {
            lines.push(found(&name(exercise), exercise, finding, workspace));
        }
    }
    for exercise in &results.exercises {
        let checks = exercise.result.checks.iter();
        lines.extend(checks.filter_map(|check| wrong(&name(exercise), check)));
    }
    let points = format!("{} of {} points", results.points(), results.max_points());
    lines.push(command(
        "notice",
        &[("title", safe::line(&results.module))],
        &points,
    ));
    lines.join("\n") + "\n"
}

/// The step's outputs, for its `GITHUB_OUTPUT`: words and numbers of ours, nothing of a student's.
#[must_use]
pub fn outputs(results: &Results) -> String {
    format!(
        "verdict={}\npoints={}\nmax-points={}\n",
        results.verdict(),
        results.points(),
        results.max_points()
    )
}

fn found(name: &str, exercise: &GradedExercise, finding: &Finding, workspace: Option<&str>) -> String {
    let level = if exercise.result.verdict == Verdict::Passed {
        "warning"
    } else {
        "error"
    };
    let mut properties = Vec::new();
    let mut message = safe::line(&finding.title);
    if let Some(source) = &finding.source {
        match workspace {
            Some(workspace) => {
                let file = if workspace.is_empty() {
                    source.file.clone()
                } else {
                    format!("{workspace}/{}", source.file)
                };
                properties.push(("file", safe::line(&file)));
                properties.push(("line", source.line.to_string()));
            }
            None => message = case::found(finding),
        }
    }
    let title = format!("{}: {}", safe::line(name), safe::line(&finding.kind));
    properties.push(("title", title));
    command(level, &properties, &message)
}

fn wrong(name: &str, check: &CheckResult) -> Option<String> {
    let level = match check.verdict {
        Verdict::Passed | Verdict::Blocked => return None,
        Verdict::Failed => "error",
        Verdict::Partial | Verdict::Invalid | Verdict::Inconclusive => "warning",
    };
    let title = format!("{}: {}", safe::line(name), safe::line(&check.title));
    Some(command(level, &[("title", title)], &case::why(check)))
}

fn command(level: &str, properties: &[(&str, String)], message: &str) -> String {
    let properties: Vec<String> = properties
        .iter()
        .map(|(name, value)| {
            let value = data(value).replace(':', "%3A").replace(',', "%2C");
            format!("{name}={value}")
        })
        .collect();
    format!("::{level} {}::{}", properties.join(","), data(message))
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use lab_kmsg::sanitize::is_plain;
    use proptest::prelude::*;

    use super::super::{hostile, sample};
    use super::*;

    /// What a runner makes of a line of its log.
    #[derive(Debug, PartialEq)]
    struct Command {
        name: String,
        properties: Vec<(String, String)>,
        message: String,
    }

    fn parsed(line: &str) -> Option<Command> {
        let (head, message) = line.trim_start().strip_prefix("::")?.split_once("::")?;
        let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
        let plain = |text: &str| {
            let text = text.replace("%0A", "\n").replace("%0D", "\r").replace("%3A", ":");
            text.replace("%2C", ",").replace("%25", "%")
        };
        Some(Command {
            name: name.to_owned(),
            properties: properties
                .split(',')
                .filter_map(|property| property.split_once('='))
                .map(|(name, value)| (name.to_owned(), plain(value)))
                .collect(),
            message: plain(message),
        })
    }

    #[test]
    fn a_crash_is_at_its_line() {
        let text = annotations(&sample::partial(), Some("work/module7"));
        let lines: Vec<Command> = text.lines().map(|line| parsed(line).unwrap()).collect();
        assert_eq!(lines[0].name, "error");
        let property = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            lines[0].properties,
            [
                property("file", "work/module7/src/send_trace.c"),
                property("line", "31"),
                property("title", "module7/exercise-b: null-dereference"),
            ]
        );
        assert!(
            lines[1].message.contains("try: %p prints a hash"),
            "{:?}",
            lines[1]
        );
        assert_eq!(lines.last().unwrap().message, "6 of 10 points");
        assert_eq!(lines.len(), 3);
    }

    #[test]
    fn without_a_workspace_the_place_is_in_the_message() {
        let text = annotations(&sample::partial(), None);
        assert!(!text.contains("file="), "{text}");
        assert!(text.contains(" at src/send_trace.c:31\n"), "{text}");
    }

    #[test]
    fn outputs_are_words_and_numbers() {
        assert_eq!(
            outputs(&sample::partial()),
            "verdict=partial\npoints=6\nmax-points=10\n"
        );
        assert_eq!(
            outputs(&sample::inconclusive()),
            "verdict=inconclusive\npoints=0\nmax-points=0\n"
        );
    }

    proptest! {
        #[test]
        fn hostile_text_is_no_command(results in hostile::results()) {
            let text = annotations(&results, Some("a,b:c"));
            prop_assert!(text.chars().all(|c| is_plain(c) || c == '\n'));
            let mut expected = 1;
            for exercise in &results.exercises {
                let result = &exercise.result;
                let wrong = |check: &&CheckResult| !matches!(check.verdict, Verdict::Passed | Verdict::Blocked);
                expected += result.findings.len() + result.checks.iter().filter(wrong).count();
            }
            prop_assert_eq!(text.lines().count(), expected);
            for line in text.lines() {
                let command = parsed(line).unwrap();
                prop_assert!(["error", "warning", "notice"].contains(&command.name.as_str()), "{line}");
                let names: Vec<&str> = command.properties.iter().map(|(name, _)| name.as_str()).collect();
                prop_assert!([&["title"][..], &["file", "line", "title"]].contains(&names.as_slice()), "{line}");
                prop_assert!(!line.contains("##[") && !line.contains("##vso["), "{line}");
            }
        }
    }
}
