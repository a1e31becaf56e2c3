//! The stanza syntax shared by `Packages`, `Release`, `control` and `.sources` files (deb822(5)).
//!
//! Values stay slices of the input: an index is fifty megabytes, of which a closure needs a few kilobytes.

use thiserror::Error;

/// A line that is neither a field, a continuation, a comment nor blank.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("line {line}: {problem}")]
pub struct SyntaxError {
    /// Counted from 1 within the parsed text.
    pub line: usize,
    pub problem: &'static str,
}

/// One field, with its continuation lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    pub name: &'a str,
    raw: &'a str,
    /// The line of the field's name, counted from 1.
    pub line: usize,
}

impl<'a> Field<'a> {
    /// The value of a single-line field; of a longer one everything, inner line breaks included.
    pub fn value(&self) -> &'a str {
        self.raw.trim()
    }

    /// The value's lines without indentation, comments left out. A first line that is empty (as in
    /// `SHA256:`) is left out too.
    pub fn lines(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.raw
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(str::trim)
            .filter(|line| !line.is_empty())
    }

    /// The value's words, wherever its lines break.
    pub fn words(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.lines().flat_map(str::split_whitespace)
    }
}

/// Consecutive fields up to a blank line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paragraph<'a> {
    fields: Vec<Field<'a>>,
}

impl<'a> Paragraph<'a> {
    /// The field called `name`, in any case; the first where a name repeats.
    pub fn field(&self, name: &str) -> Option<Field<'a>> {
        self.fields
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case(name))
            .copied()
    }

    /// [`Field::value`] of the field called `name`.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.field(name).map(|field| field.value())
    }

    /// In the order of the text.
    pub fn fields(&self) -> &[Field<'a>] {
        &self.fields
    }

    /// The line of the first field, counted from 1.
    pub fn line(&self) -> usize {
        self.fields.first().map_or(0, |field| field.line)
    }
}

/// The paragraphs of `text`, in order.
pub fn paragraphs(text: &str) -> Paragraphs<'_> {
    Paragraphs {
        text,
        position: 0,
        line: 0,
    }
}

/// See [`paragraphs`]. After an error the iterator is at its end.
#[derive(Debug, Clone)]
pub struct Paragraphs<'a> {
    text: &'a str,
    position: usize,
    line: usize,
}

impl<'a> Paragraphs<'a> {
    /// The next line's start and text without its line break.
    fn next_line(&mut self) -> Option<(usize, &'a str)> {
        let start = self.position;
        let rest = &self.text[start..];
        if rest.is_empty() {
            return None;
        }
        let length = rest.find('\n').map_or(rest.len(), |at| at + 1);
        self.position += length;
        self.line += 1;
        Some((start, rest[..length].trim_end_matches(['\n', '\r'])))
    }

    fn fail(&mut self, problem: &'static str) -> Option<Result<Paragraph<'a>, SyntaxError>> {
        let line = self.line;
        self.position = self.text.len();
        Some(Err(SyntaxError { line, problem }))
    }
}

impl<'a> Iterator for Paragraphs<'a> {
    type Item = Result<Paragraph<'a>, SyntaxError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut fields: Vec<Field<'a>> = Vec::new();
        let mut value_start = 0;
        while let Some((start, line)) = self.next_line() {
            let end = start + line.len();
            if line.starts_with('#') {
                continue;
            }
            if line.trim().is_empty() {
                if fields.is_empty() {
                    continue;
                }
                break;
            }
            if line.starts_with([' ', '\t']) {
                match fields.last_mut() {
                    Some(field) => field.raw = &self.text[value_start..end],
                    None => return self.fail("a continuation line that continues nothing"),
                }
                continue;
            }
            let Some((name, _)) = line.split_once(':') else {
                return self.fail("neither `Name: value` nor a continuation of the line above");
            };
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic()) {
                return self.fail("a field name is printable and has no blanks");
            }
            value_start = start + name.len() + 1;
            fields.push(Field {
                name,
                raw: &self.text[value_start..end],
                line: self.line,
            });
        }
        if fields.is_empty() {
            None
        } else {
            Some(Ok(Paragraph { fields }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<Paragraph<'_>> {
        paragraphs(text).collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn splits_at_blank_lines_and_keeps_line_numbers() {
        let found = all("\nPackage: a\nVersion: 1\n\n\nPackage: b\n");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].get("package"), Some("a"));
        assert_eq!(found[1].field("Package").unwrap().line, 6);
        assert_eq!(found[1].line(), 6);
    }

    #[test]
    fn joins_continuation_lines_and_skips_comments() {
        let found = all("SHA256:\n abc 12 main/Packages\n# note\n def 3 main/Release\nDate: now\n");
        let field = found[0].field("SHA256").unwrap();
        assert_eq!(
            field.lines().collect::<Vec<_>>(),
            ["abc 12 main/Packages", "def 3 main/Release"]
        );
        assert_eq!(field.words().count(), 6);
        assert_eq!(found[0].get("Date"), Some("now"));
    }

    #[test]
    fn accepts_carriage_returns_and_a_missing_final_newline() {
        let found = all("A: 1\r\nB: 2\r\n\r\nC: 3");
        assert_eq!(found[0].get("B"), Some("2"));
        assert_eq!(found[1].get("C"), Some("3"));
    }

    #[test]
    fn says_where_the_text_is_no_stanza() {
        let error = paragraphs("A: 1\nnonsense\n").next().unwrap().unwrap_err();
        assert_eq!(error.line, 2);
        let error = paragraphs(" lost\n").next().unwrap().unwrap_err();
        assert_eq!(error.line, 1);
        let error = paragraphs("<html lang: x>\n").next().unwrap().unwrap_err();
        assert_eq!(error.line, 1);
    }

    #[test]
    fn ends_after_an_error() {
        let mut stanzas = paragraphs("bad\n\nA: 1\n");
        assert!(stanzas.next().unwrap().is_err());
        assert_eq!(stanzas.next(), None);
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "[ -~\n\t:#é]{0,200}") {
            for stanza in paragraphs(&text) {
                let Ok(stanza) = stanza else { break };
                for field in stanza.fields() {
                    field.words().count();
                }
            }
        }
    }
}
