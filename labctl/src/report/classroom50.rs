//! Classroom 50's `classroom50/result/v1`. Numbers are whole; what a test has beyond the schema is kept by its readers.

use serde::Serialize;

use super::case::{self, Case};
use super::safe;
use crate::grade::results::Results;
use crate::grade::verdict::Verdict;

/// The name of the schema.
pub const SCHEMA: &str = "classroom50/result/v1";

/// Whose work it is and where it came from: what the runner knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// Name of the classroom.
    pub classroom: String,
    /// Name of the assignment.
    pub assignment: String,
    /// `individual` or `group`.
    pub assignment_type: String,
    /// The user name, or the group's.
    pub owner: String,
    /// The tag, which starts with `submit/`.
    pub tag: String,
    /// Address of the commit.
    pub commit: String,
    /// Address of the release.
    pub release: String,
    /// Address of the review.
    pub review: String,
    /// When it was handed in, RFC 3339 in UTC.
    pub handed_in: String,
    /// When it was graded, likewise.
    pub graded_at: String,
    /// Who handed it in, with the host's number for them.
    pub submitted_by: (String, u64),
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Document {
    schema: &'static str,
    classroom: String,
    assignment: String,
    #[serde(rename = "assignment_type")]
    assignment_type: String,
    owner: String,
    submission: String,
    commit: String,
    release: String,
    review: String,
    datetime: String,
    #[serde(rename = "graded_at")]
    graded_at: String,
    score: u32,
    max_score: u32,
    tests: Vec<Test>,
    #[serde(rename = "submitted_by")]
    submitted_by: Person,
}

#[derive(Serialize)]
struct Person {
    username: String,
    id: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Test {
    test_name: String,
    passed: bool,
    score: u32,
    max_score: u32,
    title: String,
    verdict: &'static str,
    mistake: Option<String>,
    message: String,
}

/// One JSON document with a line break at its end.
///
/// # Errors
/// Never in practice: every member has a JSON form.
pub fn render(results: &Results, submission: &Submission) -> Result<String, serde_json::Error> {
    let (username, id) = &submission.submitted_by;
    let document = Document {
        schema: SCHEMA,
        classroom: safe::line(&submission.classroom),
        assignment: safe::line(&submission.assignment),
        assignment_type: safe::line(&submission.assignment_type),
        owner: safe::line(&submission.owner),
        submission: safe::line(&submission.tag),
        commit: safe::line(&submission.commit),
        release: safe::line(&submission.release),
        review: safe::line(&submission.review),
        datetime: safe::line(&submission.handed_in),
        graded_at: safe::line(&submission.graded_at),
        score: results.points(),
        max_score: results.max_points(),
        tests: case::all(results).into_iter().map(test).collect(),
        submitted_by: Person {
            username: safe::line(username),
            id: *id,
        },
    };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn test(case: Case) -> Test {
    Test {
        test_name: case.name,
        passed: case.verdict == Verdict::Passed,
        score: case.points,
        max_score: case.max_points,
        title: case.title,
        verdict: case.verdict.as_str(),
        mistake: case.mistake,
        message: case.why,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::{hostile, sample};
    use super::*;

    fn submission(owner: &str) -> Submission {
        Submission {
            classroom: "kernel".to_owned(),
            assignment: "module7".to_owned(),
            assignment_type: "individual".to_owned(),
            owner: owner.to_owned(),
            tag: "submit/2026-06-01T14-32-05Z-a1b2c3d".to_owned(),
            commit: "https://x.example/c".to_owned(),
            release: "https://x.example/r".to_owned(),
            review: "https://x.example/v".to_owned(),
            handed_in: "2026-06-01T14:32:05Z".to_owned(),
            graded_at: "2026-06-01T14:33:11Z".to_owned(),
            submitted_by: (owner.to_owned(), 1),
        }
    }

    fn document(results: &Results, owner: &str) -> Value {
        let text = render(results, &submission(owner)).unwrap();
        sample::document(&text, include_str!("../../tests/corpus/schemas/classroom50.json"))
    }

    #[test]
    fn whole_numbers_and_hyphens() {
        let document = document(&sample::partial(), "alice");
        assert_eq!(
            (&document["score"], &document["max-score"]),
            (&json!(6), &json!(10))
        );
        let first = &document["tests"][0];
        assert_eq!(first["test-name"], "exercise-b/copy1-is-the-transfer");
        assert_eq!(
            (&first["passed"], &first["mistake"]),
            (&json!(false), &json!("hashed-pointer"))
        );
        assert_eq!(document["submitted_by"], json!({"username": "alice", "id": 1}));
    }

    proptest! {
        #[test]
        fn no_score_is_above_its_most(results in hostile::results(), owner in "a[^\0]{0,20}") {
            let document = document(&results, &owner);
            for part in document["tests"].as_array().unwrap().iter().chain([&document]) {
                prop_assert!(part["score"].as_u64().unwrap() <= part["max-score"].as_u64().unwrap());
            }
        }
    }
}
