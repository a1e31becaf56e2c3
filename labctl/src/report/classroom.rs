//! What GitHub Classroom's graders hand to its reporter, before it is encoded in base64.
//!
//! The reporter's table counts passed tests and its annotation adds up scores, so with partial credit the two differ; the
//! annotation is the one that is right.

use serde::Serialize;

use super::case::{self, status};
use crate::grade::results::Results;
use crate::grade::verdict::Verdict;

#[derive(Serialize)]
struct Document {
    version: u32,
    status: &'static str,
    max_score: u32,
    tests: Vec<Test>,
}

#[derive(Serialize)]
struct Test {
    name: String,
    status: &'static str,
    score: u32,
    message: Option<String>,
    test_code: String,
    filename: &'static str,
    line_no: u32,
}

/// One JSON document with a line break at its end.
///
/// # Errors
/// Never in practice: every member has a JSON form.
pub fn render(results: &Results) -> Result<String, serde_json::Error> {
    let document = Document {
        version: 1,
        status: status(results.verdict()),
        max_score: results.max_points(),
        tests: case::all(results)
            .into_iter()
            .map(|case| Test {
                status: status(case.verdict),
                score: case.points,
                message: (case.verdict != Verdict::Passed).then_some(case.why),
                test_code: case.title,
                name: case.name,
                filename: "",
                line_no: 0,
            })
            .collect(),
    };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::{hostile, sample};
    use super::*;

    fn document(results: &Results) -> Value {
        let text = render(results).unwrap();
        sample::document(&text, include_str!("../../tests/corpus/schemas/classroom.json"))
    }

    #[test]
    fn every_verdict_has_its_status() {
        let partial = document(&sample::partial());
        assert_eq!(
            (&partial["status"], &partial["max_score"]),
            (&"fail".into(), &10.into())
        );
        assert_eq!(document(&sample::inconclusive())["status"], "error");
    }

    proptest! {
        #[test]
        fn hostile_text_stays_in_its_string(results in hostile::results()) {
            document(&results);
        }
    }
}
