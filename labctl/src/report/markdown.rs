//! Markdown, as GitHub and GitLab show it: a table of exercises, a table of checks for each, and what was wrong.
//!
//! Values are code, in which neither markup nor a mention means anything. Sentences are text in which every character
//! that could be markup is escaped; `@` and `#` before a word stand as code, because a host links `@name` and `#1` after
//! it has undone escapes.

use std::fmt::Write as _;

use super::safe;
use crate::grade::results::{GradedExercise, Results};
use crate::grade::verdict::{CheckResult, Figure, Finding, Verdict};

/// Recorded lines that are quoted for each finding.
const QUOTE: usize = 40;

/// The least that a document can be limited to, bytes.
pub const SMALLEST: usize = 8192;

/// The results as a document of at most `limit` bytes, and at least [`SMALLEST`]; what does not fit is left out, which is
/// told.
#[must_use]
pub fn render(results: &Results, limit: usize) -> String {
    let mut out = head(results);
    let tail = tail(results);
    let room = limit.max(SMALLEST) - 256;
    if out.len() + tail.len() > room {
        out = heading(results);
    }
    let mut left_out = 0usize;
    for exercise in &results.exercises {
        let section = section(exercise);
        if out.len() + section.len() + tail.len() > room {
            left_out += 1;
        } else {
            out.push_str(&section);
        }
    }
    if left_out > 0 {
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "\nThe details of {left_out} exercises are left out: they are too long to be shown here."
        );
    }
    out.push_str(&tail);
    out
}

fn heading(results: &Results) -> String {
    format!(
        "## {}: {} of {} points\n",
        text(&results.module),
        results.points(),
        results.max_points()
    )
}

fn head(results: &Results) -> String {
    let mut out = heading(results);
    out.push_str("\n| exercise | verdict | points | |\n|---|---|---:|---|\n");
    for exercise in &results.exercises {
        let result = &exercise.result;
        let _ = writeln!(
            out,
            "| {} | {} | {}/{} | {} |",
            code(&result.id),
            badge(result.verdict),
            result.points,
            result.max_points,
            text(&result.title)
        );
    }
    out
}

fn tail(results: &Results) -> String {
    let mut out = String::new();
    if results.any_inconclusive() {
        out.push_str(
            "\nWhat is inconclusive is the laboratory's failure, not yours, and costs nothing: run it again.\n",
        );
    }
    if let Some(environment) = &results.environment {
        let _ = writeln!(
            out,
            "\nKernel {}, {} ({}), QEMU {}, labctl {}, seed {}",
            code(&environment.kernel),
            text(&environment.accel),
            text(&environment.accel_reason),
            text(&environment.qemu),
            text(&environment.labctl),
            code(&results.seed)
        );
    }
    out
}

fn section(exercise: &GradedExercise) -> String {
    let result = &exercise.result;
    let mut out = format!(
        "\n### {}\n\n| check | verdict | points | |\n|---|---|---:|---|\n",
        code(&result.id)
    );
    for check in &result.checks {
        let about = match (&check.verdict, &check.blocked_by) {
            (Verdict::Blocked, Some(by)) => format!("{} (needs {})", text(&check.title), code(by)),
            _ => text(&check.title),
        };
        let _ = writeln!(
            out,
            "| {} | {} | {}/{} | {about} |",
            code(&check.id),
            badge(check.verdict),
            check.points,
            check.max_points
        );
    }
    for check in &result.checks {
        if !matches!(check.verdict, Verdict::Passed | Verdict::Blocked) {
            explain(&mut out, check);
        }
    }
    for found in &result.findings {
        finding(&mut out, found);
    }
    for figure in &result.figures {
        table(&mut out, figure);
    }
    out
}

/// Each line begins with a label of ours, so that no text can begin a block.
fn explain(out: &mut String, check: &CheckResult) {
    let _ = writeln!(
        out,
        "\n**{}**: {} {}\n",
        check.verdict,
        code(&check.id),
        text(&safe::joined(&check.message))
    );
    let values = [
        ("expected", check.expected.as_ref().map(|text| code(text))),
        ("actual", check.actual.as_ref().map(|text| code(text))),
        ("mistake", check.mistake.as_ref().map(|text| code(text))),
        ("try", check.help.as_ref().map(|help| text(help))),
    ];
    for (label, value) in values {
        if let Some(value) = value {
            let _ = writeln!(out, "- {label}: {value}");
        }
    }
}

fn finding(out: &mut String, finding: &Finding) {
    let _ = write!(
        out,
        "\n**found** {}: {}",
        code(&finding.kind),
        text(&finding.title)
    );
    if let Some(source) = &finding.source {
        let _ = write!(out, " at {}", code(&format!("{}:{}", source.file, source.line)));
    }
    out.push('\n');
    let log = safe::block(&finding.text);
    let lines: Vec<&str> = log.lines().take(QUOTE).collect();
    if !lines.is_empty() {
        let fence = "`".repeat(longest_run(&log).max(2) + 1);
        let _ = writeln!(out, "\n{fence}text\n{}\n{fence}", lines.join("\n"));
    }
}

fn table(out: &mut String, figure: &Figure) {
    let row = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| text(cell)).collect();
        format!("| {} |", cells.join(" | "))
    };
    let _ = writeln!(
        out,
        "\n**figure** {}\n\n{}\n|{}",
        text(&figure.title),
        row(&figure.columns),
        "---|".repeat(figure.columns.len())
    );
    for cells in &figure.rows {
        let _ = writeln!(out, "{}", row(cells));
    }
}

const fn badge(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "✅ passed",
        Verdict::Partial => "🟡 partial",
        Verdict::Failed => "❌ failed",
        Verdict::Blocked => "⏸ blocked",
        Verdict::Invalid => "✏ invalid",
        Verdict::Inconclusive => "❔ inconclusive",
    }
}

/// A sentence, in which no character is markup. For a line that something else begins, or a cell.
pub(crate) fn text(input: &str) -> String {
    let mut out = String::new();
    let line = safe::line(input);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            // A host links what follows these, whether or not they are escaped.
            '@' | '#' => {
                out.push('`');
                out.push(letter);
                // Two spans side by side would be one.
                while let Some(next) = letters.next_if(|next| ['@', '#'].contains(next)) {
                    out.push(next);
                }
                out.push('`');
            }
            // Those that could end a cell, begin a tag, or undo an escape.
            '|' | '\\' | '<' | '>' | '&' | '`' => {
                let _ = write!(out, "&#{};", u32::from(letter));
            }
            // An address is linked even where nothing marks it.
            ':' if letters.peek() == Some(&'/') => out.push_str("&#58;"),
            '*' | '_' | '[' | ']' | '~' | '$' | '!' | '{' | '}' => {
                out.push('\\');
                out.push(letter);
            }
            _ => out.push(letter),
        }
    }
    // `www.` is linked without anything before it.
    out.replace("www.", "www&#46;").replace("WWW.", "WWW&#46;")
}

/// A value, as code.
pub(crate) fn code(input: &str) -> String {
    let value = safe::line(input);
    if value.trim().is_empty() {
        return String::new();
    }
    if !value.contains(['`', '|', '\\']) && !value.starts_with(char::is_whitespace) {
        return format!("`{value}`");
    }
    let mut out = "<code>".to_owned();
    for letter in value.chars() {
        if letter.is_ascii_punctuation() {
            let _ = write!(out, "&#{};", u32::from(letter));
        } else {
            out.push(letter);
        }
    }
    out + "</code>"
}

fn longest_run(text: &str) -> usize {
    text.split(|letter| letter != '`')
        .map(str::len)
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use lab_kmsg::sanitize::is_plain;
    use proptest::prelude::*;
    use pulldown_cmark::{Event, Options, Parser, Tag};

    use super::super::{hostile, sample};
    use super::*;

    fn events(text: &str) -> Vec<Event<'_>> {
        Parser::new_ext(
            text,
            Options::ENABLE_TABLES | Options::ENABLE_GFM | Options::ENABLE_STRIKETHROUGH,
        )
        .collect()
    }

    /// What a reader sees.
    fn seen(text: &str) -> String {
        events(text)
            .into_iter()
            .map(|event| match event {
                Event::Text(text) | Event::Code(text) => text.into_string(),
                _ => String::new(),
            })
            .collect()
    }

    fn count(events: &[Event<'_>], wanted: impl Fn(&Tag<'_>) -> bool) -> usize {
        events
            .iter()
            .filter(|event| matches!(event, Event::Start(tag) if wanted(tag)))
            .count()
    }

    #[test]
    fn a_page_of_results() {
        let expected = "\
## module7: 6 of 10 points

| exercise | verdict | points | |
|---|---|---:|---|
| `exercise-b` | 🟡 partial | 4/8 | Copy address correlation |
| `exercise-a` | ✅ passed | 2/2 | sk\\_buff size |

### `exercise-b`

| check | verdict | points | |
|---|---|---:|---|
| `copy1-is-the-transfer` | ❌ failed | 0/2 | COPY1 reports this run's transfer |
| `same-kernel-address` | ⏸ blocked | 0/2 | Both probes saw the same kernel address (needs `copy1-is-the-transfer`) |
| `send_trace-builds` | ✅ passed | 1/1 | send\\_trace.c compiles |
| `copies` | ✅ passed | 3/3 | Conclusion: \\_\\_\\_ copies occurred |

**failed**: `copy1-is-the-transfer` COPY1's destination is not where the witness saw the bytes go

- expected: `0xffff888004d7c4ac`
- actual: `0x000000003f1c2a9b`
- mistake: `hashed-pointer`
- try: %p prints a hash; %px prints the address

**found** `null-dereference`: NULL pointer dereference at 0x10 in handler\\_send+0x1f/0x60 \\[send\\_trace\\] at `src/send_trace.c:31`

```text
BUG: kernel NULL pointer dereference, address: 0000000000000010
#PF: supervisor write access
```
";
        let text = render(&sample::partial(), usize::MAX);
        assert!(text.starts_with(expected), "{text}");
        assert!(
            text.ends_with("QEMU 7.2.22, labctl 0.1.0, seed `lesson`\n"),
            "{text}"
        );
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let mut results = sample::partial();
        results.exercises[0].result.findings[0].text = "a long line of a log\n".repeat(40).repeat(9);
        for check in &mut results.exercises[0].result.checks {
            check.verdict = Verdict::Failed;
            check.message = "x".repeat(1900);
            check.help = Some("x".repeat(1900));
        }
        let text = render(&results, 0);
        assert!(text.len() <= SMALLEST, "{}", text.len());
        assert!(text.contains("The details of 1 exercises are left out"), "{text}");
        assert!(
            text.contains("### `exercise-a`") && !text.contains("### `exercise-b`"),
            "{text}"
        );
    }

    proptest! {
        #[test]
        fn hostile_text_stays_text(results in hostile::results()) {
            let text = render(&results, usize::MAX);
            prop_assert!(text.chars().all(|c| is_plain(c) || c == '\n'));
            prop_assert!(text.lines().all(|line| !line.trim_start().starts_with("::")));
            let events = events(&text);
            for event in &events {
                match event {
                    Event::Html(_) | Event::FootnoteReference(_) | Event::Rule | Event::TaskListMarker(_)
                    | Event::InlineMath(_) | Event::DisplayMath(_) => prop_assert!(false, "{event:?} in {text}"),
                    Event::InlineHtml(tag) => {
                        prop_assert!(["<code>", "</code>"].contains(&tag.as_ref()), "{tag} in {text}");
                    }
                    Event::Start(Tag::Link { .. } | Tag::Image { .. } | Tag::Emphasis | Tag::Strikethrough
                        | Tag::BlockQuote(_) | Tag::HtmlBlock) => {
                        prop_assert!(false, "{event:?} in {text}");
                    }
                    _ => {}
                }
            }
            let checks: usize = results.exercises.iter().map(|exercise| exercise.result.checks.len()).sum();
            let exercises = results.exercises.len();
            prop_assert_eq!(count(&events, |tag| matches!(tag, Tag::Heading { .. })), 1 + exercises);
            // Exercises; and of each its checks and its figure with two rows.
            prop_assert_eq!(count(&events, |tag| matches!(tag, Tag::Table(_))), 1 + 2 * exercises);
            prop_assert_eq!(count(&events, |tag| matches!(tag, Tag::TableRow)), exercises + checks + 2 * exercises);
        }

        #[test]
        fn a_reader_sees_what_was_said(said in r#"[ -~äß日]{0,40}"#) {
            let said = said.trim();
            let line = safe::line(said);
            let wanted = &line;
            prop_assert_eq!(seen(&format!("- is: {}", text(said))), format!("is: {wanted}").trim_end().to_owned());
            prop_assert_eq!(seen(&format!("| a |\n|---|\n| {} |", text(said))), format!("a{wanted}"));
            let value = code(said);
            if !value.is_empty() {
                let shown = seen(&format!("| a |\n|---|\n| {value} |"));
                prop_assert_eq!(shown, format!("a{line}"));
            }
        }

        #[test]
        fn no_mention_outside_code(said in r"[@#a-c1`<>\\| -]{0,20}") {
            let mut in_code = false;
            let list = format!("- x: {}\n- y: {}", text(&said), code(&said));
            for event in events(&list) {
                match event {
                    Event::InlineHtml(tag) => in_code = tag.as_ref() == "<code>",
                    Event::Text(shown) => prop_assert!(in_code || !shown.contains(['@', '#']), "{shown} in {list}"),
                    _ => {}
                }
            }
        }
    }
}
