//! Text broken into lines of a terminal's width.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Columns that a text takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// The text in lines of at most `columns`, broken at spaces; a word that is longer is broken anywhere. Never empty.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    let mut current = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if !current.is_empty() && width(&current) + 1 + width(word) > columns {
            lines.push(std::mem::take(&mut current));
        }
        if !current.is_empty() {
            current.push(' ');
        }
        for letter in word.chars() {
            if !current.is_empty() && width(&current) + letter.width().unwrap_or(0) > columns {
                lines.push(std::mem::take(&mut current));
            }
            current.push(letter);
        }
    }
    lines.push(current);
    lines
}

/// The text cut to `columns`, with a mark where it was.
pub(super) fn clip(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for letter in text.chars() {
        let next = letter.width().unwrap_or(0);
        if used + next + 1 > columns {
            break;
        }
        used += next;
        out.push(letter);
    }
    out.push('…');
    out
}

/// The text with spaces after it, to fill `columns`.
pub(super) fn pad(text: &str, columns: usize) -> String {
    let missing = columns.saturating_sub(width(text));
    format!("{text}{}", " ".repeat(missing))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_stay_whole_where_they_can() {
        assert_eq!(
            wrap("the same kernel address", 11),
            ["the same", "kernel", "address"]
        );
        assert_eq!(wrap("0xffff888112340050", 10), ["0xffff8881", "12340050"]);
        assert_eq!(wrap("", 10), [""]);
    }

    #[test]
    fn wide_letters_count_twice() {
        assert_eq!(wrap("日本語", 4), ["日本", "語"]);
        assert_eq!(clip("日本語", 5), "日本…");
        assert_eq!(pad("日", 4), "日  ");
    }

    proptest! {
        #[test]
        fn no_line_is_too_long(text in "[ a-z日]{0,80}", columns in 2usize..30) {
            for line in wrap(&text, columns) {
                prop_assert!(width(&line) <= columns);
            }
            prop_assert!(width(&clip(&text, columns)) <= columns);
        }
    }
}
