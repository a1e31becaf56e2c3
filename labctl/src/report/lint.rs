//! What `lint` saw: for its author at a terminal, and as `labctl/lint/v1`.

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::page::Page;
use super::safe;
use super::wrap::{pad, width};
use crate::lint::report::{Item, State};

/// The name of the schema.
pub const SCHEMA: &str = "labctl/lint/v1";

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    course: &'a str,
    seeds: usize,
    live: bool,
    checks: Vec<CheckShape>,
    summary: Summary,
}

#[derive(Serialize)]
struct CheckShape {
    name: &'static str,
    subject: String,
    state: &'static str,
    detail: String,
    problems: Vec<ProblemShape>,
}

#[derive(Serialize)]
struct ProblemShape {
    file: String,
    line: u32,
    column: u32,
    what: String,
    help: String,
}

#[derive(Serialize)]
struct Summary {
    ok: usize,
    problems: usize,
    not_run: usize,
}

/// One JSON document with a line break at its end.
///
/// # Errors
/// Never in practice: every member has a JSON form.
pub fn json(course: &str, seeds: usize, live: bool, items: &[Item]) -> Result<String, serde_json::Error> {
    let document = Document {
        schema: SCHEMA,
        course,
        seeds,
        live,
        checks: items.iter().map(check).collect(),
        summary: summary(items),
    };
    let mut out = serde_json::to_string_pretty(&document)?;
    out.push('\n');
    Ok(out)
}

fn check(item: &Item) -> CheckShape {
    let problems = item.problems.iter().map(|problem| ProblemShape {
        file: safe::line(&problem.file),
        line: problem.line,
        column: problem.column,
        what: safe::line(&problem.what),
        help: safe::line(&problem.help),
    });
    CheckShape {
        name: item.name,
        subject: item.subject.clone(),
        state: item.state.as_str(),
        detail: safe::line(&item.detail),
        problems: problems.collect(),
    }
}

fn summary(items: &[Item]) -> Summary {
    let count = |state| items.iter().filter(|item| item.state == state).count();
    Summary {
        ok: count(State::Right),
        problems: items.iter().map(|item| item.problems.len()).sum(),
        not_run: count(State::NotRun),
    }
}

/// One line per check; under it, one line per problem in the form that editors jump to, and what to do.
#[must_use]
pub fn human(items: &[Item], columns: usize, colour: bool) -> String {
    let mut page = Page::new(columns, colour);
    let widest = |text: fn(&Item) -> &str| items.iter().map(|item| width(text(item))).max().unwrap_or(0);
    let (name, subject) = (widest(|item| item.name), widest(|item| &item.subject));
    for item in items {
        let style = match item.state {
            State::Right => AnsiColor::Green.on_default(),
            State::Wrong => AnsiColor::Red.on_default().bold(),
            State::NotRun => AnsiColor::Yellow.on_default(),
        };
        let state = page.styled(&pad(item.state.as_str(), 7), style);
        let detail = if item.state == State::Wrong {
            match item.problems.len() {
                1 => "1 problem".to_owned(),
                many => format!("{many} problems"),
            }
        } else {
            safe::line(&item.detail)
        };
        page.line(&format!(
            "{state}  {}  {}  {detail}",
            pad(item.name, name),
            pad(&item.subject, subject)
        ));
        for problem in &item.problems {
            // Not wrapped: whoever reads it may be an editor.
            let place = format!("{}:{}:{}", problem.file, problem.line, problem.column);
            let place = page.styled(&safe::line(&place), Style::new().bold());
            page.line(&format!("{place}: {}", safe::line(&problem.what)));
            page.paragraph(4, "", &safe::line(&problem.help), Style::new().dimmed());
        }
    }
    let Summary {
        ok,
        problems,
        not_run,
    } = summary(items);
    page.line("");
    page.line(&format!(
        "{} checks: {ok} ok, {problems} problems, {not_run} not run",
        items.len()
    ));
    page.into_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::report::Problem;

    fn items() -> Vec<Item> {
        let problem = Problem::at("labs/a/x.yaml", 3, 7, "is\x1b[2J odd", "mend it");
        vec![
            Item::judged("points", "a/x", "3 and 4 are 7", Vec::new()),
            Item::judged("words", "a/x", "9 sentences", vec![problem]),
            Item::not_run("mutants-live", "a/x", "2 mutants need a guest"),
        ]
    }

    #[test]
    fn a_problem_stands_at_the_start_of_its_line() {
        let text = human(&items(), 100, false);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "ok       points        a/x  3 and 4 are 7");
        assert_eq!(lines[1], "problem  words         a/x  1 problem");
        assert!(
            lines[2].starts_with("labs/a/x.yaml:3:7: is") && !text.contains('\x1b'),
            "{text}"
        );
        assert_eq!(lines[3], "    mend it");
        assert_eq!(lines[4], "not-run  mutants-live  a/x  2 mutants need a guest");
        assert_eq!(lines[6], "3 checks: 1 ok, 1 problems, 1 not run");
    }

    #[test]
    fn the_document_counts_what_was_not_run() {
        let document: serde_json::Value =
            serde_json::from_str(&json("c", 5, false, &items()).unwrap()).unwrap();
        assert_eq!(document["schema"], SCHEMA);
        assert_eq!(
            document["summary"],
            serde_json::json!({"ok": 1, "problems": 1, "not_run": 1})
        );
        assert_eq!(document["checks"][1]["problems"][0]["column"], 7);
    }
}
