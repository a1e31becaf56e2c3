//! Reading YAML with positions.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};

use super::error::SpecError;

/// A YAML file of the course: its name and text, to turn positions into errors.
#[derive(Debug, Clone)]
pub struct Source {
    file: Arc<str>,
    text: Arc<str>,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Path relative to the course.
    pub file: Arc<str>,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl Source {
    /// A file of the course.
    #[must_use]
    pub fn new(file: &str, text: &str) -> Self {
        Self {
            file: file.into(),
            text: text.into(),
        }
    }

    /// Path relative to the course.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Its text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Reads the whole file as one value.
    ///
    /// # Errors
    /// Anything that is not YAML or not of the shape, with its place.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, SpecError> {
        let options = serde_yaml::options! {
            budget: serde_yaml::budget! { max_depth: 32, max_nodes: 50_000, max_aliases: 1_000 },
        };
        self.read_with(options)
    }

    /// Reads a file that a stranger wrote: small, flat, without anchors and aliases.
    ///
    /// # Errors
    /// Anything that is not YAML or not of the shape, with its place.
    pub fn read_untrusted<T: DeserializeOwned>(&self) -> Result<T, SpecError> {
        let options = serde_yaml::options! {
            budget: serde_yaml::budget! { max_depth: 8, max_nodes: 4_000, max_aliases: 0, max_anchors: 0, max_merge_keys: 0, max_documents: 1 },
        };
        self.read_with(options)
    }

    fn read_with<T: DeserializeOwned>(&self, options: serde_yaml::Options) -> Result<T, SpecError> {
        serde_yaml::from_str_with_options(&self.text, options).map_err(|error| {
            let (line, column) = error
                .location()
                .map_or((1, 1), |place| (place.line(), place.column()));
            let what = plain_message(&error, line, column);
            // What is missing is told where the mapping ends, which may be behind the last line.
            let last = u64::try_from(self.text.lines().count().max(1)).unwrap_or(u64::MAX);
            if line > last {
                self.error(last, 1, what)
            } else {
                self.error(line, column, what)
            }
        })
    }

    /// An error at a place of this file.
    #[must_use]
    pub fn error(&self, line: u64, column: u64, what: impl Into<String>) -> SpecError {
        SpecError {
            file: self.file.to_string(),
            line: clamp(line),
            column: clamp(column),
            what: what.into(),
        }
    }

    /// An error at a value.
    #[must_use]
    pub fn at<T>(&self, value: &Spanned<T>, what: impl Into<String>) -> SpecError {
        self.error(value.referenced.line(), value.referenced.column(), what)
    }

    /// The place of a value.
    #[must_use]
    pub fn origin<T>(&self, value: &Spanned<T>) -> Origin {
        Origin {
            file: Arc::clone(&self.file),
            line: clamp(value.referenced.line()),
            column: clamp(value.referenced.column()),
        }
    }

    /// The place of character `column` (from 1) of line `line` (from 1) of a scalar's text. Quotes and the indentation of
    /// block scalars are found again in the file; where that fails (folded or escaped text) it is the scalar's own place.
    #[must_use]
    pub fn inside(&self, scalar: &Spanned<String>, line: usize, column: usize) -> Origin {
        let start = self.origin(scalar);
        let Some(wanted) = scalar
            .value
            .lines()
            .nth(line.saturating_sub(1))
            .map(str::trim_end)
        else {
            return start;
        };
        let first = start.line as usize - 1;
        for (index, text) in self.text.lines().enumerate().skip(first).take(line + 1) {
            let from = if index == first {
                start.column as usize - 1
            } else {
                0
            };
            let skipped: usize = text.chars().take(from).map(char::len_utf8).sum();
            if let Some(found) = text.get(skipped..).and_then(|rest| rest.find(wanted)) {
                let before = text[..skipped + found].chars().count();
                return Origin {
                    file: start.file,
                    line: u32::try_from(index + 1).unwrap_or(u32::MAX),
                    column: u32::try_from(before + column).unwrap_or(u32::MAX),
                };
            }
        }
        start
    }
}

fn clamp(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX).max(1)
}

/// The library's sentence without the position it appends; the error carries that in front.
fn plain_message(error: &serde_yaml::Error, line: u64, column: u64) -> String {
    let message = error.without_snippet().to_string();
    let message = message
        .strip_suffix(&format!(" at line {line}, column {column}"))
        .unwrap_or(&message);
    message
        .split(", set DuplicateKeyPolicy")
        .next()
        .unwrap_or(message)
        .to_owned()
}

impl Origin {
    /// An error here.
    #[must_use]
    pub fn error(&self, what: impl Into<String>) -> SpecError {
        SpecError {
            file: self.file.to_string(),
            line: self.line,
            column: self.column,
            what: what.into(),
        }
    }
}

/// A value with the place where it stands in its file.
#[derive(Debug, Clone, PartialEq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it is used; for an alias, the place of the alias.
    pub referenced: serde_yaml::Location,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spanned<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = serde_yaml::Spanned::deserialize(deserializer)?;
        Ok(Self {
            value: spanned.value,
            referenced: spanned.referenced,
        })
    }
}

/// A place leaves no trace in the file. A text is any scalar: `13`, `0x2a` and `true` are read as they are written.
impl<T: JsonSchema> JsonSchema for Spanned<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        format!("Spanned<{}>", T::schema_id()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = generator.subschema_for::<T>();
        if let Some(kind) = schema.get_mut("type") {
            let scalar = ["string", "number", "boolean"];
            match kind {
                serde_json::Value::String(name) if name == "string" => *kind = scalar.into_iter().collect(),
                serde_json::Value::Array(kinds) if kinds.iter().any(|kind| kind == "string") => {
                    *kind = scalar.into_iter().chain(["null"]).collect();
                }
                _ => {}
            }
        }
        schema
    }
}

/// A YAML mapping in the order of the file, each key with its place. A repeated key is an error of the reader.
#[derive(Debug)]
pub struct Mapping<V>(pub Vec<(Spanned<String>, V)>);

impl<V> Default for Mapping<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Mapping<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for Pairs<V> {
            type Value = Mapping<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(key) = map.next_key::<Spanned<String>>()? {
                    pairs.push((key, map.next_value()?));
                }
                Ok(Mapping(pairs))
            }
        }

        deserializer.deserialize_map(Pairs(PhantomData))
    }
}

impl<V: JsonSchema> JsonSchema for Mapping<V> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Mapping_of_{}", V::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let values = generator.subschema_for::<V>();
        schemars::json_schema!({ "type": "object", "additionalProperties": values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_inside_quoted_and_block_scalars() {
        let source = Source::new("x.yaml", "a: \"one + two\"\nb: |\n  first\n  second line\n");
        let Mapping(pairs) = source.read::<Mapping<Spanned<String>>>().unwrap();
        assert_eq!(source.inside(&pairs[0].1, 1, 7).to_string(), "x.yaml:1:11");
        assert_eq!(source.inside(&pairs[1].1, 2, 8).to_string(), "x.yaml:4:10");
    }

    #[test]
    fn errors_carry_their_place_once() {
        let error = Source::new("x.yaml", "a: 1\na: 2\n")
            .read::<Mapping<String>>()
            .unwrap_err();
        assert_eq!(error.to_string(), "x.yaml:2:1: duplicate mapping key: a");
    }

    #[test]
    fn a_stranger_may_not_use_anchors() {
        let source = Source::new("x.yaml", "a: &x [1]\nb: [*x, *x]\n");
        assert!(source.read_untrusted::<Mapping<Vec<Vec<String>>>>().is_err());
    }
}
