//! What the compiler said, as data.

use serde::{Deserialize, Serialize};

use super::WORKSPACE;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    Error,
    Warning,
    Note,
}

/// One message of the compiler or the linker about a student's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// As the student names it (`src/send_trace.c`); a header of the kernel keeps its path; absent for messages
    /// about a module as a whole.
    pub file: Option<String>,
    /// From 1.
    pub line: Option<u32>,
    /// From 1, in bytes.
    pub column: Option<u32>,
    pub severity: Severity,
    pub message: String,
    /// The option that controls a warning, without its dash: `Wunused-variable`.
    pub option: Option<String>,
}

impl Diagnostic {
    /// An error about no particular line.
    pub(super) fn error(file: Option<String>, message: impl Into<String>) -> Self {
        Self {
            file,
            line: None,
            column: None,
            severity: Severity::Error,
            message: message.into(),
            option: None,
        }
    }
}

/// Reads one line of gcc's: `FILE:LINE:COLUMN: SEVERITY: MESSAGE [-WOPTION]`. Other lines (context, source, carets)
/// give nothing.
pub(super) fn parse_gcc(line: &str) -> Option<Diagnostic> {
    const SEVERITIES: [(&str, Severity); 4] = [
        (": fatal error: ", Severity::Error),
        (": error: ", Severity::Error),
        (": warning: ", Severity::Warning),
        (": note: ", Severity::Note),
    ];
    let (at, separator, severity) = SEVERITIES
        .iter()
        .filter_map(|(separator, severity)| Some((line.find(separator)?, *separator, *severity)))
        .min_by_key(|(at, ..)| *at)?;
    let (place, rest) = (&line[..at], &line[at + separator.len()..]);
    let (file, line, column) = parse_place(place)?;
    let (message, option) = split_option(rest);
    Some(Diagnostic {
        file: Some(student_path(file).to_owned()),
        line,
        column,
        severity,
        message: message.to_owned(),
        option,
    })
}

/// `FILE`, `FILE:LINE` or `FILE:LINE:COLUMN`.
fn parse_place(place: &str) -> Option<(&str, Option<u32>, Option<u32>)> {
    let mut numbers = Vec::new();
    let mut rest = place;
    while numbers.len() < 2
        && let Some((before, number)) = rest.rsplit_once(':')
        && let Ok(number) = number.parse::<u32>()
    {
        numbers.push(number);
        rest = before;
    }
    let is_path = rest.ends_with(".c") || rest.ends_with(".h") || rest.ends_with(".S") || rest.contains('/');
    if !is_path || rest.contains(char::is_whitespace) {
        return None;
    }
    match numbers[..] {
        [column, line] => Some((rest, Some(line), Some(column))),
        [line] => Some((rest, Some(line), None)),
        _ => Some((rest, None, None)),
    }
}

fn split_option(message: &str) -> (&str, Option<String>) {
    if let Some(body) = message.strip_suffix(']')
        && let Some((message, option)) = body.rsplit_once(" [-")
    {
        return (message, Some(option.to_owned()));
    }
    (message, None)
}

/// The path that the student knows, for one seen inside the sandbox.
pub(super) fn student_path(path: &str) -> &str {
    path.strip_prefix(WORKSPACE)
        .and_then(|path| path.strip_prefix('/'))
        .or_else(|| path.strip_prefix("./"))
        .unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_an_error_with_its_place() {
        let got = parse_gcc(
            "/workspace/src/send_trace.c:14:9: error: 'foo' undeclared (first use in this function)",
        );
        let got = got.unwrap();
        assert_eq!(got.file.as_deref(), Some("src/send_trace.c"));
        assert_eq!(
            (got.line, got.column, got.severity),
            (Some(14), Some(9), Severity::Error)
        );
        assert_eq!(got.message, "'foo' undeclared (first use in this function)");
    }

    #[test]
    fn reads_a_warning_with_its_option() {
        let got = parse_gcc("src/sender.c:3:5: warning: unused variable 'a: b' [-Wunused-variable]").unwrap();
        assert_eq!(got.option.as_deref(), Some("Wunused-variable"));
        assert_eq!(got.message, "unused variable 'a: b'");
    }

    #[test]
    fn a_fatal_error_is_an_error() {
        let got = parse_gcc("src/a.c:1:10: fatal error: /etc/passwd: No such file or directory").unwrap();
        assert_eq!(got.severity, Severity::Error);
        assert_eq!(got.message, "/etc/passwd: No such file or directory");
    }

    #[test]
    fn a_student_cannot_forge_a_place_by_quoting_one() {
        let got = parse_gcc("src/a.c:2:2: error: #error x/y.c:9:9: error: boo").unwrap();
        assert_eq!((got.file.as_deref(), got.line), (Some("src/a.c"), Some(2)));
    }

    #[test]
    fn other_lines_give_nothing() {
        for line in [
            "src/a.c: In function 'main':",
            "   14 |         foo();",
            "In file included from src/a.c:1:",
            "make[2]: *** [Makefile:1: x.o] Error 1",
            "cc1: all warnings being treated as errors",
        ] {
            assert_eq!(parse_gcc(line), None, "{line}");
        }
    }
}
