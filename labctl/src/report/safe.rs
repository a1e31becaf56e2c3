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
pub(super) fn disarm(line: &str) -> String {
    let line = line.replace("##[", "#\\x23[").replace("##vso[", "#\\x23vso[");
    match line.trim_start().strip_prefix("::") {
        Some(rest) => {
            let indent = &line[..line.len() - line.trim_start().len()];
            format!("{indent}\\x3a:{rest}")
        }
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
