//! Where it is shown: a screen that is drawn over, or lines, one after the other.

use std::io::{self, Write as _};

use crate::cli::settings::Settings;
use crate::report::watch::{Screen, Size};

/// To the upper left, and everything away.
const CLEAR: &str = "\x1b[H\x1b[2J";
const HOME: &str = "\x1b[H";
const CLEAR_TO_LINE_END: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

/// The reader's end of standard output.
pub(super) struct Canvas {
    redraws: bool,
    colour: bool,
    width: usize,
    drawn: String,
}

impl Canvas {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            redraws: settings.redraws,
            colour: settings.colour,
            width: settings.width,
            drawn: String::new(),
        }
    }

    pub(super) fn redraws(&self) -> bool {
        self.redraws
    }

    /// Columns and colour for text that is to be passed to [`Canvas::say`].
    pub(super) fn style(&self) -> (usize, bool) {
        (self.width, self.colour)
    }

    /// Forgets what is on the screen: something else may have written there.
    pub(super) fn forget(&mut self) {
        self.drawn.clear();
    }

    /// Draws `screen` over the one before; does nothing where nothing can be drawn over.
    pub(super) fn draw(&mut self, screen: &Screen<'_>) -> io::Result<()> {
        if !self.redraws {
            return Ok(());
        }
        let text = screen.render(self.size(), self.colour);
        if text == self.drawn {
            return Ok(());
        }
        write(&over(&text, self.drawn.is_empty()))?;
        self.drawn = text;
        Ok(())
    }

    /// Adds lines; does nothing where there is a screen for all of it.
    pub(super) fn say(&mut self, text: &str) -> io::Result<()> {
        if self.redraws { Ok(()) } else { write(text) }
    }

    /// The terminal's size, without the last row: that is where the cursor stays, and what others write.
    fn size(&self) -> Size {
        let known = rustix::termios::tcgetwinsize(io::stdout())
            .ok()
            .filter(|size| size.ws_col > 0 && size.ws_row > 0);
        known.map_or(
            Size {
                columns: self.width,
                rows: 23,
            },
            |size| Size {
                columns: size.ws_col.into(),
                rows: usize::from(size.ws_row).saturating_sub(1),
            },
        )
    }
}

/// What has to be sent for `text` to be all that is seen. Line by line, so that nothing flickers.
fn over(text: &str, first: bool) -> String {
    let mut bytes = String::from(if first { CLEAR } else { HOME });
    for line in text.lines() {
        bytes.push_str(line);
        bytes.push_str(CLEAR_TO_LINE_END);
        bytes.push('\n');
    }
    bytes.push_str(CLEAR_BELOW);
    bytes
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shorter_line_leaves_nothing_of_the_longer() {
        assert_eq!(
            over("a\n\nb\n", true),
            "\x1b[H\x1b[2Ja\x1b[K\n\x1b[K\nb\x1b[K\n\x1b[J"
        );
        assert_eq!(over("", false), "\x1b[H\x1b[J");
    }
}
