//! A stream as its bytes arrive.

use super::Record;
use super::record::dictionary_entry;

/// A line longer than this is no record: the kernel's own buffer for one has 8 KiB (`PRINTKRB_RECORD_MAX` is 1 KiB,
/// and every byte of it may take four).
pub(super) const LINE_MAX: usize = 16 * 1024;

/// A place where the stream does not go on by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// Records that the ring overwrote before they were read.
    Lost { after_seq: u64, count: u64 },
    /// The sequence went back: the same records again, or another boot.
    Rewind { from_seq: u64, to_seq: u64 },
}

/// Turns bytes, in pieces of any size, into records.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    pub(super) partial: Vec<u8>,
    /// The current line is too long to be a record and is being skipped.
    overlong: bool,
    /// A record whose dictionary may still be coming.
    open: Option<Record>,
    last_seq: Option<u64>,
    gaps: Vec<Gap>,
    noise: usize,
}

impl Stream {
    /// Takes the next bytes, returns the records that are complete. The last one is held back, because dictionary lines may
    /// follow: see [`Stream::take_idle`].
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Record> {
        let mut done = Vec::new();
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let (head, tail) = rest.split_at(end);
            rest = &tail[1..];
            if self.partial.is_empty() && !self.overlong {
                self.line(head, false, &mut done);
                continue;
            }
            self.keep(head);
            let line = std::mem::take(&mut self.partial);
            if std::mem::take(&mut self.overlong) {
                self.noise += 1;
            } else {
                self.line(&line, false, &mut done);
            }
        }
        self.keep(rest);
        done
    }

    /// The record that is held back, when nothing more has arrived for a while. Dictionary lines that come after all
    /// are dropped.
    pub fn take_idle(&mut self) -> Option<Record> {
        if self.partial.is_empty() {
            self.open.take()
        } else {
            None
        }
    }

    /// What is left when the stream ends: the last record, marked if it was cut.
    pub fn finish(&mut self) -> Vec<Record> {
        let mut done = Vec::new();
        let line = std::mem::take(&mut self.partial);
        if std::mem::take(&mut self.overlong) {
            self.noise += 1;
        } else if !line.is_empty() {
            self.line(&line, true, &mut done);
        }
        done.extend(self.open.take());
        done
    }

    /// Places where records are missing or repeated, up to now.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// How many lines were no part of any record, up to now.
    pub fn noise(&self) -> usize {
        self.noise
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.overlong || self.partial.len() + bytes.len() > LINE_MAX {
            self.overlong = true;
            self.partial.clear();
        } else {
            self.partial.extend_from_slice(bytes);
        }
    }

    fn line(&mut self, line: &[u8], torn: bool, done: &mut Vec<Record>) {
        if let Some(entry) = line.strip_prefix(b" ") {
            if let (Some(record), Some(pair)) = (&mut self.open, dictionary_entry(entry)) {
                record.dictionary.push(pair);
                record.torn |= torn;
            }
            return;
        }
        match Record::parse(line, torn) {
            Some(record) => {
                done.extend(self.open.take());
                self.follow(record.seq);
                self.open = Some(record);
            }
            None => self.noise += 1,
        }
    }

    fn follow(&mut self, seq: u64) {
        if let Some(last) = self.last_seq {
            if seq <= last {
                self.gaps.push(Gap::Rewind {
                    from_seq: last,
                    to_seq: seq,
                });
            } else if seq - last > 1 {
                self.gaps.push(Gap::Lost {
                    after_seq: last,
                    count: seq - last - 1,
                });
            }
        }
        self.last_seq = Some(seq);
    }
}
