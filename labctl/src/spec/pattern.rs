//! Strict templates for lines: `[COPY1] PID={pid:int} dest={dest:address} len={len:int}`.
//!
//! A line matches as a whole or not at all. When it does not, the first difference is told in words.

use std::collections::BTreeMap;

use cel::Value;

use super::ids::is_name;
use super::value;

/// A template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    parts: Vec<Part>,
    source: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Hole { name: String, kind: HoleKind },
}

/// What may stand in a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoleKind {
    /// `-?[0-9]+` in 64 bits.
    Int,
    /// Like `Int`, with an optional fraction: `12.5`.
    Number,
    /// One to sixteen hex digits, with or without `0x`: what `%px` and a user's `%p` print.
    Address,
    /// One or more characters that are not white space, up to the next literal.
    Word,
    /// Any characters, also none, up to the next literal or the end.
    Text,
}

impl HoleKind {
    const ALL: &'static [(&'static str, Self)] = &[
        ("int", Self::Int),
        ("number", Self::Number),
        ("address", Self::Address),
        ("word", Self::Word),
        ("text", Self::Text),
    ];

    fn describe(self) -> &'static str {
        match self {
            Self::Int => "a decimal number",
            Self::Number => "a number",
            Self::Address => "an address in hex",
            Self::Word => "a word",
            Self::Text => "text",
        }
    }
}

/// The first place where a line leaves a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Bytes of the line that matched.
    pub matched: usize,
    /// What the template wants there.
    pub expected: String,
    /// What the line has there.
    pub found: String,
    after: String,
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.after.is_empty() {
            write!(
                f,
                "it should begin with {}, but begins with {}",
                self.expected, self.found
            )
        } else {
            write!(
                f,
                "after `{}` it should have {}, but has {}",
                self.after, self.expected, self.found
            )
        }
    }
}

impl Pattern {
    /// Parses a template. `{{` and `}}` stand for braces.
    ///
    /// # Errors
    /// A lowercase fragment: an unclosed hole, a bad name, an unknown kind, two holes without text between them.
    pub fn parse(source: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut chars = source.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '{' if chars.next_if_eq(&'{').is_some() => literal.push('{'),
                '}' if chars.next_if_eq(&'}').is_some() => literal.push('}'),
                '}' => return Err("`}` without `{`".to_owned()),
                '{' => {
                    let mut inside = String::new();
                    loop {
                        match chars.next() {
                            Some('}') => break,
                            Some(c) => inside.push(c),
                            None => return Err(format!("`{{{inside}` without `}}`")),
                        }
                    }
                    let (name, kind) = inside.split_once(':').ok_or("a hole is `{name:kind}`")?;
                    if !is_name(name) || name.contains('-') {
                        return Err(format!("`{name}` is not a name for a hole"));
                    }
                    let kind = HoleKind::ALL
                        .iter()
                        .find(|(word, _)| *word == kind)
                        .ok_or_else(|| {
                            let known: Vec<&str> = HoleKind::ALL.iter().map(|(word, _)| *word).collect();
                            format!("no kind of hole `{kind}`; there are {}", known.join(", "))
                        })?;
                    if parts
                        .iter()
                        .any(|part| matches!(part, Part::Hole { name: other, .. } if other == name))
                    {
                        return Err(format!("two holes are called `{name}`"));
                    }
                    if !literal.is_empty() {
                        parts.push(Part::Literal(std::mem::take(&mut literal)));
                    } else if matches!(parts.last(), Some(Part::Hole { .. })) {
                        return Err("two holes need text between them".to_owned());
                    }
                    parts.push(Part::Hole {
                        name: name.to_owned(),
                        kind: kind.1,
                    });
                }
                other => literal.push(other),
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        if parts.is_empty() {
            return Err("an empty template matches nothing".to_owned());
        }
        Ok(Self {
            parts,
            source: source.to_owned(),
        })
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Names of the holes.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Hole { name, .. } => Some(name.as_str()),
            Part::Literal(_) => None,
        })
    }

    /// Names and kinds of the holes.
    pub fn holes(&self) -> impl Iterator<Item = (&str, HoleKind)> {
        self.parts.iter().filter_map(|part| match part {
            Part::Hole { name, kind } => Some((name.as_str(), *kind)),
            Part::Literal(_) => None,
        })
    }

    /// Matches a whole line.
    ///
    /// # Errors
    /// The first difference.
    pub fn matches(&self, line: &str) -> Result<BTreeMap<String, Value>, Mismatch> {
        let mut values = BTreeMap::new();
        let mut at = 0;
        for (index, part) in self.parts.iter().enumerate() {
            let rest = &line[at..];
            match part {
                Part::Literal(literal) => {
                    if !rest.starts_with(literal.as_str()) {
                        let same = common_prefix(literal, rest);
                        return Err(mismatch(line, at + same, format!("`{}`", &literal[same..])));
                    }
                    at += literal.len();
                }
                Part::Hole { name, kind } => {
                    let next = match self.parts.get(index + 1) {
                        Some(Part::Literal(literal)) => Some(literal.as_str()),
                        _ => None,
                    };
                    let Some((length, value)) = take(*kind, rest, next) else {
                        return Err(mismatch(line, at, kind.describe().to_owned()));
                    };
                    at += length;
                    values.insert(name.clone(), value);
                }
            }
        }
        if at < line.len() {
            return Err(mismatch(line, at, "its end".to_owned()));
        }
        Ok(values)
    }

    /// A line that matches, with `number` (or as much of it as fits) in every hole.
    #[must_use]
    pub fn example(&self, number: u64) -> String {
        let mut line = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => line.push_str(literal),
                Part::Hole { kind, .. } => match kind {
                    HoleKind::Address => line.push_str(&format!("{number:016x}")),
                    HoleKind::Int | HoleKind::Number | HoleKind::Text | HoleKind::Word => {
                        line.push_str(&number.to_string());
                    }
                },
            }
        }
        line
    }

    /// Whether a line that does not match was probably meant to: it contains the template's first word, whatever the
    /// brackets around it and the case.
    #[must_use]
    pub fn resembles(&self, line: &str) -> bool {
        let Some(Part::Literal(literal)) = self.parts.first() else {
            return false;
        };
        let word = literal.split_whitespace().next().unwrap_or("");
        let word: String = word
            .chars()
            .filter(|c| c.is_ascii_alphanumeric())
            .collect::<String>()
            .to_lowercase();
        word.len() >= 3 && line.to_lowercase().contains(&word)
    }
}

/// The longest value of a kind at the start of `rest`, with its length in bytes.
fn take(kind: HoleKind, rest: &str, next: Option<&str>) -> Option<(usize, Value)> {
    let run = |text: &str, allowed: fn(&u8) -> bool| text.bytes().take_while(allowed).count();
    match kind {
        HoleKind::Int => {
            let sign = usize::from(rest.starts_with('-'));
            let digits = run(&rest[sign..], u8::is_ascii_digit);
            let number = &rest[..sign + digits];
            let value = number
                .parse::<i64>()
                .map(Value::Int)
                .or_else(|_| number.parse::<u64>().map(Value::UInt))
                .ok()?;
            (digits > 0).then_some((sign + digits, value))
        }
        HoleKind::Number => {
            let sign = usize::from(rest.starts_with('-'));
            let digits = run(&rest[sign..], u8::is_ascii_digit);
            let point = rest[sign + digits..].starts_with('.');
            let fraction = if point {
                run(&rest[sign + digits + 1..], u8::is_ascii_digit)
            } else {
                0
            };
            let end = sign + digits + if fraction > 0 { 1 + fraction } else { 0 };
            let value = rest[..end].parse::<f64>().ok()?;
            (digits > 0).then_some((end, Value::Float(value)))
        }
        HoleKind::Address => {
            let prefix = if rest.starts_with("0x") || rest.starts_with("0X") {
                2
            } else {
                0
            };
            let digits = run(&rest[prefix..], u8::is_ascii_hexdigit);
            let address = u64::from_str_radix(&rest[prefix..prefix + digits], 16).ok()?;
            (1..=16)
                .contains(&digits)
                .then_some((prefix + digits, Value::UInt(address)))
        }
        HoleKind::Word | HoleKind::Text => {
            let end = match next {
                Some(literal) => rest.find(literal)?,
                None => rest.len(),
            };
            let text = &rest[..end];
            if kind == HoleKind::Word && (text.is_empty() || text.contains(char::is_whitespace)) {
                return None;
            }
            Some((end, value::text(text)))
        }
    }
}

fn common_prefix(left: &str, right: &str) -> usize {
    left.char_indices()
        .zip(right.chars())
        .find(|((_, a), b)| a != b)
        .map_or(left.len().min(right.len()), |((at, _), _)| at)
}

/// How many characters a message repeats of what was found, and of what came before it.
const SHOWN: usize = 24;
const BEFORE: usize = 60;

fn mismatch(line: &str, at: usize, expected: String) -> Mismatch {
    let rest = &line[at..];
    let found = if rest.is_empty() {
        "nothing more".to_owned()
    } else {
        let shown: String = rest.chars().take(SHOWN).collect();
        let more = if shown.len() < rest.len() { "…" } else { "" };
        format!("`{shown}{more}`")
    };
    let skipped = line[..at].chars().count().saturating_sub(BEFORE);
    let after: String = line[..at].chars().skip(skipped).collect();
    Mismatch {
        matched: at,
        expected,
        found,
        after,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy1() -> Pattern {
        Pattern::parse("[COPY1] PID={pid:int} dest={dest:address} len={len:int}").unwrap()
    }

    #[test]
    fn a_line_of_the_lesson() {
        let values = copy1()
            .matches("[COPY1] PID=176 dest=ff256beabe44562c len=13")
            .unwrap();
        assert_eq!(values["pid"], Value::Int(176));
        assert_eq!(values["dest"], Value::UInt(0xff25_6bea_be44_562c));
        assert_eq!(values["len"], Value::Int(13));
        // A pointer printed with %zu.
        let values = copy1()
            .matches("[COPY1] PID=1 dest=0 len=18446612682070802432")
            .unwrap();
        assert_eq!(values["len"], Value::UInt(18_446_612_682_070_802_432));
    }

    #[test]
    fn the_first_difference_is_told() {
        let told = |line: &str| copy1().matches(line).unwrap_err().to_string();
        assert_eq!(
            told("[COPY1] PID=x"),
            "after `[COPY1] PID=` it should have a decimal number, but has `x`"
        );
        assert_eq!(
            told("[COPY1] PID=1 dst=ff len=3"),
            "after `[COPY1] PID=1 d` it should have `est=`, but has `st=ff len=3`"
        );
        assert_eq!(
            told("[COPY1] PID=1 dest=(____ptrval____) len=3"),
            "after `[COPY1] PID=1 dest=` it should have an address in hex, but has `(____ptrval____) len=3`"
        );
        assert_eq!(
            told("[COPY1] PID=1 dest=ff len=3 bytes"),
            "after `[COPY1] PID=1 dest=ff len=3` it should have its end, but has ` bytes`"
        );
        assert_eq!(
            told("x[COPY1]"),
            "it should begin with `[COPY1] PID=`, but begins with `x[COPY1]`"
        );
        assert_eq!(
            told("[COPY1] PID=1 dest=ff len="),
            "after `[COPY1] PID=1 dest=ff len=` it should have a decimal number, but has nothing more"
        );
    }

    #[test]
    fn resemblance_ignores_brackets_and_case() {
        assert!(copy1().resembles("COPY1: pid 12"));
        assert!(copy1().resembles("send: [copy1] PID=1"));
        assert!(!copy1().resembles("[COPY4] PID=1"));
    }

    #[test]
    fn words_and_text() {
        let pattern = Pattern::parse("Received {n:int} bytes: {text:text}").unwrap();
        let values = pattern.matches("Received 13 bytes: HELLO NETWORK").unwrap();
        assert_eq!(values["text"], value::text("HELLO NETWORK"));
        assert!(Pattern::parse("{a:word}!").unwrap().matches("a b!").is_err());
        let rate = Pattern::parse("{rate:number} GB/s").unwrap();
        assert_eq!(rate.matches("12.5 GB/s").unwrap()["rate"], Value::Float(12.5));
        assert_eq!(rate.matches("12 GB/s").unwrap()["rate"], Value::Float(12.0));
        assert!(rate.matches("12. GB/s").is_err());
    }

    #[test]
    fn bad_templates_are_refused() {
        for (template, why) in [
            ("{a", "without"),
            ("a}", "without"),
            ("{a}", "name:kind"),
            ("{A:int}", "not a name"),
            ("{a:float}", "no kind of hole `float`"),
            ("{a:int}{b:int}", "text between"),
            ("{a:int} {a:int}", "two holes are called"),
            ("", "empty"),
        ] {
            let error = Pattern::parse(template).unwrap_err();
            assert!(error.contains(why), "{template}: {error}");
        }
        assert_eq!(
            Pattern::parse("{{x}} {a:int}").unwrap().matches("{x} 5").unwrap()["a"],
            Value::Int(5)
        );
    }

    mod properties {
        use proptest::prelude::*;

        proptest! {
            #[test]
            fn no_line_panics(line in "\\PC{0,80}", prefix in prop_oneof![Just(""), Just("[COPY1] PID="), Just("[COPY1] PID=1 dest=")]) {
                let line = format!("{prefix}{line}");
                if let Err(difference) = super::copy1().matches(&line) {
                    prop_assert!(line.is_char_boundary(difference.matched), "{difference}");
                }
            }

            #[test]
            fn an_example_matches(number: u64) {
                for template in ["[COPY1] PID={pid:int} dest={dest:address} len={len:int}", "{{{a:word}}} {b:number}: {c:text}"] {
                    let pattern = crate::spec::pattern::Pattern::parse(template).unwrap();
                    prop_assert!(pattern.matches(&pattern.example(number)).is_ok());
                }
            }

            #[test]
            fn what_was_printed_is_read_back(pid in 0_i64..4_194_304, dest: u64, len: u64) {
                let line = format!("[COPY1] PID={pid} dest={dest:016x} len={len}");
                let values = super::copy1().matches(&line).unwrap();
                prop_assert_eq!(&values["dest"], &cel::Value::UInt(dest));
                prop_assert_eq!(crate::spec::value::as_integer(&values["len"]), Some(i128::from(len)));
            }
        }
    }
}
