//! What init says, and where: `/dev/console`, which is the host's record of the serial line.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};

use lab_proto::stage::{InitLine, PREFIX, Stage};
use nix::time::{ClockId, clock_gettime};
use nix::unistd;

/// The console, opened once.
pub(crate) struct Console(File);

impl Console {
    /// Opens `/dev/console` and makes it the standard streams, which the kernel leaves closed when the
    /// initramfs has no such node.
    pub(crate) fn open() -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open("/dev/console")?;
        unistd::dup2_stdin(&file)?;
        unistd::dup2_stdout(&file)?;
        unistd::dup2_stderr(&file)?;
        Ok(Self(file))
    }

    /// Says that a stage is done.
    pub(crate) fn stage(&mut self, stage: Stage) {
        self.say(&InitLine::Stage {
            stage,
            uptime_us: uptime_us(),
        });
    }

    /// Says that the ssh server ended, and what it last wrote.
    pub(crate) fn sshd_exited(&mut self, status: i32, last_words: &[String]) {
        for line in last_words {
            self.write(&format!("{PREFIX}sshd: {line}\n"));
        }
        self.say(&InitLine::SshdExited { status });
    }

    /// Says that init gives up.
    pub(crate) fn fatal(&mut self, stage: Stage, why: String) {
        self.say(&InitLine::Fatal { stage, why });
    }

    fn say(&mut self, line: &InitLine) {
        self.write(&format!("{line}\n"));
    }

    /// A console that cannot be written is no reason to stop: the guest may still be reached.
    fn write(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).ok();
    }
}

/// Says why nothing was done, to whoever started this outside of a guest.
pub(crate) fn refuse(why: &str) {
    writeln!(io::stderr().lock(), "{why}").ok();
}

/// Microseconds since the kernel started.
fn uptime_us() -> u64 {
    clock_gettime(ClockId::CLOCK_BOOTTIME)
        .ok()
        .and_then(|t| {
            Some(u64::try_from(t.tv_sec()).ok()? * 1_000_000 + u64::try_from(t.tv_nsec()).ok()? / 1_000)
        })
        .unwrap_or(0)
}
