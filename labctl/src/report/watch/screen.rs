//! One screenful: the result, what it changed, a hint, what happens now. What is too long is cut in the report, never
//! in what stands below it.

use std::time::Duration;

use anstyle::Style;

use super::super::hint::{self, Hint};
use super::super::human::{self, verdict_style};
use super::super::page::Page;
use super::super::safe;
use super::super::wrap::width;
use super::changes::{Change, Changes};
use crate::grade::results::Results;
use crate::grade::verdict::Verdict;

/// Of the report, so many lines are shown even where there is no room for them.
const LEAST: usize = 3;

/// Recorded lines that are quoted of a finding: the screen has to hold more than that.
const QUOTE: usize = 4;

/// A terminal's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub columns: usize,
    pub rows: usize,
}

/// All that is shown at one time.
#[derive(Debug, Clone, Default)]
pub struct Screen<'a> {
    /// `module7/exercise-b`.
    pub exercise: &'a str,
    /// For people.
    pub title: &'a str,
    /// The last result, of this exercise alone.
    pub results: Option<&'a Results>,
    /// What it changed; absent for the first one.
    pub changes: Option<&'a Changes>,
    /// A failure that is not a verdict, as it is told elsewhere, too.
    pub problem: Option<&'a str>,
    pub hint: Option<&'a Hint>,
    /// Newest last.
    pub warnings: &'a [String],
    /// What happens at this moment.
    pub now: &'a str,
    /// What keys do; absent when nobody listens to them.
    pub keys: Option<&'a str>,
}

impl Screen<'_> {
    /// Lines that each end with a line break, and fit into `size` as far as that is possible.
    #[must_use]
    pub fn render(&self, size: Size, colour: bool) -> String {
        let below = self.below(size.columns, colour);
        let room = size.rows.saturating_sub(rows(&below, size.columns));
        let above = match self.results {
            Some(results) => {
                let whole = report(results, size.columns, colour);
                if rows(&whole, size.columns) > room {
                    without_passed(results, size.columns, colour)
                } else {
                    whole
                }
            }
            None => self.heading(size.columns, colour),
        };
        let mut text = cut(&above, room, size.columns);
        text.push_str(&below);
        text
    }

    fn heading(&self, columns: usize, colour: bool) -> String {
        let mut page = Page::new(columns, colour);
        let name = page.styled(&safe::line(self.exercise), Style::new().bold());
        page.line(&name);
        page.paragraph(0, "", &safe::line(self.title), Style::new());
        page.into_string()
    }

    fn below(&self, columns: usize, colour: bool) -> String {
        let mut text = String::from("\n");
        if let Some(changed) = self.changes {
            text.push_str(&changes(changed, columns, colour));
        }
        if let Some(problem) = self.problem {
            let mut page = Page::new(columns, colour);
            for line in safe::block(problem).lines() {
                page.paragraph(0, "", line, Style::new());
            }
            text.push_str(&page.into_string());
        }
        if let Some(given) = self.hint {
            if text.len() > 1 {
                text.push('\n');
            }
            text.push_str(&hint::human(given, columns, colour));
        }
        let mut page = Page::new(columns, colour);
        if text.len() > 1 {
            page.line("");
        }
        for warning in self.warnings {
            page.paragraph(0, "", &format!("warning: {}", safe::line(warning)), Style::new());
        }
        page.paragraph(0, "", &safe::line(self.now), Style::new().bold());
        if let Some(keys) = self.keys {
            page.paragraph(0, "", keys, Style::new().dimmed());
        }
        text.push_str(&page.into_string());
        text
    }
}

/// A result and how long it took since the save, for a reader who sees one after the other.
#[must_use]
pub fn outcome(results: &Results, took: Duration, columns: usize, colour: bool) -> String {
    let mut text = report(results, columns, colour);
    text.push_str(&format!("  verdict after {:.1} s\n", took.as_secs_f64()));
    text
}

fn report(results: &Results, columns: usize, colour: bool) -> String {
    let options = human::Options {
        width: columns,
        colour,
        quote: QUOTE,
    };
    human::render(results, &options).trim_end().to_owned() + "\n"
}

/// The report on what is left to do, and in a line how much is not.
fn without_passed(results: &Results, columns: usize, colour: bool) -> String {
    let mut left = results.clone();
    let mut passed = 0;
    for exercise in &mut left.exercises {
        let all = exercise.result.checks.len();
        exercise
            .result
            .checks
            .retain(|check| check.verdict != Verdict::Passed);
        passed += all - exercise.result.checks.len();
    }
    let mut text = report(&left, columns, colour);
    if passed > 0 {
        let style = verdict_style(Verdict::Passed);
        let mut page = Page::new(columns, colour);
        page.line(&format!(
            "  {}        {passed} checks",
            page.styled("passed", style)
        ));
        // After the two lines that name the exercise.
        let at = text
            .match_indices('\n')
            .nth(1)
            .map_or(text.len(), |(at, _)| at + 1);
        text.insert_str(at, &page.into_string());
    }
    text
}

/// What has changed since the check before.
#[must_use]
pub fn changes(changes: &Changes, columns: usize, colour: bool) -> String {
    let mut page = Page::new(columns, colour);
    if changes.is_empty() {
        page.line("since the check before: nothing has changed");
        return page.into_string();
    }
    let ((before, now), (_, of)) = (changes.points, changes.max_points);
    let points = if before == now {
        format!("{now} of {of} points as before")
    } else {
        let difference = i64::from(now) - i64::from(before);
        format!("{before} → {now} of {of} points ({difference:+})")
    };
    page.paragraph(
        0,
        "",
        &format!("since the check before: {points}"),
        Style::new().bold(),
    );
    for change in &changes.checks {
        let sign = sign(change);
        let style = change.to.map_or_else(Style::new, verdict_style);
        let said = |verdict: Option<Verdict>| verdict.map_or("absent", Verdict::as_str);
        let text = format!(
            "{} (was {})  {}",
            said(change.to),
            said(change.from),
            safe::line(&change.id)
        );
        let sign = page.styled(sign, style);
        // The sign has a column of its own, so that it can be read without colour.
        let mut lines = super::super::wrap::wrap(&text, page.width.saturating_sub(4)).into_iter();
        page.line(&format!("  {sign} {}", lines.next().unwrap_or_default()));
        for line in lines {
            page.line(&format!("    {line}"));
        }
    }
    page.into_string()
}

fn sign(change: &Change) -> &'static str {
    if change.to == Some(Verdict::Passed) {
        "+"
    } else if change.from == Some(Verdict::Passed) {
        "-"
    } else {
        "~"
    }
}

/// Rows that a terminal needs for the lines of `text`, which it breaks itself where they are too long.
fn rows(text: &str, columns: usize) -> usize {
    let columns = columns.max(1);
    let of_line = |line: &str| {
        let plain = anstream::adapter::strip_str(line).to_string();
        width(&plain).div_ceil(columns).max(1)
    };
    text.lines().map(of_line).sum()
}

fn cut(text: &str, room: usize, columns: usize) -> String {
    if rows(text, columns) <= room {
        return text.to_owned();
    }
    let lines: Vec<&str> = text.lines().collect();
    let mut kept = String::new();
    let mut shown = 0;
    for line in &lines {
        let taken = rows(&kept, columns) + rows(line, columns);
        if shown >= LEAST && taken + rows(&more(lines.len()), columns) > room {
            break;
        }
        kept.push_str(line);
        kept.push('\n');
        shown += 1;
    }
    let left = lines.len() - shown;
    if left > 0 {
        kept.push_str(&more(left));
    }
    kept
}

fn more(lines: usize) -> String {
    format!("  … {lines} more lines: `labctl check` shows them\n")
}

#[cfg(test)]
mod tests {
    use lab_kmsg::sanitize::is_plain;
    use proptest::prelude::*;

    use super::super::super::sample;
    use super::*;

    const KEYS: &str = "h hint, n next exercise, r run again, q quit";

    fn one(mut results: Results) -> Results {
        results.exercises.truncate(1);
        results.environment = None;
        results
    }

    fn hint(text: &str) -> Hint {
        Hint {
            exercise: "module7/exercise-b".to_owned(),
            passed: false,
            check: Some(text.to_owned()),
            mistake: None,
            title: Some(text.to_owned()),
            explanation: None,
            text: Some(text.to_owned()),
            number: 1,
            of: 2,
            checked_at: Some("2026-11-23T02:00:00Z".to_owned()),
            changed: Vec::new(),
        }
    }

    fn difference() -> Changes {
        let now = sample::partial().exercises.remove(0).result;
        let mut before = now.clone();
        before.points = 2;
        before.checks[0].verdict = Verdict::Passed;
        before.checks[1].verdict = Verdict::Failed;
        before.checks[3].verdict = Verdict::Failed;
        Changes::between(&before, &now)
    }

    #[test]
    fn everything_at_once() {
        let (results, changes, hint) = (one(sample::partial()), difference(), hint("Print with %px."));
        let warnings = ["the mirror has moved on".to_owned()];
        let screen = Screen {
            exercise: "module7/exercise-b",
            title: "Copy address correlation",
            results: Some(&results),
            changes: Some(&changes),
            problem: None,
            hint: Some(&hint),
            warnings: &warnings,
            now: "verdict 1.8 s after the save; a guest is ready for the next",
            keys: Some(KEYS),
        };
        let size = |columns, rows| Size { columns, rows };
        let told = [
            screen.render(size(80, 100), false),
            screen.render(size(80, 20), false),
            screen.render(size(40, 24), false),
            screen.render(size(80, 5), false),
        ];
        insta::assert_snapshot!(told.join("-----\n"));
    }

    #[test]
    fn before_the_first_result() {
        let screen = Screen {
            exercise: "module7/exercise-b",
            title: "Copy address correlation",
            problem: Some("error: workspace.yaml:2:1: unknown key `sed`\n"),
            now: "waiting for a save",
            keys: Some(KEYS),
            ..Screen::default()
        };
        let size = Size {
            columns: 80,
            rows: 24,
        };
        insta::assert_snapshot!(screen.render(size, false));
    }

    #[test]
    fn nothing_new_is_said_in_a_line() {
        let result = sample::partial().exercises.remove(0).result;
        let none = Changes::between(&result, &result);
        assert_eq!(
            changes(&none, 80, false),
            "since the check before: nothing has changed\n"
        );
    }

    #[test]
    fn hostile_text_comes_through_harmless() {
        let results = one(sample::hostile());
        let evil = results.exercises[0].result.title.clone();
        let mut before = results.exercises[0].result.clone();
        before.points = 9;
        before.checks[0].verdict = Verdict::Passed;
        let (changes, hint) = (
            Changes::between(&before, &results.exercises[0].result),
            hint(&evil),
        );
        let screen = Screen {
            exercise: &evil,
            title: &evil,
            results: Some(&results),
            changes: Some(&changes),
            problem: Some(&evil),
            hint: Some(&hint),
            warnings: std::slice::from_ref(&evil),
            now: &evil,
            keys: Some(KEYS),
        };
        for columns in [20, 40, 100] {
            let text = screen.render(Size { columns, rows: 24 }, false);
            assert!(text.chars().all(|c| is_plain(c) || c == '\n'), "{text:?}");
            assert!(
                text.lines().all(|line| !line.trim_start().starts_with("::")),
                "{text}"
            );
            let heading = Screen {
                results: None,
                ..screen.clone()
            };
            let text = heading.render(Size { columns, rows: 24 }, false);
            assert!(text.chars().all(|c| is_plain(c) || c == '\n'), "{text:?}");
        }
    }

    proptest! {
        /// What stands below the report is always whole, and the screen is not left as long as there is room for
        /// a few lines of the report.
        #[test]
        fn it_fits(columns in 20usize..130, height in 1usize..60, colour: bool) {
            let (results, changes) = (one(sample::partial()), difference());
            let screen = Screen {
                results: Some(&results),
                changes: Some(&changes),
                now: "waiting",
                keys: Some(KEYS),
                ..Screen::default()
            };
            let text = screen.render(Size { columns, rows: height }, colour);
            let below = screen.below(columns, colour);
            prop_assert!(text.ends_with(&below));
            let least = 4 * 3 + rows(&below, columns);
            if height >= least {
                prop_assert!(rows(&text, columns) <= height, "{} rows of {}:\n{}", rows(&text, columns), height, text);
            }
        }
    }
}
