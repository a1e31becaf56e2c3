//! The JSON lines.

use std::io::Write;

use anyhow::Context;
use lab_proto::record::{self, Entry, RECORD_BYTES};
use lab_proto::witness::{Header, VERSION};
use nix::sys::utsname::uname;
use serde::Serialize;

/// Where the lines go.
pub(crate) struct Output<W>(W);

impl<W: Write> Output<W> {
    /// Prints the header.
    pub(crate) fn begin(out: W) -> anyhow::Result<Self> {
        let kernel = uname()
            .context("cannot name the kernel")?
            .release()
            .to_string_lossy()
            .into_owned();
        let mut output = Self(out);
        output.line(&Header {
            witness: VERSION,
            kernel,
        })?;
        output.0.flush()?;
        Ok(output)
    }

    /// Prints a batch and sees it off.
    pub(crate) fn print(&mut self, batch: &[[u8; RECORD_BYTES]]) -> anyhow::Result<()> {
        for bytes in batch {
            match record::parse(bytes).context("the witness module is of another build")? {
                Entry::Copy(record) => self.line(&record)?,
                Entry::Dropped(dropped) => self.line(&dropped)?,
            }
        }
        self.0.flush()?;
        Ok(())
    }

    fn line(&mut self, line: &impl Serialize) -> anyhow::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.0.write_all(&text)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use lab_proto::witness::WitnessLine;

    use super::*;

    #[test]
    fn every_line_can_be_read_back() {
        let copy = [0; RECORD_BYTES];
        let mut dropped = [0; RECORD_BYTES];
        dropped[32] = 3;
        dropped[68] = 255;
        let mut output = Output::begin(Vec::new()).unwrap();
        output.print(&[copy, dropped]).unwrap();
        let text = String::from_utf8(output.0).unwrap();
        let lines: Vec<_> = text
            .lines()
            .map(|line| WitnessLine::parse(line).unwrap())
            .collect();
        assert!(
            matches!(lines[..], [WitnessLine::Header(_), WitnessLine::Record(_), WitnessLine::Dropped(d)] if d.dropped == 3),
            "{text}"
        );
    }

    #[test]
    fn a_foreign_record_is_an_error_not_a_guess() {
        let mut foreign = [0; RECORD_BYTES];
        foreign[68] = 9;
        let mut output = Output::begin(Vec::new()).unwrap();
        assert!(output.print(&[foreign]).is_err());
    }
}
