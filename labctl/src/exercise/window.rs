//! The part of the kernel log that belongs to one run: between two marks that the runner wrote itself.
//!
//! The marks go through `/dev/kmsg`, so the kernel stamps them as a process's (facility not 0), in order with
//! everything else. A line of a student's *module* is the kernel's own (facility 0) and cannot pass for a mark; a
//! line that a student's *program* wrote is a process's and never counts as kernel log.

use std::collections::BTreeMap;

use lab_kmsg::kmsg::{Kmsg, Record};
use lab_kmsg::{LogLine, Origin};

use crate::grade::evidence::KernelRecord;

/// A flood keeps its first records. No exercise needs as many; a report over all of them would not be read.
const KEEP_RECORDS: usize = 20_000;

/// The two ends of a run's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    Begin,
    End,
}

/// What is written to `/dev/kmsg` when the program of the step `id` is started.
pub(super) fn step_mark(nonce: &str, id: &str) -> String {
    format!("labctl: run {nonce} step {id}")
}

/// What is written to `/dev/kmsg` at an edge. `nonce` is new for every run.
pub(super) fn mark(nonce: &str, edge: Edge) -> String {
    let edge = match edge {
        Edge::Begin => "begin",
        Edge::End => "end",
    };
    format!("labctl: run {nonce} {edge}s")
}

/// A run's window of the kernel log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Window {
    /// The kernel's own records, oldest first.
    pub(super) records: Vec<KernelRecord>,
    /// The same as lines, for the splat parser.
    pub(super) lines: Vec<LogLine>,
    /// Records that the guest's ring overwrote, or that were over the cap.
    pub(super) lost: u64,
    /// Guest uptime of the first mark, microseconds.
    pub(super) begin_us: Option<u64>,
    /// Guest uptime at which the program of each step was started, microseconds.
    pub(super) steps: BTreeMap<String, u64>,
    /// Whether the closing mark was seen: everything before it is here then.
    pub(super) closed: bool,
}

/// Cuts the window of run `nonce` out of recorded `/dev/kmsg` bytes.
pub(super) fn cut(bytes: &[u8], nonce: &str) -> Window {
    let log = Kmsg::parse(bytes);
    let is_mark = |record: &Record, edge| {
        record.origin() == Origin::User && record.text.trim_end() == mark(nonce, edge)
    };
    let Some(begin) = log.records.iter().position(|record| is_mark(record, Edge::Begin)) else {
        return Window::default();
    };
    let end = log.records.iter().position(|record| is_mark(record, Edge::End));
    let inside = &log.records[begin + 1..end.unwrap_or(log.records.len()).max(begin + 1)];
    let first_seq = log.records[begin].seq;
    let last_seq = inside.last().map_or(first_seq, |record| record.seq);
    let expected = last_seq.saturating_sub(first_seq);
    let mut window = Window {
        begin_us: Some(log.records[begin].ts_us),
        closed: end.is_some(),
        lost: expected.saturating_sub(inside.len() as u64),
        ..Window::default()
    };
    for record in inside.iter().filter(|record| record.origin() == Origin::User) {
        // The first counts: a program could write the mark again.
        if let Some(id) = record.text.trim_end().strip_prefix(&step_mark(nonce, "")) {
            window.steps.entry(id.to_owned()).or_insert(record.ts_us);
        }
    }
    for record in inside.iter().filter(|record| record.origin() == Origin::Kernel) {
        if window.records.len() == KEEP_RECORDS {
            window.lost += 1;
            continue;
        }
        window.records.push(KernelRecord {
            seq: record.seq,
            level: record.level as u8,
            us: record.ts_us,
            text: record.text.clone(),
        });
        window.lines.push(LogLine {
            index: window.lines.len(),
            origin: Origin::Kernel,
            ts_us: Some(record.ts_us),
            level: Some(record.level),
            caller: record.caller,
            text: record.text.clone(),
            torn: record.torn,
        });
    }
    window
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(lines: &[(u32, &str)]) -> Vec<u8> {
        lines
            .iter()
            .enumerate()
            .map(|(seq, (priority, text))| format!("{priority},{seq},{},-;{text}\n", seq * 10))
            .collect::<String>()
            .into_bytes()
    }

    #[test]
    fn only_the_kernels_lines_between_the_marks_count() {
        let window = cut(
            &log(&[
                (6, "[COPY1] too early"),
                (12, "labctl: run n begins"),
                (6, "[COPY1] ours"),
                (12, "[COPY1] forged by a process"),
                (12, "labctl: run n step sender"),
                (12, "labctl: run n ends"),
                (6, "[COPY1] too late"),
            ]),
            "n",
        );
        let texts: Vec<_> = window.records.iter().map(|record| record.text.as_str()).collect();
        assert_eq!(texts, ["[COPY1] ours"]);
        assert!(window.closed);
        assert_eq!(window.begin_us, Some(10));
        assert_eq!(window.lost, 0);
        assert_eq!(window.steps.get("sender"), Some(&40));
    }

    #[test]
    fn a_module_cannot_close_the_window() {
        let window = cut(
            &log(&[
                (12, "labctl: run n begins"),
                (6, "labctl: run n ends"),
                (6, "later"),
            ]),
            "n",
        );
        assert_eq!(window.records.len(), 2);
        assert!(!window.closed);
    }

    #[test]
    fn a_gap_is_counted() {
        let bytes = b"12,5,0,-;labctl: run n begins\n6,9,1,-;after a gap\n";
        assert_eq!(cut(bytes, "n").lost, 3);
    }
}
