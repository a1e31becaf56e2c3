//! Reading a child's two streams at once, on a blocking thread, without ever waiting on one alone.

use std::io::Read;
use std::sync::mpsc::SyncSender;

/// Which of the two a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// Sends what `source` yields in pieces until it ends or nobody listens any more.
pub(super) fn forward(stream: Stream, mut source: impl Read, pieces: &SyncSender<(Stream, Vec<u8>)>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return,
            Ok(len) => {
                if pieces.send((stream, buffer[..len].to_vec())).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// A longer line is handed on in parts: a program that never ends its line is not to fill the memory.
const MAX_LINE: usize = 64 * 1024;

/// Cuts a stream into lines; bytes that are not UTF-8 become replacement characters.
#[derive(Debug, Default)]
pub(super) struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    pub(super) fn push(&mut self, bytes: &[u8], mut on_line: impl FnMut(&str)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.partial.len() >= MAX_LINE {
                self.finish(&mut on_line);
            }
        }
    }

    /// Hands on a last line that has no end.
    pub(super) fn finish(&mut self, mut on_line: impl FnMut(&str)) {
        if self.partial.is_empty() {
            return;
        }
        let line = self.partial.strip_suffix(b"\n").unwrap_or(&self.partial);
        on_line(&String::from_utf8_lossy(line));
        self.partial.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut out = Vec::new();
        for piece in pieces {
            lines.push(piece, |line| out.push(line.to_owned()));
        }
        lines.finish(|line| out.push(line.to_owned()));
        out
    }

    #[test]
    fn lines_are_whole_however_they_arrive() {
        assert_eq!(
            lines(&[b"on", b"e\ntwo\n\nth", b"ree"]),
            ["one", "two", "", "three"]
        );
    }

    #[test]
    fn an_endless_line_is_cut() {
        let piece = [b'x'; 16 * 1024];
        assert_eq!(lines(&[&piece[..]; 9]).len(), 3);
    }
}
