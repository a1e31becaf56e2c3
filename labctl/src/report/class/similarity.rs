//! Pairs of students whose work looks alike. Nothing here is a verdict, and no table of points has any of it.

use serde::Serialize;

use super::super::safe;
use crate::similar::Pair;

/// The name of the schema, in every document's `schema`.
pub const SCHEMA: &str = "labctl/similarity/v1";

/// Pairs that are listed at a terminal; all are in the file.
const SHOWN: usize = 10;

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    about: &'static str,
    pairs: Vec<PairShape>,
}

#[derive(Serialize)]
struct PairShape {
    students: [String; 2],
    sources: Vec<SourceShape>,
    answers: Vec<AnswerShape>,
}

#[derive(Serialize)]
struct SourceShape {
    path: String,
    percent: u32,
}

#[derive(Serialize)]
struct AnswerShape {
    check: String,
    value: String,
    right_for: [bool; 2],
}

/// All pairs as one JSON document with a line break at its end.
///
/// # Errors
/// Never in practice: every member has a JSON form.
pub fn json(pairs: &[Pair]) -> Result<String, serde_json::Error> {
    let shape = |pair: &Pair| PairShape {
        students: [safe::line(&pair.one), safe::line(&pair.other)],
        sources: pair
            .sources
            .iter()
            .map(|shared| SourceShape {
                path: safe::line(&shared.path),
                percent: shared.percent,
            })
            .collect(),
        answers: pair
            .answers
            .iter()
            .map(|shared| AnswerShape {
                check: safe::line(&shared.check),
                value: safe::line(&shared.value),
                right_for: [shared.right_for_one, shared.right_for_other],
            })
            .collect(),
    };
    let document = Document {
        schema: SCHEMA,
        about: "for a person to look at; no verdict rests on it",
        pairs: pairs.iter().map(shape).collect(),
    };
    let mut out = serde_json::to_string_pretty(&document)?;
    out.push('\n');
    Ok(out)
}

/// The first of them as lines; nothing when there are none.
#[must_use]
pub fn human(pairs: &[Pair]) -> String {
    if pairs.is_empty() {
        return String::new();
    }
    let mut out = "\nAlike, for a person to look at (no verdict rests on it):\n".to_owned();
    for pair in pairs.iter().take(SHOWN) {
        let sources = pair
            .sources
            .iter()
            .map(|shared| format!("{} {} %", shared.path, shared.percent));
        let answers = pair.answers.iter().map(|shared| {
            let whose = match (shared.right_for_one, shared.right_for_other) {
                (true, _) => format!("right for {} only", pair.one),
                (_, true) => format!("right for {} only", pair.other),
                _ => "wrong for both".to_owned(),
            };
            format!("{} {} ({whose})", shared.check, shared.value)
        });
        let all: Vec<String> = answers.chain(sources).collect();
        let line = format!("  {} and {}: {}", pair.one, pair.other, all.join(", "));
        out.push_str(&safe::line(&line));
        out.push('\n');
    }
    if pairs.len() > SHOWN {
        out.push_str(&format!(
            "  and {} more pairs in similarity.json\n",
            pairs.len() - SHOWN
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::similar::{SharedAnswer, SharedSource};

    #[test]
    fn pairs_are_told_harmlessly() {
        let pair = Pair {
            one: "alice".to_owned(),
            other: "b\u{1b}[2Job".to_owned(),
            sources: vec![SharedSource {
                path: "src/send_trace.c".to_owned(),
                percent: 92,
            }],
            answers: vec![SharedAnswer {
                check: "exercise-b/copy1_to".to_owned(),
                value: "0xffff888112340050".to_owned(),
                right_for_one: true,
                right_for_other: false,
            }],
        };
        insta::assert_snapshot!(human(std::slice::from_ref(&pair)));
        let document: serde_json::Value = serde_json::from_str(&json(&[pair]).unwrap()).unwrap();
        assert_eq!(document["pairs"][0]["students"][1], "b\\x1b[2Job");
        assert_eq!(
            document["pairs"][0]["answers"][0]["right_for"],
            serde_json::json!([true, false])
        );
        assert_eq!(human(&[]), "");
    }
}
