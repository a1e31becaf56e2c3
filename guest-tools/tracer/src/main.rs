//! `tracer` prints what the witness module saw, one JSON object a line (see [`lab_proto::witness`]), until it is
//! asked to stop by SIGTERM, SIGINT or the end of its standard input. Whatever is in the ring by then is still
//! printed.
#![forbid(unsafe_code)]

mod device;
mod output;
mod stop;

use std::io;

use anyhow::Context;

use crate::device::{Device, Readiness};
use crate::output::Output;
use crate::stop::Stop;

fn main() -> anyhow::Result<()> {
    // Before the header is printed: whoever has read it may ask to stop.
    let stop = Stop::listen().context("cannot wait for signals")?;
    let mut device = Device::open()?;
    let mut output = Output::begin(io::stdout().lock())?;
    loop {
        let readiness = stop.wait_for(&device).context("cannot wait for the witness")?;
        let must_stop = readiness == Readiness::MustStop;
        while let Some(batch) = device.read().context("cannot read the witness")? {
            output.print(batch)?;
        }
        if must_stop {
            return Ok(());
        }
    }
}
