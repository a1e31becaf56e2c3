//! Text of a guest, on its way into a report.

use lab_kmsg::sanitize;

/// Sentences, names, values: characters that are shown before a cut.
const LINE_MAX: usize = 2_000;

/// Recorded lines: the same.
const BLOCK_MAX: usize = 16_000;

/// One line, without anything that could steer a terminal, break a document or command a CI server.
pub(super) fn line(text: &str) -> String {
    disarm(&sanitize::line(text.trim_end(), LINE_MAX))
}

/// Several lines, likewise. A tab becomes spaces: its width is the viewer's to choose, and some formats drop it.
pub(super) fn block(text: &str) -> String {
    let text = sanitize::block(text.trim_end(), BLOCK_MAX).replace('\t', "    ");
    let lines: Vec<String> = text.split('\n').map(disarm).collect();
    lines.join("\n")
}

pub(super) fn optional_line(text: Option<&str>) -> Option<String> {
    text.map(line)
}

/// Breaks what CI servers take for a command when it appears in a log: `::name::` at the start of a line, `##[name]`
/// and `##vso[name]` anywhere (GitHub Actions, Azure Pipelines).
pub(crate) fn disarm(line: &str) -> String {
    let line = line.replace("##[", "#\\x23[").replace("##vso[", "#\\x23vso[");
    match line.trim_start().strip_prefix("::") {
        Some(rest) => {
            let indent = &line[..line.len() - line.trim_start().len()];
            format!("{indent}\\x3a:{rest}")
        }
        None => line,
    }
}

/// Several lines as one, for a place that has room for one only.
pub(super) fn joined(text: &str) -> String {
    let lines: Vec<&str> = text.split('\n').map(str::trim).collect();
    line(&lines.join(" "))
}

/// The text cut to `max` characters, the mark of the cut included.
pub(super) fn clipped(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(max.saturating_sub(1)).collect();
    out.push('…');
    out
}

/// What makes a spreadsheet take a cell for a formula, in any of the widths in which it may be typed.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// One line for a cell of a table that a spreadsheet opens: what it would take for a formula gets an apostrophe before
/// it. That is also so after a semicolon, where spreadsheets of many countries begin the next cell.
pub(crate) fn cell(text: &str) -> String {
    let mut out = String::new();
    for (index, part) in joined(text).split(';').enumerate() {
        if index > 0 {
            out.push(';');
        }
        let shown = part.trim_start_matches(|letter: char| letter.is_whitespace() || letter == '"');
        if shown.starts_with(FORMULA) {
            out.push('\'');
        }
        out.push_str(part);
    }
    out
}

#[cfg(test)]
mod tests {
    use lab_kmsg::sanitize::is_plain;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cell_is_never_a_formula() {
        for (text, expected) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("＝1", "'＝1"),
            (" \"=1", "'\"=1"),
            ("a; \"=1", "a;' \"=1"),
            ("\t=1", "'=1"),
            ("\r=1", "'=1"),
            ("a;=1", "a;'=1"),
            ("rdi - rsi = 5", "rdi - rsi = 5"),
            ("two\nlines", "two lines"),
        ] {
            assert_eq!(cell(text), expected);
        }
    }

    #[test]
    fn a_cut_is_marked_and_counted() {
        assert_eq!(clipped("größe", 5), "größe");
        assert_eq!(clipped("größer", 5), "größ…");
    }

    proptest! {
        #[test]
        fn no_cell_begins_as_a_formula(text in r#"[\x00-\x20=+@＝;"'a-c\u{a0}-]{0,16}"#) {
            let out = cell(&text);
            prop_assert!(out.chars().all(is_plain), "{out:?}");
            for part in out.split(';') {
                prop_assert!(!part.trim_start_matches([' ', '"', '\u{a0}']).starts_with(FORMULA), "{out:?}");
            }
        }
    }

    #[test]
    fn commands_for_ci_servers_are_broken() {
        assert_eq!(line("::error::x ::y"), "\\x3a:error::x ::y");
        assert_eq!(
            block("a\n\t::set-output name=x::y\r\nb"),
            "a\n    \\x3a:set-output name=x::y\nb"
        );
        assert_eq!(line("a ##[group]b ##vso[x]"), "a #\\x23[group]b #\\x23vso[x]");
    }

    #[test]
    fn ordinary_text_stays() {
        assert_eq!(line("std::fmt ## [x] "), "std::fmt ## [x]");
    }
}
