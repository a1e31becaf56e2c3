//! C as a sequence of tokens in which names, numbers, texts, comments and layout no longer differ.

/// Words of the language keep their meaning; every other word is a name.
const KEYWORDS: [&str; 28] = [
    "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum", "extern",
    "float", "for", "goto", "if", "int", "long", "return", "short", "signed", "sizeof", "static", "struct",
    "switch", "union", "unsigned", "void", "while",
];

/// One byte for each token: letters of their own for keywords, one each for names, numbers and texts, itself for a sign.
pub(super) fn tokens(source: &str) -> Vec<u8> {
    const NAME: u8 = b'n';
    const NUMBER: u8 = b'0';
    const TEXT: u8 = b'"';
    const FIRST_KEYWORD: u8 = 128;

    let bytes = source.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    let mut line_begins = true;
    while let Some(&byte) = bytes.get(at) {
        let rest = &bytes[at..];
        let mut length = 1;
        if byte == b'\n' {
            line_begins = true;
        } else if byte.is_ascii_whitespace() {
        } else if rest.starts_with(b"//")
            || byte == b'#' && line_begins && rest[1..].trim_ascii_start().starts_with(b"include")
        {
            length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        } else if rest.starts_with(b"/*") {
            let end = rest[2..].windows(2).position(|two| two == b"*/");
            length = end.map_or(rest.len(), |end| end + 4);
        } else if byte == b'"' || byte == b'\'' {
            length = quoted(rest);
            tokens.push(TEXT);
        } else if byte.is_ascii_digit() {
            let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
            length = rest.iter().take_while(|byte| is_part(byte)).count();
            tokens.push(NUMBER);
        } else if byte.is_ascii_alphabetic() || byte == b'_' || byte >= 128 {
            let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 128;
            length = rest.iter().take_while(|byte| is_part(byte)).count();
            let keyword = KEYWORDS
                .iter()
                .position(|word| word.as_bytes() == &rest[..length]);
            tokens.push(
                keyword
                    .and_then(|at| u8::try_from(at).ok())
                    .map_or(NAME, |at| FIRST_KEYWORD + at),
            );
            line_begins = false;
        } else {
            tokens.push(byte);
            line_begins = false;
        }
        at += length;
    }
    tokens
}

/// Length of a text or character with its quotes; to the end of the line where it is not closed.
fn quoted(rest: &[u8]) -> usize {
    let mut at = 1;
    while let Some(&byte) = rest.get(at) {
        if byte == b'\\' {
            at += 2;
        } else if byte == rest[0] {
            return at + 1;
        } else if byte == b'\n' {
            return at;
        } else {
            at += 1;
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_comments_and_layout_do_not_count() {
        let one = "#include <a.h>\nint f(int a) { return a + 0x10; } // x";
        let other = " # include \"b.h\"\nint\ng( int bb )\n{\n\t/* return \" */ return bb+7ul;\n}";
        assert_eq!(tokens(one), tokens(other));
        assert_ne!(tokens("a + b"), tokens("a - b"));
        assert_ne!(tokens("if (a) b"), tokens("while (a) b"));
    }

    proptest! {
        #[test]
        fn anything_ends(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            prop_assert!(tokens(&text).len() <= text.len());
        }
    }
}
