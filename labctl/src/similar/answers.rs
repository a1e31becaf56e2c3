//! Wrong numbers that are right, or just as wrong, for somebody who was given others.

use std::collections::BTreeMap;

use super::{Work, common_above};

/// One answer as it was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// `exercise-b/copy1_to`.
    pub check: String,
    pub value: String,
    pub right: bool,
}

/// An answer that two students gave to different questions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedAnswer {
    pub check: String,
    pub value: String,
    /// It is right for the first, and so not the second's own.
    pub right_for_one: bool,
    pub right_for_other: bool,
}

/// Shorter numbers meet by chance.
const DIGITS: usize = 4;

/// How often each answer was given.
pub(super) struct Index<'a> {
    given: BTreeMap<(&'a str, &'a str), usize>,
    common_above: usize,
}

impl<'a> Index<'a> {
    pub(super) fn of(works: &'a [Work]) -> Self {
        let mut given: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for answer in works.iter().flat_map(|work| &work.answers) {
            *given.entry((&answer.check, &answer.value)).or_default() += 1;
        }
        Self {
            given,
            common_above: common_above(works.len()),
        }
    }

    pub(super) fn shared(&self, one: &Work, other: &Work) -> Vec<SharedAnswer> {
        if one.seed == other.seed {
            return Vec::new();
        }
        let mut shared = Vec::new();
        for ours in &one.answers {
            let same = |theirs: &&Answer| theirs.check == ours.check && theirs.value == ours.value;
            let Some(theirs) = other.answers.iter().find(same) else {
                continue;
            };
            let often = self.given.get(&(ours.check.as_str(), ours.value.as_str()));
            let is_common = often.is_some_and(|often| *often > self.common_above);
            // Right for both: the question did not depend on the numbers.
            if is_telling(&ours.value) && !(is_common || ours.right && theirs.right) {
                shared.push(SharedAnswer {
                    check: ours.check.clone(),
                    value: ours.value.clone(),
                    right_for_one: ours.right,
                    right_for_other: theirs.right,
                });
            }
        }
        shared
    }
}

/// Long enough a number that two students hardly come to it by themselves: 1000 and 4096 are everybody's.
fn is_telling(value: &str) -> bool {
    let digits: String = value
        .trim_start_matches("0x")
        .chars()
        .take_while(|letter| letter.is_ascii_hexdigit() || matches!(letter, '_' | '.'))
        .filter(char::is_ascii_hexdigit)
        .collect();
    let is_number = value.starts_with(|letter: char| letter.is_ascii_digit());
    is_number && digits.trim_matches('0').len() >= DIGITS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_round_numbers_tell_nothing() {
        for value in ["2", "yes", "1000", "100000000", "rdi", "0xff", "", "-"] {
            assert!(!is_telling(value), "{value}");
        }
        for value in ["0xffff888112340050", "1074", "8_589", "13.37 ms"] {
            assert!(is_telling(value), "{value}");
        }
    }
}
