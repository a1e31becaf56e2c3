//! Which part of a class is graded here.

use std::fmt;
use std::str::FromStr;

/// One of several equal parts of a class, `2/5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    index: usize,
    of: usize,
}

/// A text that names no part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a part is written I/N, with I from 1 to N: `1/4` is the first of four")]
pub struct NotAPartition;

/// More parts than this are a mistyped number.
const MOST: usize = 100_000;

impl Partition {
    /// From 1.
    #[must_use]
    pub const fn index(self) -> usize {
        self.index
    }

    /// How many parts there are.
    #[must_use]
    pub const fn of(self) -> usize {
        self.of
    }

    /// The students of this part. It depends on the set of their ids alone, not on the order of a roster; parts differ
    /// by at most one student.
    #[must_use]
    pub fn choose<'a>(self, ids: impl IntoIterator<Item = &'a str>) -> std::collections::BTreeSet<&'a str> {
        let ids: std::collections::BTreeSet<&str> = ids.into_iter().collect();
        ids.into_iter()
            .enumerate()
            .filter(|(rank, _)| rank % self.of == self.index - 1)
            .map(|(_, id)| id)
            .collect()
    }
}

impl FromStr for Partition {
    type Err = NotAPartition;

    fn from_str(text: &str) -> Result<Self, NotAPartition> {
        let number = |part: &str| -> Option<usize> {
            let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| part.parse().ok())?
        };
        let (index, of) = text.split_once('/').ok_or(NotAPartition)?;
        match (number(index), number(of)) {
            (Some(index), Some(of)) if (1..=of).contains(&index) && of <= MOST => Ok(Self { index, of }),
            _ => Err(NotAPartition),
        }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_student_is_in_one_part_whatever_the_order() {
        let names: Vec<String> = (0..61).map(|number| format!("student-{number}")).collect();
        let parts: Vec<BTreeSet<&str>> = (1..=4)
            .map(|index| Partition { index, of: 4 }.choose(names.iter().map(String::as_str)))
            .collect();
        let sizes: Vec<_> = parts.iter().map(BTreeSet::len).collect();
        assert_eq!(sizes, [16, 15, 15, 15]);
        let all: BTreeSet<&str> = parts.iter().flatten().copied().collect();
        assert_eq!(all.len(), 61);
        let backwards = Partition { index: 1, of: 4 }.choose(names.iter().rev().map(String::as_str));
        assert_eq!(backwards, parts[0]);
    }

    #[test]
    fn only_parts_are_parts() {
        assert_eq!("2/5".parse::<Partition>().unwrap().to_string(), "2/5");
        for text in [
            "",
            "3",
            "0/2",
            "3/2",
            "a/2",
            "1/",
            "/2",
            "-1/2",
            "+1/2",
            "1/2/3",
            "1/99999999",
        ] {
            assert_eq!(text.parse::<Partition>(), Err(NotAPartition), "{text}");
        }
    }
}
