//! Versions as dpkg orders them (deb-version(7)).

use std::cmp::Ordering;
use std::fmt;

use thiserror::Error;

/// A text that is no version.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
#[error("`{text}` is not a Debian version: {problem}")]
pub struct VersionError {
    pub text: String,
    pub problem: &'static str,
}

/// `[epoch:]upstream[-revision]`. Two spellings that dpkg calls equal (`1.0` and `1.00`) are equal here,
/// and each is displayed as it was written.
#[derive(Debug, Clone)]
pub struct Version {
    text: String,
    epoch: u32,
    /// Where upstream begins and ends in `text`.
    upstream: (usize, usize),
}

impl Version {
    pub fn parse(text: &str) -> Result<Version, VersionError> {
        let fail = |problem| VersionError {
            text: text.to_owned(),
            problem,
        };
        let (epoch, begin) = match text.find(':') {
            None => (0, 0),
            Some(at) => {
                let digits = &text[..at];
                if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(fail("the epoch before `:` is not a number"));
                }
                (
                    digits.parse().map_err(|_| fail("the epoch is too large"))?,
                    at + 1,
                )
            }
        };
        let end = match text.rfind('-') {
            Some(at) if at >= begin => at,
            _ => text.len(),
        };
        if end == begin {
            return Err(fail("the upstream part is empty"));
        }
        if end + 1 == text.len() {
            return Err(fail("the revision after `-` is empty"));
        }
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b".+~-".contains(&b);
        if !text[begin..end].bytes().all(|b| allowed(b) || b == b':') {
            return Err(fail("upstream has a character outside of A-Z a-z 0-9 . + - ~ :"));
        }
        if end < text.len() && !text[end + 1..].bytes().all(|b| allowed(b) && b != b'-') {
            return Err(fail("the revision has a character outside of A-Z a-z 0-9 . + ~"));
        }
        Ok(Version {
            text: text.to_owned(),
            epoch,
            upstream: (begin, end),
        })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn upstream(&self) -> &[u8] {
        &self.text.as_bytes()[self.upstream.0..self.upstream.1]
    }

    /// An absent revision orders like `0`.
    fn revision(&self) -> &[u8] {
        self.text.as_bytes().get(self.upstream.1 + 1..).unwrap_or(b"")
    }
}

/// Compares two parts: alternately a run of non-digits and a run of digits.
fn compare_parts(mut left: &[u8], mut right: &[u8]) -> Ordering {
    while !left.is_empty() || !right.is_empty() {
        let (l, r) = (split_run(&mut left, false), split_run(&mut right, false));
        for at in 0..l.len().max(r.len()) {
            let order = weight(l.get(at)).cmp(&weight(r.get(at)));
            if order != Ordering::Equal {
                return order;
            }
        }
        let (l, r) = (split_run(&mut left, true), split_run(&mut right, true));
        let (l, r) = (without_zeros(l), without_zeros(r));
        let order = l.len().cmp(&r.len()).then_with(|| l.cmp(r));
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

fn split_run<'a>(part: &mut &'a [u8], digits: bool) -> &'a [u8] {
    let end = part
        .iter()
        .position(|b| b.is_ascii_digit() != digits)
        .unwrap_or(part.len());
    let (run, rest) = part.split_at(end);
    *part = rest;
    run
}

fn without_zeros(digits: &[u8]) -> &[u8] {
    let start = digits.iter().position(|b| *b != b'0').unwrap_or(digits.len());
    &digits[start..]
}

/// `~` before the end of the part, the end before letters, letters before everything else.
fn weight(byte: Option<&u8>) -> i32 {
    match byte {
        Some(b'~') => -1,
        None => 0,
        Some(b) if b.is_ascii_alphabetic() => i32::from(*b),
        Some(b) => i32::from(*b) + 256,
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Version) -> Ordering {
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| compare_parts(self.upstream(), other.upstream()))
            .then_with(|| compare_parts(self.revision(), other.revision()))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Version) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Version) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    /// Every line was checked against `dpkg --compare-versions`.
    #[test]
    fn orders_as_dpkg_does() {
        let corpus = include_str!("../tests/corpus/versions.txt");
        let mut seen = 0;
        for line in corpus
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            let words: Vec<&str> = line.split(' ').collect();
            let expected = match words[1] {
                "<" => Ordering::Less,
                "=" => Ordering::Equal,
                ">" => Ordering::Greater,
                other => panic!("operator {other}"),
            };
            assert_eq!(version(words[0]).cmp(&version(words[2])), expected, "{line}");
            assert_eq!(
                version(words[2]).cmp(&version(words[0])),
                expected.reverse(),
                "{line}"
            );
            seen += 1;
        }
        assert!(seen > 100, "the corpus has only {seen} lines");
    }

    #[test]
    fn refuses_what_is_no_version() {
        for text in [
            "",
            "1:",
            "-1",
            "a:1",
            "1-",
            "1.0_2",
            "1 2",
            "1.0-1_2",
            "99999999999:1",
            ":1",
            "1.0é",
        ] {
            assert!(Version::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn displays_as_written() {
        assert_eq!(version("1:1.00-01").to_string(), "1:1.00-01");
    }

    fn any_version() -> impl Strategy<Value = Version> {
        (
            "([0-9]{1,2}:)?",
            "[0-9][0-9a-zA-Z.+~]{0,6}",
            "(-[0-9a-z.+~]{1,4})?",
        )
            .prop_map(|(epoch, upstream, revision)| version(&format!("{epoch}{upstream}{revision}")))
    }

    proptest! {
        #[test]
        fn is_a_total_order(a in any_version(), b in any_version(), c in any_version()) {
            prop_assert_eq!(a.cmp(&a), Ordering::Equal);
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            if a <= b && b <= c {
                prop_assert!(a <= c);
            }
            prop_assert_eq!(a == b, a.cmp(&b) == Ordering::Equal);
        }

        #[test]
        fn a_tilde_sorts_before_the_release_and_a_suffix_after_it(a in any_version()) {
            let before = version(&format!("{a}~rc1"));
            let after = version(&format!("{a}+1"));
            prop_assert!(before < a && a < after);
        }
    }
}
