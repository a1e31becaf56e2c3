//! The lesson's claims beside what a kernel says: for a person, for the lesson's own text, for a program.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde_json::json;

use super::page::Page;
use super::safe;
use crate::grade::survey::Answered;

/// Comments between which the table stands in a document.
const BEGIN: &str = "<!-- facts:begin -->";
const END: &str = "<!-- facts:end -->";

/// For a terminal of `width` columns.
#[must_use]
pub fn human(kernel: &str, claims: &[Answered], width: usize, colour: bool) -> String {
    let mut page = Page::new(width, colour);
    let bold = Style::new().bold();
    let mut heading = "";
    for claim in claims {
        if claim.heading != heading {
            heading = &claim.heading;
            page.paragraph(0, "", &safe::line(heading), bold);
        }
        let (word, hue) = if claim.holds {
            ("holds", AnsiColor::Green)
        } else {
            ("differs", AnsiColor::Yellow)
        };
        page.paragraph(2, word, &safe::line(&claim.lesson), hue.on_default());
        page.paragraph(2, "kernel", &safe::line(&claim.kernel), Style::new());
        page.paragraph(2, "asked", &safe::line(&claim.ask), Style::new().dimmed());
    }
    let holding = claims.iter().filter(|claim| claim.holds).count();
    page.line("");
    page.line(&format!(
        "{holding} of {} claims hold on {}",
        claims.len(),
        safe::line(kernel)
    ));
    page.into_string()
}

/// A table between two comments by which it is found again in a document.
#[must_use]
pub fn markdown(kernel: &str, claims: &[Answered]) -> String {
    let mut out = format!("{BEGIN}\n");
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "What {} says, asked with `labctl run facts`:\n",
        cell(kernel)
    );
    out.push_str("| in the lesson | it says | this kernel says | |\n|---|---|---|---|\n");
    for claim in claims {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} |",
            cell(&claim.heading),
            cell(&claim.lesson),
            cell(&claim.kernel),
            if claim.holds { "holds" } else { "**differs**" }
        );
    }
    out.push_str(END);
    out.push('\n');
    out
}

/// `labctl/facts/v1`.
///
/// # Errors
/// Never in practice: every member has a JSON form.
pub fn json(kernel: &str, module: &str, claims: &[Answered]) -> Result<String, serde_json::Error> {
    let claims: Vec<_> = claims
        .iter()
        .map(|claim| {
            json!({
                "id": claim.id,
                "heading": claim.heading,
                "lesson": claim.lesson,
                "ask": claim.ask,
                "kernel": safe::line(&claim.kernel),
                "holds": claim.holds,
            })
        })
        .collect();
    let all = json!({"schema": "labctl/facts/v1", "module": module, "kernel": kernel, "claims": claims});
    Ok(serde_json::to_string_pretty(&all)? + "\n")
}

/// Text in a cell: one line, and no `|` that would end it.
fn cell(text: &str) -> String {
    safe::line(&text.replace('\n', " ")).replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Vec<Answered> {
        let claim = |id: &str, holds: bool| Answered {
            id: id.to_owned(),
            heading: "3. Copy Functions".to_owned(),
            lesson: "a | b".to_owned(),
            ask: "cat /proc/kallsyms".to_owned(),
            kernel: "lib/iov_iter.c\n::error::x".to_owned(),
            holds,
        };
        vec![claim("one", true), claim("two", false)]
    }

    #[test]
    fn a_table_that_text_cannot_break() {
        let table = markdown("6.12", &claims());
        assert!(table.starts_with(BEGIN) && table.ends_with("<!-- facts:end -->\n"));
        assert!(table.contains("| 3. Copy Functions | a \\| b | lib/iov_iter.c ::error::x | holds |"));
        assert_eq!(table.matches("**differs**").count(), 1);
    }

    #[test]
    fn a_heading_stands_once_and_the_sum_at_the_end() {
        let page = human("6.12", &claims(), 80, false);
        assert_eq!(page.matches("3. Copy Functions").count(), 1);
        assert!(page.ends_with("1 of 2 claims hold on 6.12\n"), "{page}");
    }

    #[test]
    fn a_program_gets_every_claim() {
        let text = json("6.12", "module7", &claims()).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["schema"], "labctl/facts/v1");
        assert_eq!(value["claims"][1]["holds"], false);
    }
}
