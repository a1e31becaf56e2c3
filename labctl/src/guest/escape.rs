//! The way out of a terminal whose guest no longer answers: `~.` at the beginning of a line, as in OpenSSH.
//! Everything else, Ctrl-C included, belongs to the guest.

/// Follows what is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escape {
    LineStart,
    Tilde,
    Inside,
}

impl Escape {
    /// What of `typed` is for the guest, or `None` when it asks to leave. A tilde that may begin an escape is held
    /// back until the next byte.
    pub(super) fn pass(&mut self, typed: &[u8]) -> Option<Vec<u8>> {
        let mut passed = Vec::with_capacity(typed.len() + 1);
        for &byte in typed {
            if *self == Self::Tilde {
                match byte {
                    b'.' => return None,
                    b'~' => {
                        passed.push(b'~');
                        *self = Self::Inside;
                        continue;
                    }
                    _ => passed.push(b'~'),
                }
            } else if *self == Self::LineStart && byte == b'~' {
                *self = Self::Tilde;
                continue;
            }
            passed.push(byte);
            *self = if matches!(byte, b'\r' | b'\n') {
                Self::LineStart
            } else {
                Self::Inside
            };
        }
        Some(passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(pieces: &[&str]) -> Option<String> {
        let mut escape = Escape::LineStart;
        let mut all = Vec::new();
        for piece in pieces {
            all.extend(escape.pass(piece.as_bytes())?);
        }
        Some(String::from_utf8(all).unwrap())
    }

    #[test]
    fn only_at_the_beginning_of_a_line() {
        assert_eq!(typed(&["~."]), None);
        assert_eq!(typed(&["ls\r~."]), None);
        assert_eq!(typed(&["ls\r", "~", "."]), None);
        assert_eq!(typed(&["ls ~."]).as_deref(), Some("ls ~."));
    }

    #[test]
    fn every_other_tilde_arrives() {
        assert_eq!(typed(&["~/bin\r"]).as_deref(), Some("~/bin\r"));
        assert_eq!(typed(&["~", "x~."]).as_deref(), Some("~x~."));
        assert_eq!(typed(&["~~."]).as_deref(), Some("~."));
        assert_eq!(typed(&["\x03\x04"]).as_deref(), Some("\x03\x04"));
    }
}
