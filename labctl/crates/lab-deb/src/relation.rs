//! Dependency fields: `Depends`, `Pre-Depends`, `Provides`, `Conflicts`, `Breaks` (deb-control(5), Debian Policy §7.1).

use std::fmt;

use thiserror::Error;

use crate::{Version, VersionError};

/// A field that cannot be read.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum RelationError {
    #[error("`{text}` does not begin with a package name")]
    Name { text: String },
    #[error(
        "`{text}`: nothing but `:arch`, `(op version)`, `[arch …]` and `<profile …>` may follow the name"
    )]
    Trailing { text: String },
    #[error("`{text}`: `{operator}` is none of << <= = >= >>")]
    Operator { text: String, operator: String },
    #[error("`{text}` has a bad version")]
    Version {
        text: String,
        #[source]
        source: VersionError,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    StrictlyEarlier,
    EarlierOrEqual,
    Equal,
    LaterOrEqual,
    StrictlyLater,
}

impl Operator {
    fn parse(text: &str) -> Option<Operator> {
        Some(match text {
            "<<" => Operator::StrictlyEarlier,
            // `<` and `>` are the deprecated spellings of `<=` and `>=`, not of the strict ones.
            "<=" | "<" => Operator::EarlierOrEqual,
            "=" => Operator::Equal,
            ">=" | ">" => Operator::LaterOrEqual,
            ">>" => Operator::StrictlyLater,
            _ => return None,
        })
    }

    fn as_str(self) -> &'static str {
        match self {
            Operator::StrictlyEarlier => "<<",
            Operator::EarlierOrEqual => "<=",
            Operator::Equal => "=",
            Operator::LaterOrEqual => ">=",
            Operator::StrictlyLater => ">>",
        }
    }
}

/// `(>= 1.2)`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    pub operator: Operator,
    pub version: Version,
}

impl Constraint {
    pub fn admits(&self, version: &Version) -> bool {
        match self.operator {
            Operator::StrictlyEarlier => *version < self.version,
            Operator::EarlierOrEqual => *version <= self.version,
            Operator::Equal => *version == self.version,
            Operator::LaterOrEqual => *version >= self.version,
            Operator::StrictlyLater => *version > self.version,
        }
    }
}

/// One package name with what is asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    pub name: String,
    /// `any` of `perl:any`.
    pub qualifier: Option<String>,
    pub constraint: Option<Constraint>,
    /// `amd64 !i386` of `[amd64 !i386]`; empty where there is no restriction.
    pub architectures: Vec<String>,
}

impl Relation {
    /// Whether a package called `name` at `version` is what this relation asks for.
    pub fn matches(&self, name: &str, version: &Version) -> bool {
        self.name == name && self.admits(version)
    }

    pub fn admits(&self, version: &Version) -> bool {
        self.constraint
            .as_ref()
            .is_none_or(|constraint| constraint.admits(version))
    }

    /// Whether a virtual package provided with `provided` is enough. An unversioned `Provides` never satisfies
    /// a versioned relation (Debian Policy §7.5).
    pub fn admits_provided(&self, provided: Option<&Version>) -> bool {
        match (&self.constraint, provided) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(constraint), Some(version)) => constraint.admits(version),
        }
    }

    /// Whether the relation exists at all on `architecture` (`amd64`). Knows the wildcards `any`, `linux-any` and `any-amd64`.
    pub fn applies_to(&self, architecture: &str) -> bool {
        let is = |pattern: &str| {
            pattern == architecture
                || pattern == "any"
                || pattern == "linux-any"
                || pattern
                    .strip_prefix("any-")
                    .is_some_and(|cpu| cpu == architecture)
        };
        let negative = self.architectures.iter().any(|a| a.starts_with('!'));
        match self.architectures.as_slice() {
            [] => true,
            all if negative => !all.iter().any(|a| is(a.trim_start_matches('!'))),
            all => all.iter().any(|a| is(a)),
        }
    }

    fn parse(text: &str) -> Result<Relation, RelationError> {
        let text = text.trim();
        let in_name = |b: u8| b.is_ascii_alphanumeric() || b"+-._".contains(&b);
        let end = text.bytes().position(|b| !in_name(b)).unwrap_or(text.len());
        if end == 0 || !text.as_bytes()[0].is_ascii_alphanumeric() {
            return Err(RelationError::Name {
                text: text.to_owned(),
            });
        }
        let mut relation = Relation {
            name: text[..end].to_owned(),
            qualifier: None,
            constraint: None,
            architectures: Vec::new(),
        };
        let trailing = || RelationError::Trailing {
            text: text.to_owned(),
        };
        let mut rest = &text[end..];
        if let Some(after) = rest.strip_prefix(':') {
            let end = after.bytes().position(|b| !in_name(b)).unwrap_or(after.len());
            relation.qualifier = Some(after[..end].to_owned());
            rest = &after[end..];
        }
        loop {
            rest = rest.trim_start();
            let Some(open) = rest.chars().next() else {
                return Ok(relation);
            };
            let close = match open {
                '(' => ')',
                '[' => ']',
                '<' => '>',
                _ => return Err(trailing()),
            };
            let at = rest.find(close).ok_or_else(trailing)?;
            let inner = rest[1..at].trim();
            match open {
                '(' => relation.constraint = Some(parse_constraint(text, inner)?),
                '[' => relation.architectures = inner.split_whitespace().map(str::to_owned).collect(),
                // Build profiles concern source packages only.
                _ => {}
            }
            rest = &rest[at + 1..];
        }
    }
}

fn parse_constraint(text: &str, inner: &str) -> Result<Constraint, RelationError> {
    let at = inner.find(|c: char| !"<>=".contains(c)).unwrap_or(inner.len());
    let operator = Operator::parse(&inner[..at]).ok_or_else(|| RelationError::Operator {
        text: text.to_owned(),
        operator: inner[..at].to_owned(),
    })?;
    let version = Version::parse(inner[at..].trim()).map_err(|source| RelationError::Version {
        text: text.to_owned(),
        source,
    })?;
    Ok(Constraint { operator, version })
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(qualifier) = &self.qualifier {
            write!(f, ":{qualifier}")?;
        }
        if let Some(constraint) = &self.constraint {
            write!(f, " ({} {})", constraint.operator.as_str(), constraint.version)?;
        }
        if !self.architectures.is_empty() {
            write!(f, " [{}]", self.architectures.join(" "))?;
        }
        Ok(())
    }
}

/// Alternatives (`a | b`), of which one is enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alternatives(pub Vec<Relation>);

impl Alternatives {
    /// Reads `a (>= 1) | b`.
    pub fn parse(text: &str) -> Result<Alternatives, RelationError> {
        text.split('|')
            .map(Relation::parse)
            .collect::<Result<_, _>>()
            .map(Alternatives)
    }
}

impl fmt::Display for Alternatives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, relation) in self.0.iter().enumerate() {
            write!(f, "{}{relation}", if at == 0 { "" } else { " | " })?;
        }
        Ok(())
    }
}

/// Reads a whole field: groups of alternatives, separated by commas, all of which are asked for. Relations that
/// do not exist on `architecture` are left out.
pub fn parse_field(field: &str, architecture: &str) -> Result<Vec<Alternatives>, RelationError> {
    let mut groups = Vec::new();
    for text in field.split(',').filter(|text| !text.trim().is_empty()) {
        let mut group = Alternatives::parse(text)?;
        group.0.retain(|relation| relation.applies_to(architecture));
        if !group.0.is_empty() {
            groups.push(group);
        }
    }
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Relation {
        Relation::parse(text).unwrap()
    }

    #[test]
    fn reads_what_debian_writes() {
        let groups = parse_field(
            "libc6 (>= 2.38), perl:any, default-mta | mail-transport-agent, g++-14 (= 14.2.0-19),",
            "amd64",
        )
        .unwrap();
        assert_eq!(
            groups.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [
                "libc6 (>= 2.38)",
                "perl:any",
                "default-mta | mail-transport-agent",
                "g++-14 (= 14.2.0-19)"
            ]
        );
        assert_eq!(one("a(>=1)").to_string(), "a (>= 1)");
        assert_eq!(
            one("a (<< 2) [amd64 arm64] <!nocheck> <cross>").architectures,
            ["amd64", "arm64"]
        );
        assert_eq!(parse_field("", "amd64").unwrap(), []);
    }

    #[test]
    fn leaves_out_other_architectures() {
        let field = "a [i386], b [!amd64], c [linux-any], d [any-amd64] | e [arm64], f [!arm64 !i386]";
        let groups = parse_field(field, "amd64").unwrap();
        let names: Vec<_> = groups.iter().map(|g| g.0[0].name.as_str()).collect();
        assert_eq!(names, ["c", "d", "f"]);
        assert_eq!(groups[1].0.len(), 1);
    }

    #[test]
    fn compares_with_every_operator() {
        let admits = |text: &str, version: &str| one(text).admits(&Version::parse(version).unwrap());
        for (text, below, same, above) in [
            ("a (<< 2)", true, false, false),
            ("a (<= 2)", true, true, false),
            ("a (< 2)", true, true, false),
            ("a (= 2)", false, true, false),
            ("a (>= 2)", false, true, true),
            ("a (> 2)", false, true, true),
            ("a (>> 2)", false, false, true),
            ("a", true, true, true),
        ] {
            assert_eq!(
                (admits(text, "1"), admits(text, "2"), admits(text, "3")),
                (below, same, above),
                "{text}"
            );
        }
    }

    #[test]
    fn a_versioned_relation_needs_a_versioned_provides() {
        let version = Version::parse("5").unwrap();
        assert!(one("a").admits_provided(None));
        assert!(!one("a (>= 1)").admits_provided(None));
        assert!(one("a (>= 1)").admits_provided(Some(&version)));
        assert!(!one("a (>= 6)").admits_provided(Some(&version)));
    }

    #[test]
    fn refuses_with_the_text_that_is_wrong() {
        for (text, part) in [
            ("(>= 1)", "package name"),
            ("a b", "may follow"),
            ("a (>= 1", "may follow"),
            ("a (~ 1)", "none of"),
            ("a (>= )", "bad version"),
            ("a | | b", "package name"),
        ] {
            let error = parse_field(text, "amd64").unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_displayed_reads_back(text in "[a-z][a-z0-9+.-]{1,6}(:any)?( \\((<<|<=|=|>=|>>) [0-9][a-z0-9.~+]{0,5}\\))?") {
            let relation = Relation::parse(&text).unwrap();
            proptest::prop_assert_eq!(Relation::parse(&relation.to_string()).unwrap(), relation);
        }

        #[test]
        fn never_panics(text in "[a-c|,:()<>=!\\[\\] 0-9é]{0,40}") {
            drop(parse_field(&text, "amd64"));
        }
    }
}
