//! What a host tells a guest's init, a line each on the virtio port [`PORT`]: `answer`, or
//! `clock <seconds>.<nanoseconds>`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The port's name on QEMU's command line.
pub const PORT: &str = "org.labctl.host";
/// The name of the port on which an SSH server answers after [`Word::Answer`].
pub const SSH_PORT: &str = "org.labctl.ssh";

/// One line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// The host's time of day, for a guest that goes on after it was frozen.
    Clock {
        /// Since 1970-01-01T00:00:00Z.
        since_epoch: Duration,
    },
    /// Serve one SSH session on the port [`SSH_PORT`].
    Answer,
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clock { since_epoch: time } => {
                write!(f, "clock {}.{:09}", time.as_secs(), time.subsec_nanos())
            }
            Self::Answer => f.write_str("answer"),
        }
    }
}

/// Not a line of that form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAWord;

impl fmt::Display for NotAWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("neither `answer` nor `clock <seconds>.<nanoseconds>`")
    }
}

impl std::error::Error for NotAWord {}

impl FromStr for Word {
    type Err = NotAWord;

    fn from_str(line: &str) -> Result<Self, NotAWord> {
        let line = line.trim_end();
        if line == "answer" {
            return Ok(Self::Answer);
        }
        let number = line.strip_prefix("clock ").ok_or(NotAWord)?;
        let (seconds, nanos) = number.split_once('.').ok_or(NotAWord)?;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(seconds) || !digits(nanos) || nanos.len() != 9 {
            return Err(NotAWord);
        }
        let seconds = seconds.parse().map_err(|_| NotAWord)?;
        let nanos = nanos.parse().map_err(|_| NotAWord)?;
        Ok(Self::Clock {
            since_epoch: Duration::new(seconds, nanos),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let clock = Word::Clock {
            since_epoch: Duration::new(1_795_384_472, 60_004_118),
        };
        assert_eq!(clock.to_string(), "clock 1795384472.060004118");
        for word in [clock, Word::Answer] {
            assert_eq!(format!("{word}\n").parse(), Ok(word));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for line in [
            "",
            "answer me",
            "clock",
            "clock 1",
            "clock 1.5",
            "clock -1.000000000",
            "time 1.000000000",
        ] {
            assert_eq!(line.parse::<Word>(), Err(NotAWord), "{line}");
        }
    }
}
