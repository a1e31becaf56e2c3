//! A class at a terminal: who has how much, and what went wrong in a few words.

use std::collections::BTreeMap;

use super::super::page::Page;
use super::super::safe;
use super::super::wrap::{clip, pad, width};
use crate::class::{ClassResults, Row, Standing};
use crate::grade::verdict::Verdict;

const NAME_MAX: usize = 32;

/// The class, as lines that each end with a line break.
#[must_use]
pub fn render(class: &ClassResults, columns: usize, colour: bool) -> String {
    let mut page = Page::new(columns, colour);
    let names: Vec<String> = class.rows.iter().map(name).collect();
    let widest = names
        .iter()
        .map(|name| width(name))
        .max()
        .unwrap_or(0)
        .min(NAME_MAX);
    let max = class.max_points();
    let digits = max.to_string().len();
    for (row, name) in class.rows.iter().zip(&names) {
        let points = row.points().map_or("?".to_owned(), |points| points.to_string());
        let name = pad(&clip(name, widest), widest);
        let head = format!("{name}  {points:>digits$}/{max}  ");
        let room = columns.max(40).saturating_sub(width(&head));
        page.line(&format!("{head}{}", clip(&describe(class, row), room)));
    }
    page.line("");
    page.line(&summary(class));
    page.into_string()
}

fn name(row: &Row) -> String {
    let id = safe::line(&row.id);
    if row.name.is_empty() || row.name == row.id {
        id
    } else {
        format!("{id} ({})", safe::line(&row.name))
    }
}

/// What keeps a row from being full, worst first to read: why nothing was graded, then each exercise that did not pass.
fn describe(class: &ClassResults, row: &Row) -> String {
    let mut parts = Vec::new();
    if !row.listed {
        parts.push("not on the list".to_owned());
    }
    if row.standing == Standing::Graded {
        let mut wrong = Vec::new();
        for exercise in &class.exercises {
            match row.cell(&exercise.id) {
                Some(cell) if cell.verdict == Verdict::Passed => {}
                Some(cell) => wrong.push(format!("{} {}", exercise.id, cell.verdict)),
                None => wrong.push(format!("{} not graded", exercise.id)),
            }
        }
        if wrong.is_empty() {
            parts.push("passed".to_owned());
        } else {
            parts.push(wrong.join(", "));
        }
        let mistakes = row.mistakes();
        if !mistakes.is_empty() {
            let ids = mistakes
                .iter()
                .map(|text| text.split_once(": ").map_or(&**text, |(_, id)| id));
            parts.push(ids.collect::<Vec<_>>().join(", "));
        }
    } else {
        parts.push(row.standing.as_str().to_owned());
    }
    parts.extend(row.notes.iter().map(|note| safe::line(note)));
    safe::line(&parts.join(" · "))
}

fn summary(class: &ClassResults) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &class.rows {
        let kind = match &row.results {
            Some(results) if results.all_passed() => "passed",
            Some(results) if results.any_inconclusive() => "inconclusive",
            Some(_) => "not passed",
            None => row.standing.as_str(),
        };
        *counts.entry(kind).or_default() += 1;
    }
    let order = ["passed", "not passed", "inconclusive", "refused", "missing"];
    let parts: Vec<String> = order
        .iter()
        .filter_map(|kind| Some(format!("{} {kind}", counts.get(kind)?)))
        .collect();
    let students = if class.rows.len() == 1 {
        "student"
    } else {
        "students"
    };
    format!("{} {students}: {}", class.rows.len(), parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_class_at_a_terminal() {
        insta::assert_snapshot!(render(&sample::class(), 100, false));
    }
}
