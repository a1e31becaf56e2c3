//! What the host says, see [`lab_proto::host`].

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::thread;
use std::time::Duration;

use lab_proto::host::{PORT, Word};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_settime};

use crate::{line, ports};

/// As for the kernel log's port.
const PORT_DEADLINE: Duration = Duration::from_secs(30);

/// Listens, on a thread of its own.
pub(crate) fn listen() -> io::Result<()> {
    thread::Builder::new()
        .name("host".to_owned())
        .stack_size(128 * 1024)
        .spawn(|| {
            // A guest that nobody can tell anything can still be used.
            run().ok();
        })
        .map(drop)
}

/// Until the host's side is closed.
fn run() -> io::Result<()> {
    let Some(port) = ports::find(PORT, PORT_DEADLINE)? else {
        return Ok(());
    };
    for line in BufReader::with_capacity(64, File::open(port)?).lines() {
        // Neither failure is worth losing the other's word for: a wrong clock can be lived with, and a host that gets no
        // answer there knocks at the network's door.
        match line?.parse() {
            Ok(Word::Clock { since_epoch }) => {
                clock_settime(ClockId::CLOCK_REALTIME, TimeSpec::from(since_epoch)).ok();
            }
            Ok(Word::Answer) => {
                line::answer().ok();
            }
            Err(_) => {}
        }
    }
    Ok(())
}
