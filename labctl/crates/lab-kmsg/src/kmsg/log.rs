//! A whole stream at once.

use super::{Gap, Record, Stream};
use crate::line::LogLine;

/// A whole stream, parsed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kmsg {
    pub records: Vec<Record>,
    pub gaps: Vec<Gap>,
    /// How many lines were no part of any record.
    pub noise: usize,
}

impl Kmsg {
    /// Reads everything that can be read; whatever else there is, is counted.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut stream = Stream::default();
        let mut records = stream.push(bytes);
        records.extend(stream.finish());
        Self {
            records,
            gaps: stream.gaps().to_vec(),
            noise: stream.noise(),
        }
    }

    /// The log line by line, for [`crate::splat::find`]. A record with line breaks becomes several lines of the
    /// same index.
    pub fn lines(&self) -> Vec<LogLine> {
        let mut lines = Vec::with_capacity(self.records.len());
        for (index, record) in self.records.iter().enumerate() {
            lines.extend(record.lines().map(|text| LogLine {
                index,
                origin: record.origin(),
                ts_us: Some(record.ts_us),
                level: Some(record.level),
                caller: record.caller,
                text,
                torn: record.torn,
            }));
        }
        lines
    }

    pub fn records_lost(&self) -> u64 {
        self.gaps
            .iter()
            .map(|gap| match gap {
                Gap::Lost { count, .. } => *count,
                Gap::Rewind { .. } => 0,
            })
            .fold(0, u64::saturating_add)
    }
}
