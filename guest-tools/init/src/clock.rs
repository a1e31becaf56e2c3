//! The time of day of a guest that was frozen: its host tells it when it goes on.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::thread;
use std::time::Duration;

use lab_proto::clock::{Clock, PORT};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_settime};

use crate::ports;

/// As for the kernel log's port.
const PORT_DEADLINE: Duration = Duration::from_secs(30);

/// Listens, on a thread of its own.
pub(crate) fn listen() -> io::Result<()> {
    thread::Builder::new()
        .name("clock".to_owned())
        .stack_size(64 * 1024)
        .spawn(|| {
            // A guest whose clock is wrong can still be used, and nobody here could be told.
            run().ok();
        })
        .map(drop)
}

/// Until the host's side is closed. While a template is made it is open and silent; a clone finds one line, and then
/// the end.
fn run() -> io::Result<()> {
    let Some(port) = ports::find(PORT, PORT_DEADLINE)? else {
        return Ok(());
    };
    for line in BufReader::with_capacity(64, File::open(port)?).lines() {
        if let Ok(clock) = line?.parse::<Clock>() {
            clock_settime(ClockId::CLOCK_REALTIME, TimeSpec::from(clock.since_epoch))?;
        }
    }
    Ok(())
}
