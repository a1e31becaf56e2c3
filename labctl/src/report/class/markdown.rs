//! A table for a page or a step's summary.

use super::super::markdown::text;
use crate::class::{ClassResults, Row};

/// The class as a Markdown table.
#[must_use]
pub fn render(class: &ClassResults) -> String {
    let mut out = format!("## {}\n\n", text(&class.module));
    let titles = class.exercises.iter().map(|exercise| text(&exercise.id));
    let header: Vec<String> = ["student", "name"]
        .map(str::to_owned)
        .into_iter()
        .chain(titles)
        .chain(["total", "notes"].map(str::to_owned))
        .collect();
    line(&mut out, &header);
    let rule = header.iter().enumerate().map(|(at, _)| {
        let is_number = (2..header.len() - 1).contains(&at);
        if is_number { "---:" } else { "---" }.to_owned()
    });
    line(&mut out, &rule.collect::<Vec<_>>());
    for row in &class.rows {
        line(&mut out, &cells(class, row));
    }
    out
}

fn line(out: &mut String, cells: &[String]) {
    out.push_str(&format!("| {} |\n", cells.join(" | ")));
}

fn cells(class: &ClassResults, row: &Row) -> Vec<String> {
    let mut cells = vec![text(&row.id), text(&row.name)];
    for exercise in &class.exercises {
        cells.push(match row.cell(&exercise.id) {
            Some(found) => match found.points {
                Some(points) => format!("{points}/{}", exercise.max_points),
                None => found.verdict.to_string(),
            },
            None => row.standing.as_str().to_owned(),
        });
    }
    let max = class.max_points();
    cells.push(
        row.points()
            .map_or("?".to_owned(), |points| format!("{points}/{max}")),
    );
    let mut notes = row.notes.clone();
    if !row.listed {
        notes.insert(0, "not on the list".to_owned());
    }
    notes.extend(row.mistakes());
    cells.push(text(&notes.join("; ")));
    cells
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_class_as_a_page() {
        insta::assert_snapshot!(render(&sample::class()));
    }
}
