//! Exercism's `results.json`, version 3.
//!
//! `error` for the whole means that nothing could be judged; a test that was not judged for a reason of ours, or whose
//! input could not be read, is an `error` of its own. What a failure blocked is a `fail` that says what it needs.

use serde::Serialize;

use super::case::{self, Case, status};
use super::safe;
use crate::grade::results::Results;
use crate::grade::verdict::Verdict;

/// Characters that the site shows of a test's output.
const OUTPUT_MAX: usize = 500;

/// A message longer than this is cut; no limit is documented.
const MESSAGE_MAX: usize = 65_535;

#[derive(Serialize)]
struct Document {
    version: u32,
    status: &'static str,
    message: Option<String>,
    tests: Vec<Test>,
}

#[derive(Serialize)]
struct Test {
    name: String,
    status: &'static str,
    message: Option<String>,
    output: Option<String>,
    test_code: String,
    task_id: usize,
}

/// One JSON document with a line break at its end.
///
/// # Errors
/// Never in practice: every member has a JSON form.
pub fn render(results: &Results) -> Result<String, serde_json::Error> {
    let tests: Vec<Test> = case::all(results).into_iter().map(test).collect();
    let status = if tests.iter().all(|test| test.status == "pass") {
        "pass"
    } else if tests.iter().all(|test| test.status == "error") {
        "error"
    } else {
        "fail"
    };
    let first = tests.iter().find_map(|test| test.message.clone());
    let document = Document {
        version: 3,
        status,
        message: first.filter(|_| status == "error"),
        tests,
    };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn test(case: Case) -> Test {
    let passed = case.verdict == Verdict::Passed;
    Test {
        name: case.name,
        status: status(case.verdict),
        message: (!passed).then(|| safe::clipped(&case.why, MESSAGE_MAX)),
        output: case.actual.map(|actual| safe::clipped(&actual, OUTPUT_MAX)),
        test_code: case.title,
        task_id: case.task,
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
        sample::document(&text, include_str!("../../tests/corpus/schemas/exercism.json"))
    }

    #[test]
    fn tests_have_tasks() {
        let document = document(&sample::partial());
        assert_eq!(
            (&document["status"], &document["message"]),
            (&json!("fail"), &Value::Null)
        );
        assert_eq!(document["tests"][4]["task_id"], 2);
        assert_eq!(document["tests"][4]["status"], "pass");
        assert_eq!(document["tests"][0]["output"], "0x000000003f1c2a9b");
    }

    #[test]
    fn an_error_says_why() {
        let document = document(&sample::inconclusive());
        assert_eq!(document["status"], "error");
        assert_eq!(document["message"], "inconclusive");
    }

    proptest! {
        #[test]
        fn hostile_text_is_cut_and_kept_in_its_string(results in hostile::results()) {
            let document = document(&results);
            prop_assert_eq!(document["status"] == "error", document["message"].is_string());
        }
    }
}
