//! Hostile bytes made safe to show.
//!
//! Text from a guest can steer a terminal (`ESC`), hide itself (bidirectional overrides, zero-width characters), break
//! a document (control characters in XML) or end a line early. Everything of that kind becomes a visible escape:
//! `\n`, `\r`, `\t`, `\x1b`, `\xff` for a byte that is no UTF-8, `\u{202e}`.

use std::fmt::Write as _;

/// One line: no control character survives, not even a line break or a tab. At most `max_chars` characters are shown;
/// what was cut off is counted in a marker.
pub fn line(input: impl AsRef<[u8]>, max_chars: usize) -> String {
    escape(
        input.as_ref(),
        Keep {
            breaks: false,
            backslash: true,
        },
        max_chars,
    )
}

/// Several lines: `\n` and `\t` stay, a `\r\n` becomes `\n`, all else as in [`line()`].
pub fn block(input: impl AsRef<[u8]>, max_chars: usize) -> String {
    escape(
        input.as_ref(),
        Keep {
            breaks: true,
            backslash: true,
        },
        max_chars,
    )
}

/// One line, of any length, from which the bytes can be had again: a backslash becomes `\\`.
pub fn lossless(input: impl AsRef<[u8]>) -> String {
    escape(
        input.as_ref(),
        Keep {
            breaks: false,
            backslash: false,
        },
        usize::MAX,
    )
}

/// Whether a character may be shown as it is: neither a control character nor one that changes how others appear.
pub fn is_plain(c: char) -> bool {
    !(c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
        // Unicode's noncharacters; XML forbids two of them.
        || matches!(u32::from(c) & 0xffff, 0xfffe | 0xffff)
        || matches!(c, '\u{fdd0}'..='\u{fdef}'))
}

struct Keep {
    breaks: bool,
    backslash: bool,
}

fn escape(input: &[u8], keep: Keep, max_chars: usize) -> String {
    let mut out = String::with_capacity(input.len().min(max_chars));
    let mut shown = 0usize;
    let mut rest = input;
    while !rest.is_empty() {
        let (piece, used) = next_piece(rest, &keep);
        let width = piece.chars();
        if shown.saturating_add(width) > max_chars {
            // Writing to a String cannot fail.
            let _ = write!(out, "…[+{} bytes]", rest.len());
            return out;
        }
        piece.push_to(&mut out);
        shown += width;
        rest = &rest[used..];
    }
    out
}

enum Piece {
    Char(char),
    Escape(String),
}

impl Piece {
    fn chars(&self) -> usize {
        match self {
            Self::Char(_) => 1,
            Self::Escape(text) => text.len(),
        }
    }

    fn push_to(&self, out: &mut String) {
        match self {
            Self::Char(c) => out.push(*c),
            Self::Escape(text) => out.push_str(text),
        }
    }
}

/// The piece that stands for the start of `rest` (not empty), and how many bytes it stands for.
fn next_piece(rest: &[u8], keep: &Keep) -> (Piece, usize) {
    let Some((c, used)) = decode(rest) else {
        return (Piece::Escape(format!("\\x{:02x}", rest[0])), 1);
    };
    let piece = match c {
        '\r' if keep.breaks && rest.get(1) == Some(&b'\n') => return (Piece::Char('\n'), 2),
        '\n' | '\t' if keep.breaks => Piece::Char(c),
        '\n' => Piece::Escape("\\n".into()),
        '\r' => Piece::Escape("\\r".into()),
        '\t' => Piece::Escape("\\t".into()),
        '\\' if !keep.backslash => Piece::Escape("\\\\".into()),
        _ if is_plain(c) => Piece::Char(c),
        _ if c.is_ascii() => Piece::Escape(format!("\\x{:02x}", u32::from(c))),
        _ => Piece::Escape(format!("\\u{{{:x}}}", u32::from(c))),
    };
    (piece, used)
}

/// The character at the start of `bytes`, if they start with valid UTF-8.
fn decode(bytes: &[u8]) -> Option<(char, usize)> {
    let head = &bytes[..bytes.len().min(4)];
    let valid = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&head[..error.valid_up_to()]).ok()?,
    };
    let c = valid.chars().next()?;
    Some((c, c.len_utf8()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn terminal_control_is_visible() {
        assert_eq!(line(b"a\x1b[31mred\x07", 99), "a\\x1b[31mred\\x07");
        assert_eq!(line("x\u{9b}31m", 99), "x\\u{9b}31m");
        assert_eq!(line(b"a\nb\r\tc\x7f", 99), "a\\nb\\r\\tc\\x7f");
    }

    #[test]
    fn hidden_and_reordering_text_is_visible() {
        assert_eq!(
            line("if (a\u{202e}) //\u{2066}", 99),
            "if (a\\u{202e}) //\\u{2066}"
        );
        assert_eq!(line("ze\u{200b}ro", 99), "ze\\u{200b}ro");
        assert_eq!(line("\u{fffe}", 99), "\\u{fffe}");
    }

    #[test]
    fn ordinary_text_of_any_language_stays() {
        let text = "größe 日本語 ✓ λ";
        assert_eq!(line(text, 99), text);
        assert_eq!(lossless(text), text);
    }

    #[test]
    fn bytes_that_are_no_utf8_are_shown_one_by_one() {
        assert_eq!(line(b"a\xff\xc3(\xe6\x97", 99), "a\\xff\\xc3(\\xe6\\x97");
    }

    #[test]
    fn blocks_keep_their_lines() {
        assert_eq!(block(b"a\r\nb\tc\rd\n", 99), "a\nb\tc\\rd\n");
    }

    #[test]
    fn a_cut_says_how_much_is_missing() {
        assert_eq!(line("abcdef", 4), "abcd…[+2 bytes]");
        assert_eq!(line("abcd", 4), "abcd");
        // An escape is never shown in part.
        assert_eq!(line(b"abc\x1b", 4), "abc…[+1 bytes]");
    }

    /// The reverse of [`lossless`].
    fn restore(safe: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let mut chars = safe.chars();
        while let Some(c) = chars.next() {
            if c != '\\' {
                out.extend(c.to_string().bytes());
                continue;
            }
            match chars.next().unwrap() {
                'n' => out.push(b'\n'),
                'r' => out.push(b'\r'),
                't' => out.push(b'\t'),
                '\\' => out.push(b'\\'),
                'x' => {
                    let digits: String = chars.by_ref().take(2).collect();
                    out.push(u8::from_str_radix(&digits, 16).unwrap());
                }
                'u' => {
                    let digits: String = chars.by_ref().skip(1).take_while(|c| *c != '}').collect();
                    let c = char::from_u32(u32::from_str_radix(&digits, 16).unwrap()).unwrap();
                    out.extend(c.to_string().bytes());
                }
                other => panic!("unknown escape {other}"),
            }
        }
        out
    }

    proptest! {
        #[test]
        fn a_line_never_holds_a_control_character(input: Vec<u8>, max in 0usize..300) {
            let out = line(&input, max);
            prop_assert!(out.chars().all(is_plain), "{out:?}");
        }

        #[test]
        fn a_block_holds_only_breaks_and_tabs(input: Vec<u8>, max in 0usize..300) {
            let out = block(&input, max);
            prop_assert!(out.chars().all(|c| is_plain(c) || c == '\n' || c == '\t'), "{out:?}");
        }

        #[test]
        fn nasty_text_is_no_exception(input in r"[\x00-\x20\x7f-\x9f\u{200b}-\u{206f}\u{feff}a-z\\]{0,64}") {
            prop_assert!(line(&input, 10_000).chars().all(is_plain));
            prop_assert_eq!(restore(&lossless(&input)), input.as_bytes());
        }

        #[test]
        fn lossless_can_be_undone(input: Vec<u8>) {
            prop_assert_eq!(restore(&lossless(&input)), input);
        }

        #[test]
        fn the_cap_holds(input: Vec<u8>, max in 0usize..50) {
            let out = line(&input, max);
            let shown = out.split('…').next().unwrap_or("").chars().count();
            prop_assert!(shown <= max);
        }
    }
}
