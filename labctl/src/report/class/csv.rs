//! The table for a gradebook (RFC 4180): one line for each student, the same bytes for the same verdicts. Nothing in it
//! depends on when or where a class was graded.

use std::fmt::Write as _;

use super::super::safe;
use crate::class::{ClassResults, Row};

/// Cells before the exercises'.
const BEFORE: [&str; 5] = ["student", "name", "email", "section", "standing"];
/// Cells after them.
const AFTER: [&str; 6] = ["total", "max", "percent", "verdicts", "mistakes", "notes"];

/// The table with its header, lines ended by CR LF.
#[must_use]
pub fn render(class: &ClassResults) -> String {
    let mut out = String::new();
    let exercises = class.exercises.iter().map(|exercise| text(&exercise.id));
    let header = BEFORE.iter().map(|cell| (*cell).to_owned());
    let after = AFTER.iter().map(|cell| (*cell).to_owned());
    line(&mut out, header.chain(exercises).chain(after));
    for row in &class.rows {
        line(&mut out, cells(class, row));
    }
    out
}

fn cells(class: &ClassResults, row: &Row) -> Vec<String> {
    let number = |number: Option<u32>| number.map_or(String::new(), |number| number.to_string());
    let max = class.max_points();
    let mut cells = vec![
        text(&row.id),
        text(&row.name),
        text(&row.email),
        text(&row.section),
        row.standing.as_str().to_owned(),
    ];
    for exercise in &class.exercises {
        let cell = row.cell(&exercise.id);
        cells.push(cell.map_or_else(|| "0".to_owned(), |cell| number(cell.points)));
    }
    cells.push(number(row.points()));
    cells.push(max.to_string());
    cells.push(number(row.points().map(|points| percent(points, max))));
    let verdicts = class.exercises.iter().filter_map(|exercise| {
        let cell = row.cell(&exercise.id)?;
        Some(format!("{}: {}", exercise.id, cell.verdict))
    });
    cells.push(text(&verdicts.collect::<Vec<_>>().join("; ")));
    cells.push(text(&row.mistakes().join("; ")));
    let mut notes = row.notes.clone();
    if !row.listed {
        notes.insert(0, "not on the list".to_owned());
    }
    cells.push(text(&notes.join("; ")));
    cells
}

/// Whole percents, rounded down: nobody has all of it who has not.
pub(super) fn percent(points: u32, max: u32) -> u32 {
    (points * 100).checked_div(max).unwrap_or(0)
}

fn line(out: &mut String, cells: impl IntoIterator<Item = String>) {
    for (index, cell) in cells.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        if cell.contains([',', '"', '\n', '\r']) || cell != cell.trim() {
            // Writing to a `String` cannot fail.
            let _ = write!(out, "\"{}\"", cell.replace('"', "\"\""));
        } else {
            out.push_str(&cell);
        }
    }
    out.push_str("\r\n");
}

/// A text that no spreadsheet takes for a formula: those begin with one of `=+-@`, and a leading apostrophe makes a text
/// of them. Control characters are escaped already.
fn text(text: &str) -> String {
    let text = safe::line(text);
    if text
        .trim_start()
        .starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠', '|', '%'])
    {
        format!("'{text}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_class_as_a_table() {
        insta::assert_snapshot!(render(&sample::class()).replace('\r', ""));
    }

    #[test]
    fn a_csv_reader_finds_the_same_cells() {
        let class = sample::class();
        let text = render(&class);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let width = reader.headers().unwrap().len();
        let records: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(records.len(), class.rows.len());
        for record in records {
            assert_eq!(record.len(), width);
            for cell in &record {
                assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
                assert!(cell.chars().all(lab_kmsg::sanitize::is_plain), "{cell}");
            }
        }
    }
}
