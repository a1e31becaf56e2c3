//! Lines for a terminal of a given width, with or without colour.

use std::fmt::Write as _;

use anstyle::Style;

use super::safe;
use super::wrap::{pad, width, wrap};

pub(super) const MIN_WIDTH: usize = 40;

/// Sentences are easier to read when lines are not too long.
pub(super) const MAX_WIDTH: usize = 120;

/// What has been written so far.
pub(super) struct Page {
    out: String,
    /// Columns, from [`MIN_WIDTH`] to [`MAX_WIDTH`].
    pub(super) width: usize,
    colour: bool,
}

impl Page {
    pub(super) fn new(width: usize, colour: bool) -> Self {
        Self {
            out: String::new(),
            width: width.clamp(MIN_WIDTH, MAX_WIDTH),
            colour,
        }
    }

    pub(super) fn into_string(self) -> String {
        self.out
    }

    /// Wrapped text with a label before it; its further lines start below the first one's text.
    pub(super) fn paragraph(&mut self, indent: usize, label: &str, text: &str, style: Style) {
        if text.is_empty() {
            return;
        }
        let label = if label.is_empty() {
            String::new()
        } else {
            format!("{}  ", pad(label, 8))
        };
        let left = indent + width(&label);
        for (number, part) in wrap(text, self.width.saturating_sub(left)).iter().enumerate() {
            let part = self.styled(part, style);
            if number == 0 {
                self.line(&format!("{}{label}{part}", " ".repeat(indent)));
            } else {
                self.line(&format!("{}{part}", " ".repeat(left)));
            }
        }
    }

    /// One line. Whoever passes it has seen to its width.
    pub(super) fn line(&mut self, text: &str) {
        // Where a text is broken, its parts start lines of their own.
        self.out.push_str(&safe::disarm(text.trim_end()));
        self.out.push('\n');
    }

    /// The text in a style, where styles are wanted.
    pub(super) fn styled(&self, text: &str, style: Style) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = if self.colour && !text.is_empty() {
            write!(out, "{style}{text}{style:#}")
        } else {
            write!(out, "{text}")
        };
        out
    }
}
