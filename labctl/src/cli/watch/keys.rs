//! What a key means.

/// What somebody at the keyboard may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Hint,
    Next,
    Again,
    Quit,
}

const ESCAPE: u8 = 0x1b;
/// Ctrl-D, which without line editing is a byte like any other.
const END: u8 = 0x04;

/// The keys in what a terminal sent. A piece that begins with an escape is one key that has no meaning here (an arrow,
/// a function key, a mouse), whatever letters are in its sequence.
pub(super) fn keys(piece: &[u8]) -> Vec<Key> {
    if piece.first() == Some(&ESCAPE) {
        return Vec::new();
    }
    piece
        .iter()
        .filter_map(|byte| match byte.to_ascii_lowercase() {
            b'h' => Some(Key::Hint),
            b'n' => Some(Key::Next),
            b'r' => Some(Key::Again),
            b'q' | END => Some(Key::Quit),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_in_either_case() {
        assert_eq!(keys(b"hN r\x04"), [Key::Hint, Key::Next, Key::Again, Key::Quit]);
        assert_eq!(keys(b"Q"), [Key::Quit]);
        assert_eq!(keys("zü1 \n".as_bytes()), []);
    }

    #[test]
    fn keys_that_send_sequences_mean_nothing() {
        for piece in [&b"\x1b[H"[..], b"\x1bOQ", b"\x1bq", b"\x1b[15~", b"\x1b"] {
            assert_eq!(keys(piece), [], "{piece:?}");
        }
    }
}
