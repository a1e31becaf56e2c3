//! From bytes to lines.

use super::codes::strip_terminal_codes;
use super::stamp::Stamp;
use crate::line::{LogLine, Origin};
use crate::sanitize;

/// Longer lines are cut; the kernel's own have at most about 1 KiB.
const LINE_MAX: usize = 4 * 1024;

/// How the machine's init begins its lines. One that begins so is whole: what the kernel interrupted before it (a
/// prompt, the firmware's last words) is not its start.
const INIT: &[u8] = b"labctl-init: ";

/// Lines of a whole console log.
pub fn parse(bytes: &[u8]) -> Vec<LogLine> {
    let mut splitter = Splitter::default();
    let mut lines = splitter.push(bytes);
    lines.extend(splitter.finish());
    lines
}

/// The last `count` lines that hold anything, safe to show, each at most `max_chars` long: what an error message quotes.
pub fn tail(bytes: &[u8], count: usize, max_chars: usize) -> Vec<String> {
    let mut lines: Vec<String> = bytes
        .rsplit(|b| *b == b'\n')
        .map(|line| sanitize::line(strip_terminal_codes(line).trim_ascii_end(), max_chars))
        .filter(|line| !line.trim().is_empty())
        .take(count)
        .collect();
    lines.reverse();
    lines
}

/// The same as [`parse`], as the bytes arrive.
#[derive(Clone, Debug, Default)]
pub struct Splitter {
    partial: Vec<u8>,
    /// The current line went past its limit and its rest is being dropped.
    overlong: bool,
    /// The start of a process's line into which the kernel printed.
    interrupted: Vec<u8>,
    index: usize,
}

impl Splitter {
    /// Takes the next bytes, returns the lines that are complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<LogLine> {
        let mut done = Vec::new();
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let (head, tail) = rest.split_at(end);
            rest = &tail[1..];
            self.keep(head);
            let line = std::mem::take(&mut self.partial);
            let torn = std::mem::take(&mut self.overlong);
            self.line(&line, torn, &mut done);
        }
        self.keep(rest);
        done
    }

    /// What is left when the console ends.
    pub fn finish(&mut self) -> Vec<LogLine> {
        let mut done = Vec::new();
        let line = std::mem::take(&mut self.partial);
        if !line.is_empty() {
            self.line(&line, true, &mut done);
        }
        let head = std::mem::take(&mut self.interrupted);
        if !head.is_empty() {
            self.emit(&head, None, true, &mut done);
        }
        done
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LINE_MAX.saturating_sub(self.partial.len());
        self.overlong |= bytes.len() > room;
        self.partial.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn line(&mut self, raw: &[u8], torn: bool, done: &mut Vec<LogLine>) {
        let clean = strip_terminal_codes(raw);
        let line = trim_carriage_returns(&clean);
        if let Some(stamp) = Stamp::at_start(line) {
            self.emit(&line[stamp.len..], Some(&stamp), torn, done);
        } else if let Some((at, stamp)) = Stamp::inside(line) {
            if self.interrupted.len() + at <= LINE_MAX {
                self.interrupted.extend_from_slice(&line[..at]);
            }
            self.emit(&line[at + stamp.len..], Some(&stamp), torn, done);
        } else if self.interrupted.is_empty() {
            self.emit(line, None, torn, done);
        } else if line.starts_with(INIT) {
            let head = std::mem::take(&mut self.interrupted);
            self.emit(&head, None, true, done);
            self.emit(line, None, torn, done);
        } else {
            let mut whole = std::mem::take(&mut self.interrupted);
            whole.extend_from_slice(line);
            self.emit(&whole, None, torn, done);
        }
    }

    fn emit(&mut self, text: &[u8], stamp: Option<&Stamp>, torn: bool, done: &mut Vec<LogLine>) {
        done.push(LogLine {
            index: self.index,
            origin: if stamp.is_some() {
                Origin::Console
            } else {
                Origin::Untimed
            },
            ts_us: stamp.map(|stamp| stamp.ts_us),
            level: None,
            caller: stamp.and_then(|stamp| stamp.caller),
            text: sanitize::lossless(text),
            torn,
        });
        self.index += 1;
    }
}

fn trim_carriage_returns(mut line: &[u8]) -> &[u8] {
    while let Some(rest) = line.strip_suffix(b"\r") {
        line = rest;
    }
    while let Some(rest) = line.strip_prefix(b"\r") {
        line = rest;
    }
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::line::Caller;

    fn texts(bytes: &[u8]) -> Vec<String> {
        parse(bytes).into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn kernel_lines_lose_their_stamp() {
        let lines =
            parse(b"[    0.000000] Linux version 6.12\r\n[   12.345678][    T1] x\r\n<6>[   13.000000] y\n");
        assert_eq!(lines[0].ts_us, Some(0));
        assert_eq!(lines[0].text, "Linux version 6.12");
        assert_eq!(
            (lines[1].ts_us, lines[1].caller),
            (Some(12_345_678), Some(Caller::Task(1)))
        );
        assert_eq!(lines[2].text, "y");
    }

    #[test]
    fn firmware_noise_is_untimed() {
        let lines = parse(b"\x1bc\x1b[?7l\x1b[2JSeaBIOS (version 1.16)\r\n\x1b]0;title\x07Booting from ROM..[    0.000000] Linux\r\n");
        assert_eq!(lines[0].text, "SeaBIOS (version 1.16)");
        assert_eq!(lines[0].origin, Origin::Untimed);
        assert_eq!(
            (lines[1].text.as_str(), lines[1].origin),
            ("Linux", Origin::Console)
        );
        assert_eq!(lines[2].text, "Booting from ROM..");
    }

    #[test]
    fn a_line_that_the_kernel_interrupted_is_whole_again() {
        let torn =
            b"labctl-init: sta[    0.990000] eth0: link up\r\n[    0.991000] more\r\nge mounts 1234\r\n";
        assert_eq!(
            texts(torn),
            ["eth0: link up", "more", "labctl-init: stage mounts 1234"]
        );
    }

    #[test]
    fn text_of_a_kernel_line_cannot_become_a_second_one() {
        let forged = b"[    1.000000] hi [    2.000000] Kernel panic - not syncing: no\n";
        assert_eq!(
            texts(forged),
            ["hi [    2.000000] Kernel panic - not syncing: no"]
        );
    }

    #[test]
    fn what_only_looks_like_a_stamp_is_text() {
        assert_eq!(texts(b"[1.5] a\n[    1.00000x] b\n[COPY1] PID=1\n").len(), 3);
        assert!(
            parse(b"[1.5] a\n[COPY1] PID=1\n")
                .iter()
                .all(|line| line.ts_us.is_none())
        );
    }

    #[test]
    fn the_last_line_counts_even_when_cut() {
        let lines = parse(b"[    1.000000] Kernel panic - not sy");
        assert!(lines[0].torn);
        assert_eq!(lines[0].ts_us, Some(1_000_000));
    }

    #[test]
    fn the_tail_is_readable() {
        assert_eq!(
            tail(b"a\r\n\r\n\x1b[1mb\x07\r\nc\r\n\r\n", 2, 80),
            ["b\\x07", "c"]
        );
    }

    #[test]
    fn an_endless_line_is_cut() {
        let mut splitter = Splitter::default();
        for _ in 0..100 {
            assert!(splitter.push(&[b'y'; 1000]).is_empty());
        }
        let lines = splitter.push(b"\nnext\n");
        assert_eq!((lines[0].text.len(), lines[0].torn), (LINE_MAX, true));
        assert_eq!((lines[1].text.as_str(), lines[1].torn), ("next", false));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_no_harm(input: Vec<u8>) {
            for line in parse(&input) {
                prop_assert!(line.text.chars().all(sanitize::is_plain));
            }
            for line in tail(&input, 5, 40) {
                prop_assert!(line.chars().all(sanitize::is_plain));
            }
        }

        #[test]
        fn one_kernel_line_is_one_line(text in r"[ -~\x1b\r\x00\[\]\.0-9]{0,80}") {
            let lines = parse(format!("[    1.000000] {text}\r\n").as_bytes());
            prop_assert_eq!(lines.len(), 1);
            prop_assert_eq!(lines[0].ts_us, Some(1_000_000));
        }

        #[test]
        fn chunks_make_no_difference(cut in 0usize..200, second in 0usize..200) {
            let input: &[u8] = b"\x1b[2JBIOS\r\n[    0.000000] a\r\nx [    0.100000] b\r\n y\r\n[    0.200000] tail";
            let mut cuts = [0, cut.min(input.len()), second.min(input.len()), input.len()];
            cuts.sort_unstable();
            let mut splitter = Splitter::default();
            let mut lines = Vec::new();
            for pair in cuts.windows(2) {
                lines.extend(splitter.push(&input[pair[0]..pair[1]]));
            }
            lines.extend(splitter.finish());
            prop_assert_eq!(lines, parse(input));
        }
    }
}
