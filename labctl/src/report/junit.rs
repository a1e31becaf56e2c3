//! JUnit XML, as Jenkins, GitLab and most CI servers read it.
//!
//! A `failure` is the student's, an `error` is ours, `skipped` is what a failure blocked. The format has no points, so each
//! suite (an exercise) carries them as properties; a test case may not have any in the strict schema.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::safe;
use crate::grade::results::{GradedExercise, Results};
use crate::grade::verdict::{CheckResult, Finding, Verdict};

/// The results as one XML document with a line break at its end.
///
/// # Errors
/// Never in practice: what XML cannot hold has been escaped before.
pub fn render(results: &Results) -> Result<String, SerializeError> {
    let module = safe::line(&results.module);
    let mut report = Report::new(format!("{}/{module}", safe::line(&results.course)));
    let total = results
        .exercises
        .iter()
        .map(|exercise| exercise.duration_ms)
        .sum();
    report.set_time(Duration::from_millis(total));
    for exercise in &results.exercises {
        report.add_test_suite(suite(results, &module, exercise));
    }
    // quick-junit counts the skipped at the root, too, where no schema has them. The first such words are that attribute:
    // before it is only the name, in which a quote is escaped.
    let skipped = format!(" skipped=\"{}\"", report.skipped);
    Ok(report.to_string()?.replacen(&skipped, "", 1))
}

fn suite(results: &Results, module: &str, exercise: &GradedExercise) -> TestSuite {
    let result = &exercise.result;
    let id = safe::line(&result.id);
    let class = format!("{module}.{id}");
    let mut suite = TestSuite::new(id);
    suite.set_time(Duration::from_millis(exercise.duration_ms));
    for (name, value) in properties(results, exercise) {
        suite.add_property(Property::new(name, value));
    }
    for check in &result.checks {
        let mut case = TestCase::new(safe::line(&check.id), status(check));
        case.set_classname(class.as_str());
        suite.add_test_case(case);
    }
    if let Some(status) = unexplained(exercise) {
        let mut case = TestCase::new("exercise", status);
        case.set_classname(class.as_str());
        suite.add_test_case(case);
    }
    if !result.findings.is_empty() {
        let findings: Vec<String> = result.findings.iter().map(finding).collect();
        suite.set_system_out(findings.join("\n\n"));
    }
    suite
}

fn properties(results: &Results, exercise: &GradedExercise) -> Vec<(String, String)> {
    let result = &exercise.result;
    let mut found = vec![
        ("title".to_owned(), safe::line(&result.title)),
        ("verdict".to_owned(), result.verdict.to_string()),
        ("points".to_owned(), result.points.to_string()),
        ("max_points".to_owned(), result.max_points.to_string()),
        ("seed".to_owned(), safe::line(&results.seed)),
    ];
    for check in &result.checks {
        let name = format!("points.{}", safe::line(&check.id));
        found.push((name, format!("{}/{}", check.points, check.max_points)));
    }
    if let Some(run_dir) = &exercise.run_dir {
        found.push(("run_dir".to_owned(), safe::line(run_dir)));
    }
    if let Some(environment) = &results.environment {
        let facts = [
            ("labctl", &environment.labctl),
            ("kernel", &environment.kernel),
            ("kernel_id", &environment.kernel_id),
            ("image_id", &environment.image_id),
            ("accel", &environment.accel),
            ("accel_reason", &environment.accel_reason),
            ("qemu", &environment.qemu),
        ];
        found.extend(facts.map(|(name, value)| (name.to_owned(), safe::line(value))));
    }
    found
}

fn status(check: &CheckResult) -> TestCaseStatus {
    let mut status = match check.verdict {
        Verdict::Passed => return TestCaseStatus::success(),
        Verdict::Blocked => {
            let mut status = TestCaseStatus::skipped();
            let by = check
                .blocked_by
                .as_deref()
                .map_or_else(|| "another check".to_owned(), safe::line);
            status.set_message(format!("blocked by {by}"));
            return status;
        }
        Verdict::Inconclusive => TestCaseStatus::non_success(NonSuccessKind::Error),
        Verdict::Failed | Verdict::Partial | Verdict::Invalid => {
            TestCaseStatus::non_success(NonSuccessKind::Failure)
        }
    };
    let message = if check.message.is_empty() {
        &check.title
    } else {
        &check.message
    };
    status.set_message(safe::line(message));
    status.set_type(
        check
            .mistake
            .as_deref()
            .map_or_else(|| check.verdict.to_string(), safe::line),
    );
    let details = [
        ("check", Some(&check.title)),
        ("expected", check.expected.as_ref()),
        ("actual", check.actual.as_ref()),
        ("help", check.help.as_ref()),
    ];
    let details: Vec<String> = details
        .into_iter()
        .filter_map(|(name, text)| Some(format!("{name}: {}", safe::line(text?))))
        .collect();
    status.set_description(details.join("\n"));
    status
}

/// What stands for the exercise itself, when it was not passed and no check shows it.
fn unexplained(exercise: &GradedExercise) -> Option<TestCaseStatus> {
    let result = &exercise.result;
    let shown = result
        .checks
        .iter()
        .any(|check| !matches!(check.verdict, Verdict::Passed | Verdict::Blocked));
    let kind = match result.verdict {
        Verdict::Passed => return None,
        Verdict::Inconclusive => NonSuccessKind::Error,
        _ => NonSuccessKind::Failure,
    };
    if shown {
        return None;
    }
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(format!("{}: {}", result.verdict, safe::line(&result.title)));
    status.set_type(result.verdict.as_str());
    Some(status)
}

fn finding(finding: &Finding) -> String {
    let mut out = format!("{}: {}", safe::line(&finding.kind), safe::line(&finding.title));
    if let Some(source) = &finding.source {
        out.push_str(&format!("\nat {}:{}", safe::line(&source.file), source.line));
    }
    out.push('\n');
    out.push_str(&safe::block(&finding.text));
    out
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use lab_kmsg::sanitize::is_plain;
    use proptest::prelude::*;
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;

    use super::super::{hostile, sample};
    use super::*;

    #[test]
    fn every_verdict_has_its_element() {
        let xml = render(&sample::partial()).unwrap();
        let expected = [
            r#"<testsuites name="linux_training/module7" tests="5" failures="1" errors="0" time="4.620">"#,
            r#"<testsuite name="exercise-b" tests="4" skipped="1" errors="0" failures="1" time="2.310">"#,
            r#"<property name="points" value="4"/>"#,
            r#"<property name="points.copy1-is-the-transfer" value="0/2"/>"#,
            r#"<property name="kernel" value="6.12.107-lab"/>"#,
            r#"<testcase name="copy1-is-the-transfer" classname="module7.exercise-b">"#,
            r#"type="hashed-pointer""#,
            r#"expected: 0xffff888004d7c4ac"#,
            r#"<skipped message="blocked by copy1-is-the-transfer"/>"#,
            r#"at src/send_trace.c:31"#,
        ];
        for part in expected {
            assert!(xml.contains(part), "{part} is not in {xml}");
        }
    }

    #[test]
    fn a_failure_of_ours_is_an_error() {
        let xml = render(&sample::inconclusive()).unwrap();
        assert!(
            xml.contains(r#"<testsuite name="exercise-b" tests="1" skipped="0" errors="1" failures="0""#),
            "{xml}"
        );
        assert!(
            xml.contains(r#"<error message="inconclusive: Copy address correlation""#),
            "{xml}"
        );
    }

    #[test]
    fn hostile_text_comes_through_harmless() {
        let xml = render(&sample::hostile()).unwrap();
        assert!(xml.chars().all(|c| is_plain(c) || c == '\n'), "{xml}");
        assert!(!xml.contains("<b>") && !xml.contains("]]>"), "{xml}");
        assert!(xml.contains("\\x1b[2J"), "{xml}");
        // Six checks, each an element of its own, and no more.
        assert_eq!(xml.matches("<testcase ").count(), 6);
        assert_eq!(xml.matches("<failure ").count(), 3);
        assert_eq!(xml.matches("<error ").count(), 1);
        assert_eq!(xml.matches("<skipped ").count(), 1);
    }

    /// By xmllint: a validator of ours would only repeat what we believe of the format.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "tests")]
    #[expect(clippy::print_stderr, reason = "a skip has to say why")]
    fn every_document_is_what_strict_readers_take() {
        let dir = tempfile::tempdir().unwrap();
        let mut documents = vec![sample::partial(), sample::inconclusive(), sample::hostile()];
        let mut runner = TestRunner::default();
        for _ in 0..100 {
            documents.push(hostile::results().new_tree(&mut runner).unwrap().current());
        }
        let mut lint = Command::new("xmllint");
        lint.args(["--nonet", "--noout", "--schema"]).arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/corpus/schemas/junit.xsd"
        ));
        for (number, results) in documents.iter().enumerate() {
            let file = dir.path().join(format!("{number}.xml"));
            fs_err::write(&file, render(results).unwrap()).unwrap();
            lint.arg(file);
        }
        match lint.output() {
            Ok(said) => assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr)),
            Err(error) => {
                assert!(
                    std::env::var_os("LABCTL_FORBID_SKIP").is_none(),
                    "xmllint: {error}"
                );
                eprintln!("skipped: xmllint: {error}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_reader_finds_every_check_and_no_more(results in hostile::results()) {
            let xml = render(&results).unwrap();
            prop_assert!(xml.chars().all(|c| is_plain(c) || c == '\n'));
            let report = Report::deserialize_from_str(&xml).unwrap();
            prop_assert_eq!(report.test_suites.len(), results.exercises.len());
            for (suite, exercise) in report.test_suites.iter().zip(&results.exercises) {
                let checks = exercise.result.checks.len();
                let more = usize::from(unexplained(exercise).is_some());
                prop_assert_eq!(suite.test_cases.len(), checks + more);
                for (case, check) in suite.test_cases.iter().zip(&exercise.result.checks) {
                    let passed = matches!(case.status, TestCaseStatus::Success { .. });
                    prop_assert_eq!(passed, check.verdict == Verdict::Passed);
                }
            }
        }
    }
}
