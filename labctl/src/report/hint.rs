//! One hint: for the student at a terminal, and as `labctl/hint/v1`.

use anstyle::Style;
use serde::Serialize;

use super::page::Page;
use super::safe;

/// The name of the schema.
pub const SCHEMA: &str = "labctl/hint/v1";

/// A rung of a ladder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// `module7/exercise-b`.
    pub exercise: String,
    /// The last check passed: there is nothing to hint at.
    pub passed: bool,
    /// The check that it is about.
    pub check: Option<String>,
    /// The mistake that was recognised there.
    pub mistake: Option<String>,
    /// What was seen.
    pub title: Option<String>,
    /// What the mistake means.
    pub explanation: Option<String>,
    /// The hint; absent when there is none.
    pub text: Option<String>,
    /// Which rung, from 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
    /// When the exercise was last checked, RFC 3339.
    pub checked_at: Option<String>,
    /// Files that have changed since.
    pub changed: Vec<String>,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    exercise: &'a str,
    passed: bool,
    check: Option<String>,
    mistake: Option<String>,
    title: Option<String>,
    explanation: Option<String>,
    hint: Option<String>,
    number: usize,
    of: usize,
    checked_at: &'a Option<String>,
    changed: Vec<String>,
}

/// One JSON document with a line break at its end.
///
/// # Errors
/// Never in practice: every member has a JSON form.
pub fn json(hint: &Hint) -> Result<String, serde_json::Error> {
    let block = |text: &Option<String>| text.as_deref().map(safe::block);
    let document = Document {
        schema: SCHEMA,
        exercise: &hint.exercise,
        passed: hint.passed,
        check: hint.check.clone(),
        mistake: hint.mistake.clone(),
        title: block(&hint.title),
        explanation: block(&hint.explanation),
        hint: block(&hint.text),
        number: hint.number,
        of: hint.of,
        checked_at: &hint.checked_at,
        changed: hint.changed.iter().map(|path| safe::line(path)).collect(),
    };
    let mut out = serde_json::to_string_pretty(&document)?;
    out.push('\n');
    Ok(out)
}

/// A few lines that each end with a line break.
#[must_use]
pub fn human(hint: &Hint, columns: usize, colour: bool) -> String {
    let mut page = Page::new(columns, colour);
    let bold = page.styled(&hint.exercise, Style::new().bold());
    if hint.passed {
        page.line(&format!("{bold}  passed: there is nothing to hint at"));
        return page.into_string();
    }
    let about = match (&hint.check, &hint.mistake) {
        (Some(check), Some(mistake)) => format!("  {}: {}", safe::line(check), safe::line(mistake)),
        (Some(check), None) => format!("  {}", safe::line(check)),
        _ => String::new(),
    };
    page.line(&format!("{bold}{about}"));
    for text in [&hint.title, &hint.explanation].into_iter().flatten() {
        for line in safe::block(text).lines() {
            page.paragraph(2, "", line, Style::new());
        }
    }
    match &hint.text {
        Some(text) => {
            page.line(&format!("  hint {} of {}", hint.number, hint.of));
            for line in safe::block(text).lines() {
                page.paragraph(4, "", line, Style::new().bold());
            }
        }
        None => page.line("  there is no hint about this; `labctl check` may know more"),
    }
    if hint.checked_at.is_none() {
        page.line(&format!(
            "  nothing was checked yet: `labctl check {}` finds out where you are",
            hint.exercise
        ));
    } else if !hint.changed.is_empty() {
        let changed: Vec<String> = hint.changed.iter().map(|path| safe::line(path)).collect();
        page.line(&format!(
            "  changed since the last check: {}; `labctl check {}` may know more",
            changed.join(", "),
            hint.exercise
        ));
    }
    page.into_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint() -> Hint {
        Hint {
            exercise: "module7/exercise-b".to_owned(),
            passed: false,
            check: Some("copies".to_owned()),
            mistake: Some("failure-10".to_owned()),
            title: Some("1 is not right\x1b[2J".to_owned()),
            explanation: None,
            text: Some("Count both ways.".to_owned()),
            number: 1,
            of: 3,
            checked_at: Some("2026-11-22T22:00:00Z".to_owned()),
            changed: vec!["answers/exercise-b.yaml".to_owned()],
        }
    }

    #[test]
    fn says_where_which_and_what() {
        let text = human(&hint(), 80, false);
        assert!(!text.contains('\x1b'));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "module7/exercise-b  copies: failure-10");
        assert_eq!(lines[2..4], ["  hint 1 of 3", "    Count both ways."]);
        assert!(lines[4].contains("changed since the last check: answers/exercise-b.yaml"));
    }

    #[test]
    fn a_passed_exercise_needs_none() {
        let passed = Hint {
            passed: true,
            ..hint()
        };
        assert_eq!(
            human(&passed, 80, false),
            "module7/exercise-b  passed: there is nothing to hint at\n"
        );
    }
}
