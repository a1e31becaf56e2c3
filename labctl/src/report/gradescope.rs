//! Gradescope's `results.json`.
//!
//! It knows `passed` and `failed` only; which of the other verdicts it was stands in a test's text and in its
//! `extra_data`. The score at the top is what labctl counts, whatever the tests add up to.

use serde::Serialize;

use super::case::{self, Case};
use super::safe;
use crate::grade::results::Results;
use crate::grade::verdict::Verdict;

#[derive(Serialize)]
struct Document {
    score: u32,
    /// Seconds.
    execution_time: u64,
    output: String,
    output_format: &'static str,
    test_output_format: &'static str,
    test_name_format: &'static str,
    stdout_visibility: &'static str,
    extra_data: Extra,
    tests: Vec<Test>,
}

#[derive(Serialize)]
struct Extra {
    schema: &'static str,
    verdict: &'static str,
    course: String,
    module: String,
    seed: String,
    max_points: u32,
}

#[derive(Serialize)]
struct Test {
    score: u32,
    max_score: u32,
    status: &'static str,
    name: String,
    name_format: &'static str,
    number: String,
    output: String,
    output_format: &'static str,
    tags: Vec<String>,
    visibility: &'static str,
    extra_data: TestExtra,
}

#[derive(Serialize)]
struct TestExtra {
    verdict: &'static str,
    mistake: Option<String>,
}

/// One JSON document with a line break at its end.
///
/// # Errors
/// Never in practice: every member has a JSON form.
pub fn render(results: &Results) -> Result<String, serde_json::Error> {
    let milliseconds: u64 = results
        .exercises
        .iter()
        .map(|exercise| exercise.duration_ms)
        .sum();
    let document = Document {
        score: results.points(),
        execution_time: milliseconds.div_ceil(1000),
        output: output(results),
        output_format: "text",
        test_output_format: "text",
        test_name_format: "text",
        stdout_visibility: "hidden",
        extra_data: Extra {
            schema: super::json::SCHEMA,
            verdict: results.verdict().as_str(),
            course: safe::line(&results.course),
            module: safe::line(&results.module),
            seed: safe::line(&results.seed),
            max_points: results.max_points(),
        },
        tests: case::all(results).into_iter().map(test).collect(),
    };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn output(results: &Results) -> String {
    let mut lines = vec![format!(
        "{}: {} of {} points",
        safe::line(&results.module),
        results.points(),
        results.max_points()
    )];
    for exercise in &results.exercises {
        lines.extend(exercise.result.findings.iter().map(case::found));
    }
    if results.any_inconclusive() {
        lines.push(
            "The laboratory failed, not the submission: what is inconclusive costs nothing. Run the autograder again."
                .to_owned(),
        );
    }
    lines.join("\n")
}

fn test(case: Case) -> Test {
    Test {
        score: case.points,
        max_score: case.max_points,
        status: if case.verdict == Verdict::Passed {
            "passed"
        } else {
            "failed"
        },
        name: format!("{}: {}", case.name, case.title),
        name_format: "text",
        number: case.number,
        output: case.why,
        output_format: "text",
        tags: case.mistake.clone().into_iter().collect(),
        visibility: "visible",
        extra_data: TestExtra {
            verdict: case.verdict.as_str(),
            mistake: case.mistake,
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::{hostile, sample};
    use super::*;

    fn document(results: &Results) -> Value {
        let text = render(results).unwrap();
        sample::document(&text, include_str!("../../tests/corpus/schemas/gradescope.json"))
    }

    #[test]
    fn scores_and_reasons() {
        let document = document(&sample::partial());
        assert_eq!(
            (&document["score"], &document["execution_time"]),
            (&json!(6), &json!(5))
        );
        let first = &document["tests"][0];
        assert_eq!(
            first["name"],
            "exercise-b/copy1-is-the-transfer: COPY1 reports this run's transfer"
        );
        assert_eq!(
            (&first["status"], &first["number"]),
            (&json!("failed"), &json!("1.1"))
        );
        assert_eq!(first["tags"], json!(["hashed-pointer"]));
        let why = first["output"].as_str().unwrap();
        assert!(why.contains("try: %p prints a hash"), "{why}");
        assert_eq!(document["tests"][4]["status"], "passed");
    }

    #[test]
    fn our_own_failure_says_so() {
        let document = document(&sample::inconclusive());
        assert_eq!(document["extra_data"]["verdict"], "inconclusive");
        assert!(
            document["output"]
                .as_str()
                .unwrap()
                .contains("Run the autograder again")
        );
    }

    proptest! {
        #[test]
        fn hostile_text_stays_in_its_string(results in hostile::results()) {
            let document = document(&results);
            let tests = document["tests"].as_array().unwrap();
            prop_assert!(tests.len() >= results.exercises.len());
            let scores: u64 = tests.iter().map(|test| test["score"].as_u64().unwrap()).sum();
            prop_assert_eq!(scores, u64::from(results.points()));
        }
    }
}
