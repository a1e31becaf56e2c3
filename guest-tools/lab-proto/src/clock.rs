//! What a host tells a guest that goes on after it was frozen: the time, in one line `clock <seconds>.<nanoseconds>`
//! on the virtio port [`PORT`].

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The port's name on QEMU's command line.
pub const PORT: &str = "org.labctl.host";

/// The host's time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// Since 1970-01-01T00:00:00Z.
    pub since_epoch: Duration,
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.since_epoch;
        write!(f, "clock {}.{:09}", time.as_secs(), time.subsec_nanos())
    }
}

/// Not a line of that form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAClock;

impl fmt::Display for NotAClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not `clock <seconds>.<nanoseconds>`")
    }
}

impl std::error::Error for NotAClock {}

impl FromStr for Clock {
    type Err = NotAClock;

    fn from_str(line: &str) -> Result<Self, NotAClock> {
        let number = line.trim_end().strip_prefix("clock ").ok_or(NotAClock)?;
        let (seconds, nanos) = number.split_once('.').ok_or(NotAClock)?;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(seconds) || !digits(nanos) || nanos.len() != 9 {
            return Err(NotAClock);
        }
        let seconds = seconds.parse().map_err(|_| NotAClock)?;
        let nanos = nanos.parse().map_err(|_| NotAClock)?;
        Ok(Self {
            since_epoch: Duration::new(seconds, nanos),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let clock = Clock {
            since_epoch: Duration::new(1_795_384_472, 60_004_118),
        };
        assert_eq!(clock.to_string(), "clock 1795384472.060004118");
        assert_eq!(format!("{clock}\n").parse(), Ok(clock));
    }

    #[test]
    fn anything_else_is_refused() {
        for line in [
            "",
            "clock",
            "clock 1",
            "clock 1.5",
            "clock -1.000000000",
            "time 1.000000000",
        ] {
            assert_eq!(line.parse::<Clock>(), Err(NotAClock), "{line}");
        }
    }
}
