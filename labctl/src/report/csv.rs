//! One row per check, as RFC 4180 has it, for a spreadsheet or a script.

use super::safe;
use crate::grade::results::{GradedExercise, Results};
use crate::grade::verdict::CheckResult;

/// The first row.
pub const HEADER: [&str; 18] = [
    "course",
    "module",
    "seed",
    "exercise",
    "exercise_verdict",
    "exercise_points",
    "exercise_max_points",
    "check",
    "title",
    "verdict",
    "points",
    "max_points",
    "mistake",
    "message",
    "expected",
    "actual",
    "help",
    "blocked_by",
];

/// The results as rows that each end with CR LF. An exercise of which no check was judged has one row, in which what is
/// about a check is empty.
#[must_use]
pub fn render(results: &Results) -> String {
    let mut out = row(&HEADER);
    for exercise in &results.exercises {
        if exercise.result.checks.is_empty() {
            out.push_str(&of(results, exercise, None));
        }
        for check in &exercise.result.checks {
            out.push_str(&of(results, exercise, Some(check)));
        }
    }
    out
}

fn of(results: &Results, exercise: &GradedExercise, check: Option<&CheckResult>) -> String {
    let result = &exercise.result;
    let text = |text: Option<&String>| text.map_or_else(String::new, |text| safe::cell(text));
    let number = |number: Option<u32>| number.map_or_else(String::new, |number| number.to_string());
    row(&[
        safe::cell(&results.course),
        safe::cell(&results.module),
        safe::cell(&results.seed),
        safe::cell(&result.id),
        result.verdict.to_string(),
        result.points.to_string(),
        result.max_points.to_string(),
        text(check.map(|check| &check.id)),
        text(check.map(|check| &check.title)),
        check.map_or_else(String::new, |check| check.verdict.to_string()),
        number(check.map(|check| check.points)),
        number(check.map(|check| check.max_points)),
        text(check.and_then(|check| check.mistake.as_ref())),
        text(check.map(|check| &check.message)),
        text(check.and_then(|check| check.expected.as_ref())),
        text(check.and_then(|check| check.actual.as_ref())),
        text(check.and_then(|check| check.help.as_ref())),
        text(check.and_then(|check| check.blocked_by.as_ref())),
    ])
}

/// One row of cells that are safe already, quoted where RFC 4180 asks for it.
pub(crate) fn row(cells: &[impl AsRef<str>]) -> String {
    let quoted: Vec<String> = cells
        .iter()
        .map(|cell| {
            let cell = cell.as_ref();
            if cell.contains(['"', ',', ';', '\r', '\n']) || cell.starts_with(' ') || cell.ends_with(' ') {
                format!("\"{}\"", cell.replace('"', "\"\""))
            } else {
                cell.to_owned()
            }
        })
        .collect();
    quoted.join(",") + "\r\n"
}

#[cfg(test)]
mod tests {
    use lab_kmsg::sanitize::is_plain;
    use proptest::prelude::*;

    use super::super::{hostile, sample};
    use super::*;

    fn parsed(text: &str) -> Vec<Vec<String>> {
        csv::ReaderBuilder::new()
            .has_headers(false)
            .from_reader(text.as_bytes())
            .records()
            .map(|record| record.unwrap().iter().map(str::to_owned).collect())
            .collect()
    }

    #[test]
    fn a_row_for_every_check() {
        let rows = parsed(&render(&sample::partial()));
        assert_eq!(rows[0], HEADER);
        assert_eq!(rows.len(), 1 + 5);
        assert_eq!(
            rows[1][3..14],
            [
                "exercise-b",
                "partial",
                "4",
                "8",
                "copy1-is-the-transfer",
                "COPY1 reports this run's transfer",
                "failed",
                "0",
                "2",
                "hashed-pointer",
                "COPY1's destination is not where the witness saw the bytes go",
            ]
        );
        assert_eq!(rows[2][17], "copy1-is-the-transfer");
    }

    #[test]
    fn an_exercise_without_checks_has_a_row_too() {
        let rows = parsed(&render(&sample::inconclusive()));
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[1][4..8], ["inconclusive", "0", "0", ""]);
    }

    proptest! {
        #[test]
        fn hostile_text_makes_no_row_and_no_formula(results in hostile::results()) {
            let text = render(&results);
            prop_assert!(text.chars().all(|c| is_plain(c) || c == '\r' || c == '\n'));
            let rows = parsed(&text);
            let expected: usize = results.exercises.iter().map(|exercise| exercise.result.checks.len().max(1)).sum();
            prop_assert_eq!(rows.len(), 1 + expected);
            for row in rows {
                prop_assert_eq!(row.len(), HEADER.len());
                for cell in row {
                    prop_assert!(!cell.trim_start().starts_with(['=', '+', '-', '@']), "{}", cell);
                    prop_assert!(!cell.starts_with("::"), "{}", cell);
                }
            }
        }
    }
}
