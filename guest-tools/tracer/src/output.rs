//! The JSON lines.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Context;
use lab_proto::record::{self, Entry};
use lab_proto::witness::{Header, VERSION};
use nix::sys::utsname::uname;
use serde::Serialize;

/// Where the lines go.
pub(crate) struct Output<W> {
    out: W,
    /// The functions of events, by the code of their probe.
    functions: BTreeMap<u8, String>,
    /// The callers of the copy that comes next.
    stack: Option<(u64, Vec<String>)>,
}

impl<W: Write> Output<W> {
    /// Prints the header.
    pub(crate) fn begin(out: W) -> anyhow::Result<Self> {
        let kernel = uname()
            .context("cannot name the kernel")?
            .release()
            .to_string_lossy()
            .into_owned();
        let mut output = Self {
            out,
            functions: BTreeMap::new(),
            stack: None,
        };
        output.line(&Header {
            witness: VERSION,
            kernel,
        })?;
        output.out.flush()?;
        Ok(output)
    }

    /// Prints what one read gave and sees it off.
    pub(crate) fn print(&mut self, mut bytes: &[u8]) -> anyhow::Result<()> {
        while !bytes.is_empty() {
            let (entry, rest) = record::parse(bytes).context("the witness module is of another build")?;
            self.entry(entry)?;
            bytes = rest;
        }
        self.out.flush()?;
        Ok(())
    }

    fn entry(&mut self, entry: Entry) -> anyhow::Result<()> {
        match entry {
            Entry::Probe { code, probe } => {
                self.functions.insert(code, probe.probe.clone());
                self.line(&probe)
            }
            Entry::Stack { seq, names } => {
                self.stack = Some((seq, names));
                Ok(())
            }
            Entry::Copy(mut record) => {
                record.stack = self
                    .stack
                    .take()
                    .filter(|(seq, _)| *seq == record.seq)
                    .map(|(_, names)| names);
                self.line(&record)
            }
            Entry::Event { code, mut event } => {
                event.event = self
                    .functions
                    .get(&code)
                    .with_context(|| format!("the witness names a probe {code} that it did not announce"))?
                    .clone();
                self.line(&event)
            }
            Entry::Dropped(dropped) => self.line(&dropped),
        }
    }

    fn line(&mut self, line: &impl Serialize) -> anyhow::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.out.write_all(&text)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use lab_proto::record::RECORD_BYTES;
    use lab_proto::witness::WitnessLine;

    use super::*;

    const KIND: usize = 28;
    const CODE: usize = 29;

    fn lines(entries: &[u8]) -> Vec<WitnessLine> {
        let mut output = Output::begin(Vec::new()).unwrap();
        output.print(entries).unwrap();
        let text = String::from_utf8(output.out).unwrap();
        text.lines()
            .map(|line| WitnessLine::parse(line).unwrap())
            .collect()
    }

    #[test]
    fn every_line_can_be_read_back() {
        let copy = [0; RECORD_BYTES];
        let mut dropped = [0; RECORD_BYTES];
        dropped[KIND] = 255;
        dropped[48] = 3;
        let lines = lines(&[copy, dropped].concat());
        assert!(
            matches!(lines[..], [WitnessLine::Header(_), WitnessLine::Record(_), WitnessLine::Dropped(d)] if d.dropped == 3),
            "{lines:?}"
        );
    }

    #[test]
    fn a_stack_is_its_copys() {
        let mut stack = [0; RECORD_BYTES];
        (stack[KIND], stack[30], stack[48]) = (2, 2, 1);
        let copy = [0; RECORD_BYTES];
        let lines = lines(&[&stack[..], b"f\n", &copy, &copy].concat());
        match &lines[1..] {
            [WitnessLine::Record(first), WitnessLine::Record(second)] => {
                assert_eq!(first.stack.as_deref(), Some(&["f".to_owned()][..]));
                assert_eq!(second.stack, None);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_event_has_the_name_of_its_probe() {
        let mut probe = [0; RECORD_BYTES];
        (probe[KIND], probe[CODE]) = (3, 5);
        probe[64..70].copy_from_slice(b"ip_rcv");
        let mut event = [0; RECORD_BYTES];
        (event[KIND], event[CODE]) = (1, 5);
        match &lines(&[probe, event].concat())[1..] {
            [WitnessLine::Probe(_), WitnessLine::Event(event)] => assert_eq!(event.event, "ip_rcv"),
            other => panic!("{other:?}"),
        }
        assert!(
            Output::begin(Vec::new()).unwrap().print(&event).is_err(),
            "a probe that was never announced"
        );
    }

    #[test]
    fn a_foreign_record_is_an_error_not_a_guess() {
        let mut foreign = [0; RECORD_BYTES];
        foreign[KIND] = 9;
        let mut output = Output::begin(Vec::new()).unwrap();
        assert!(output.print(&foreign).is_err());
    }
}
