//! What is wrong with a course file, and where.

use std::fmt;

/// One mistake in a course file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{file}:{line}:{column}: {what}")]
pub struct SpecError {
    /// Path relative to the course.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// Why it is a mistake, a lowercase fragment.
    pub what: String,
}

/// All mistakes that were found, sorted by place; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecErrors(Vec<SpecError>);

impl SpecErrors {
    /// `Err` with all of `errors`, or `Ok(value)` when there are none.
    ///
    /// # Errors
    /// When `errors` is not empty.
    pub fn check<T>(mut errors: Vec<SpecError>, value: T) -> Result<T, Self> {
        if errors.is_empty() {
            return Ok(value);
        }
        errors.sort();
        errors.dedup();
        Err(Self(errors))
    }

    /// The mistakes, sorted by place.
    #[must_use]
    pub fn as_slice(&self) -> &[SpecError] {
        &self.0
    }
}

impl From<SpecError> for SpecErrors {
    fn from(error: SpecError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for SpecErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SpecErrors {}
