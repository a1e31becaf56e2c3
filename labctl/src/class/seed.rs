//! Every student's own numbers, from one secret of the course.

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// A key shorter than this could be guessed by whoever knows their own seed.
const LEAST: usize = 16;
/// Hexadecimal digits of a seed: enough that no two of a class meet, short enough to be read out.
const DIGITS: usize = 16;

/// The secret that seeds are derived from. Whoever has it can compute everybody's numbers.
#[derive(Clone)]
pub struct CourseKey(Vec<u8>);

/// A key that protects nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a course key has at least {LEAST} bytes, this one has {0}")]
pub struct WeakKey(usize);

impl CourseKey {
    /// A key as it lies in a file: line breaks at its end are the editor's.
    ///
    /// # Errors
    /// [`WeakKey`].
    pub fn new(bytes: &[u8]) -> Result<Self, WeakKey> {
        let end = bytes.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r'));
        let key = &bytes[..end.map_or(0, |end| end + 1)];
        if key.len() < LEAST {
            return Err(WeakKey(key.len()));
        }
        Ok(Self(key.to_owned()))
    }

    /// The seed of one student in one module: HMAC-SHA256 (RFC 2104) over both names, shortened.
    #[must_use]
    pub fn seed(&self, module: &str, student: &str) -> String {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            unreachable!("HMAC takes keys of any length");
        };
        mac.update(module.as_bytes());
        mac.update(&[0]);
        mac.update(student.as_bytes());
        let mut digits = hex::encode(mac.finalize().into_bytes());
        digits.truncate(DIGITS);
        digits
    }
}

impl std::fmt::Debug for CourseKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CourseKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_an_hmac() {
        let key = CourseKey::new(b"a secret of the course\n").unwrap();
        // printf 'module7\0alice' | openssl dgst -sha256 -hmac 'a secret of the course'
        assert_eq!(key.seed("module7", "alice"), "e17c01451148cf73");
        assert_ne!(key.seed("module7", "alice"), key.seed("module7", "bob"));
        assert_ne!(key.seed("module7", "alice"), key.seed("module8", "alice"));
    }

    #[test]
    fn a_line_break_is_no_part_of_a_key() {
        let with = CourseKey::new(b"0123456789abcdef\r\n").unwrap();
        let without = CourseKey::new(b"0123456789abcdef").unwrap();
        assert_eq!(with.seed("m", "s"), without.seed("m", "s"));
        assert_eq!(CourseKey::new(b"short\n").unwrap_err(), WeakKey(5));
        assert_eq!(CourseKey::new(b"\n\n").unwrap_err(), WeakKey(0));
    }
}
