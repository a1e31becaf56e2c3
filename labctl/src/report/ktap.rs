//! KTAP, the kernel's own test protocol: `kunit.py parse` and kselftest's tools read it.
//!
//! An exercise is a test, its checks are subtests. `ERROR` marks what was not judged on its merits (input that could not
//! be read, a laboratory that failed), `SKIP` what a failure blocked. Diagnostics stand before the result that they
//! explain, each with a label, so that none can be taken for a header such as `# Subtest:`.

use std::fmt::Write as _;

use super::safe;
use crate::grade::results::{GradedExercise, Results};
use crate::grade::verdict::{CheckResult, Finding, Verdict};

const VERSION: &str = "KTAP version 1";

/// The results as lines that each end with a line break.
#[must_use]
pub fn render(results: &Results) -> String {
    let mut out = format!("{VERSION}\n1..{}\n", results.exercises.len());
    for (index, exercise) in results.exercises.iter().enumerate() {
        self::exercise(&mut out, index + 1, exercise);
    }
    if let Some(environment) = &results.environment {
        diagnostic(&mut out, "", "kernel", &environment.kernel);
        let accel = format!("{} ({})", environment.accel, environment.accel_reason);
        diagnostic(&mut out, "", "accel", &accel);
    }
    let points = format!("{} of {}", results.points(), results.max_points());
    diagnostic(&mut out, "", "points", &points);
    out
}

// Writing to a String cannot fail.
fn exercise(out: &mut String, number: usize, exercise: &GradedExercise) {
    let result = &exercise.result;
    let name = description(&result.id);
    let inner = "  ";
    if !result.checks.is_empty() {
        let _ = write!(
            out,
            "{inner}{VERSION}\n{inner}# Subtest: {name}\n{inner}1..{}\n",
            result.checks.len()
        );
    }
    for (index, check) in result.checks.iter().enumerate() {
        if !matches!(check.verdict, Verdict::Passed | Verdict::Blocked) {
            explain(out, inner, check);
        }
        let result = outcome(check.verdict);
        let reason = match (check.verdict, &check.blocked_by) {
            (Verdict::Blocked, Some(by)) => format!(" needs {}", description(by)),
            _ => String::new(),
        };
        let name = description(&check.id);
        let _ = writeln!(
            out,
            "{inner}{} {} {name}{}{reason}",
            result.word,
            index + 1,
            result.directive
        );
    }
    for found in &result.findings {
        finding(out, found);
    }
    let points = format!("{} of {}", result.points, result.max_points);
    diagnostic(out, "", "points", &points);
    if result.verdict != Verdict::Passed {
        diagnostic(out, "", "verdict", result.verdict.as_str());
    }
    if let Some(run_dir) = &exercise.run_dir {
        diagnostic(out, "", "evidence", run_dir);
    }
    let outcome = outcome(result.verdict);
    let _ = writeln!(out, "{} {number} {name}{}", outcome.word, outcome.directive);
}

struct Outcome {
    word: &'static str,
    directive: &'static str,
}

const fn outcome(verdict: Verdict) -> Outcome {
    let (word, directive) = match verdict {
        Verdict::Passed => ("ok", ""),
        Verdict::Partial | Verdict::Failed => ("not ok", ""),
        Verdict::Blocked => ("ok", " # SKIP"),
        Verdict::Invalid => ("not ok", " # ERROR unreadable input"),
        Verdict::Inconclusive => ("not ok", " # ERROR the laboratory failed"),
    };
    Outcome { word, directive }
}

fn explain(out: &mut String, indent: &str, check: &CheckResult) {
    diagnostic(out, indent, "check", &check.title);
    diagnostic(out, indent, "message", &check.message);
    let parts = [
        ("expected", &check.expected),
        ("actual", &check.actual),
        ("mistake", &check.mistake),
        ("help", &check.help),
    ];
    for (label, text) in parts {
        if let Some(text) = text {
            diagnostic(out, indent, label, text);
        }
    }
}

fn finding(out: &mut String, finding: &Finding) {
    diagnostic(out, "", "found", &format!("{}: {}", finding.kind, finding.title));
    if let Some(source) = &finding.source {
        diagnostic(out, "", "at", &format!("{}:{}", source.file, source.line));
    }
    diagnostic(out, "", "log", &finding.text);
}

/// A line for each line of the text, all with the label.
fn diagnostic(out: &mut String, indent: &str, label: &str, text: &str) {
    for line in safe::block(text).lines() {
        let _ = writeln!(out, "{}", format!("{indent}# {label}: {line}").trim_end());
    }
}

/// A name in a result line, in which `#` would begin a directive.
fn description(text: &str) -> String {
    let text = safe::line(text).replace('#', "\\x23");
    let text = text.trim().trim_start_matches('-').trim();
    if text.is_empty() {
        "unnamed".to_owned()
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use lab_kmsg::sanitize::is_plain;
    use proptest::prelude::*;

    use super::super::{hostile, sample};
    use super::*;

    /// A test with its subtests, as a strict reader of the protocol finds it: every line is accounted for.
    #[derive(Debug)]
    struct Read {
        ok: bool,
        directive: Option<String>,
        name: String,
        subtests: Vec<Read>,
    }

    fn read(lines: &mut std::iter::Peekable<std::str::Lines<'_>>, indent: &str) -> Vec<Read> {
        assert_eq!(lines.next(), Some(format!("{indent}{VERSION}").as_str()));
        let is_diagnostic = |line: &str| {
            line.strip_prefix(indent)
                .is_some_and(|rest| rest.starts_with("# "))
        };
        while lines
            .next_if(|line| is_diagnostic(line) && line.contains("# Subtest: "))
            .is_some()
        {}
        let plan = lines.next().unwrap();
        let plan: usize = plan
            .strip_prefix(indent)
            .and_then(|rest| rest.strip_prefix("1.."))
            .unwrap_or_else(|| panic!("{plan} is no plan"))
            .parse()
            .unwrap();
        let mut found = Vec::new();
        while found.len() < plan {
            while lines.next_if(|line| is_diagnostic(line)).is_some() {}
            let deeper = format!("{indent}  ");
            let subtests = if lines.peek().is_some_and(|line| line.starts_with(&deeper)) {
                read(lines, &deeper)
            } else {
                Vec::new()
            };
            while lines.next_if(|line| is_diagnostic(line)).is_some() {}
            let line = lines.next().unwrap();
            found.push(result(
                line,
                line.strip_prefix(indent).unwrap(),
                found.len() + 1,
                subtests,
            ));
        }
        found
    }

    fn result(line: &str, text: &str, number: usize, subtests: Vec<Read>) -> Read {
        let (ok, rest) = match text.strip_prefix("not ok ") {
            Some(rest) => (false, rest),
            None => (
                true,
                text.strip_prefix("ok ").unwrap_or_else(|| panic!("{line:?}")),
            ),
        };
        let (found, rest) = rest.split_once(' ').unwrap();
        assert_eq!(found, number.to_string(), "{line:?}");
        let (name, directive) = match rest.split_once(" # ") {
            Some((name, directive)) => (name, Some(directive.to_owned())),
            None => (rest, None),
        };
        assert!(!name.contains('#') && !name.is_empty(), "{line:?}");
        if let Some(directive) = &directive {
            let word = directive.split(' ').next().unwrap();
            assert!(["SKIP", "ERROR"].contains(&word), "{line:?}");
            assert_eq!(ok, word == "SKIP", "{line:?}");
        }
        Read {
            ok,
            directive,
            name: name.to_owned(),
            subtests,
        }
    }

    fn parsed(text: &str) -> Vec<Read> {
        let mut lines = text.lines().peekable();
        let found = read(&mut lines, "");
        assert!(lines.all(|line| line.starts_with("# ")), "{text}");
        found
    }

    #[test]
    fn what_a_failure_looks_like() {
        let text = render(&sample::partial());
        let expected = "\
KTAP version 1
1..2
  KTAP version 1
  # Subtest: exercise-b
  1..4
  # check: COPY1 reports this run's transfer
  # message: COPY1's destination is not where the witness saw the bytes go
  # expected: 0xffff888004d7c4ac
  # actual: 0x000000003f1c2a9b
  # mistake: hashed-pointer
  # help: %p prints a hash; %px prints the address
  not ok 1 copy1-is-the-transfer
  ok 2 same-kernel-address # SKIP needs copy1-is-the-transfer
  ok 3 send_trace-builds
  ok 4 copies
# found: null-dereference: NULL pointer dereference at 0x10 in handler_send+0x1f/0x60 [send_trace]
# at: src/send_trace.c:31
# log: BUG: kernel NULL pointer dereference, address: 0000000000000010
# log: #PF: supervisor write access
# points: 4 of 8
# verdict: partial
# evidence: .labctl/runs/exercise-b
not ok 1 exercise-b
";
        assert!(text.starts_with(expected), "{text}");
        let tests = parsed(&text);
        assert_eq!((tests.len(), tests[0].subtests.len()), (2, 4));
        assert!(tests[1].ok && tests[1].name == "exercise-a" && tests[1].directive.is_none());
    }

    #[test]
    fn a_failure_of_ours_is_an_error() {
        let tests = parsed(&render(&sample::inconclusive()));
        assert!(!tests[0].ok);
        assert_eq!(tests[0].directive.as_deref(), Some("ERROR the laboratory failed"));
    }

    proptest! {
        #[test]
        fn hostile_text_is_no_result(results in hostile::results()) {
            let text = render(&results);
            prop_assert!(text.chars().all(|c| is_plain(c) || c == '\n'));
            prop_assert!(text.lines().all(|line| !line.trim_start().starts_with("::")));
            let headers = text.matches("# Subtest: ").count();
            let judged = results.exercises.iter().filter(|exercise| !exercise.result.checks.is_empty()).count();
            // The label before a text keeps it from being one; the text itself may say so.
            prop_assert!(headers >= judged);
            let tests = parsed(&text);
            prop_assert_eq!(tests.len(), results.exercises.len());
            for (test, exercise) in tests.iter().zip(&results.exercises) {
                prop_assert_eq!(test.ok, matches!(exercise.result.verdict, Verdict::Passed | Verdict::Blocked));
                prop_assert_eq!(test.subtests.len(), exercise.result.checks.len());
                for (subtest, check) in test.subtests.iter().zip(&exercise.result.checks) {
                    prop_assert_eq!(subtest.ok, matches!(check.verdict, Verdict::Passed | Verdict::Blocked));
                }
            }
        }
    }
}
