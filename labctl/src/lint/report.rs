//! What was looked at, and what is wrong.

use crate::spec::error::SpecError;
use crate::spec::expr::EvalError;
use crate::spec::yaml::Origin;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Kebab-case: `solution-answers`.
    pub name: &'static str,
    /// `module7/exercise-b`, `module7`, or the course.
    pub subject: String,
    /// How it is.
    pub state: State,
    /// One line for people: what was seen, or why it was not looked at.
    pub detail: String,
    /// What is wrong; empty unless `state` is [`State::Wrong`].
    pub problems: Vec<Problem>,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// As it has to be.
    Right,
    /// Not as it has to be.
    Wrong,
    /// Not looked at.
    NotRun,
}

impl State {
    /// `ok`, `problem`, `not-run`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Right => "ok",
            Self::Wrong => "problem",
            Self::NotRun => "not-run",
        }
    }
}

/// One thing that is wrong, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Path relative to the course.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// What is wrong, a lowercase fragment.
    pub what: String,
    /// What to do.
    pub help: String,
}

impl Item {
    /// Right when there are no problems.
    #[must_use]
    pub fn judged(
        name: &'static str,
        subject: impl Into<String>,
        detail: impl Into<String>,
        problems: Vec<Problem>,
    ) -> Self {
        let state = if problems.is_empty() {
            State::Right
        } else {
            State::Wrong
        };
        Self {
            name,
            subject: subject.into(),
            state,
            detail: detail.into(),
            problems,
        }
    }

    /// Something that was not looked at, and how it can be.
    #[must_use]
    pub fn not_run(name: &'static str, subject: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            name,
            subject: subject.into(),
            state: State::NotRun,
            detail: why.into(),
            problems: Vec::new(),
        }
    }
}

impl Problem {
    /// A problem with a whole file.
    #[must_use]
    pub fn in_file(file: &str, what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::at(file, 1, 1, what, help)
    }

    /// A problem at a place.
    #[must_use]
    pub fn at(file: &str, line: u32, column: u32, what: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line,
            column,
            what: what.into(),
            help: help.into(),
        }
    }

    /// A problem with an expression or a value of a course file.
    #[must_use]
    pub fn with(origin: &Origin, what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::at(&origin.file, origin.line, origin.column, what, help)
    }
}

impl From<&EvalError> for Problem {
    fn from(error: &EvalError) -> Self {
        let source = error.source_text.trim();
        Self::with(
            &error.origin,
            format!("`{source}` cannot be evaluated: {}", error.why),
            "a rule has to hold for any evidence: let it ask first whether what it needs is there",
        )
    }
}

impl From<&SpecError> for Problem {
    fn from(error: &SpecError) -> Self {
        Self::at(
            &error.file,
            error.line,
            error.column,
            error.what.clone(),
            "the keys and their meaning are in labs/README.md; `labctl schema` lets an editor know them",
        )
    }
}
