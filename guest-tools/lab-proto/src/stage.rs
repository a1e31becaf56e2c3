//! The lines that init writes to `/dev/console`, one fact each:
//!
//! ```text
//! labctl-init: stage <name> <uptime_us>
//! labctl-init: sshd-exited <status>
//! labctl-init: fatal: <stage>: <why>
//! ```
//!
//! `uptime_us` is `CLOCK_BOOTTIME` in microseconds. Writer (`Display`) and reader ([`InitLine::parse`]) live together so that they cannot drift apart.

use std::fmt;
use std::str::FromStr;

/// What every line of init begins with.
pub const PREFIX: &str = "labctl-init: ";

/// A step of the guest's start, in the order in which init goes through them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Init runs and has a console.
    Start,
    /// proc, sys, dev and the other kernel file systems are mounted.
    Mounts,
    /// Every module of `/etc/lab/modules` is loaded.
    Modules,
    /// The tool layers of `/etc/lab/layers` are mounted.
    Layers,
    /// The loopback and the first ethernet device are up.
    Network,
    /// The ssh server has been started.
    Sshd,
    /// The ssh server listens.
    Ready,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; 7] = [
        Self::Start,
        Self::Mounts,
        Self::Modules,
        Self::Layers,
        Self::Network,
        Self::Sshd,
        Self::Ready,
    ];

    /// The name used on the console.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Mounts => "mounts",
            Self::Modules => "modules",
            Self::Layers => "layers",
            Self::Network => "network",
            Self::Sshd => "sshd",
            Self::Ready => "ready",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no stage of init.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a stage of init")]
pub struct UnknownStage(String);

impl FromStr for Stage {
    type Err = UnknownStage;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|stage| stage.name() == text)
            .ok_or_else(|| UnknownStage(text.to_owned()))
    }
}

/// One line of init on the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InitLine {
    /// A stage has been finished.
    Stage {
        /// Which one.
        stage: Stage,
        /// Microseconds since the kernel started (`CLOCK_BOOTTIME`).
        uptime_us: u64,
    },
    /// The ssh server ended and is being started again.
    SshdExited {
        /// The wait status as a shell would show it: the exit code, or 128 + the signal that killed it.
        status: i32,
    },
    /// Init gave up; the guest powers off after this line.
    Fatal {
        /// The stage that could not be finished.
        stage: Stage,
        /// The cause, on one line.
        why: String,
    },
}

impl InitLine {
    /// Reads one line of the console; `None` if it is not init's.
    ///
    /// The console also carries the kernel's messages, and a student's program may write there: only a line that is init's from its first to its last character counts.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let rest = line.trim_end_matches(['\r', '\n']).strip_prefix(PREFIX)?;
        if let Some(fatal) = rest.strip_prefix("fatal: ") {
            let (stage, why) = fatal.split_once(": ")?;
            return Some(Self::Fatal {
                stage: stage.parse().ok()?,
                why: why.to_owned(),
            });
        }
        let mut words = rest.split(' ');
        let parsed = match words.next()? {
            "stage" => Self::Stage {
                stage: words.next()?.parse().ok()?,
                uptime_us: decimal(words.next()?)?,
            },
            "sshd-exited" => Self::SshdExited {
                status: i32::try_from(decimal(words.next()?)?).ok()?,
            },
            _ => return None,
        };
        words.next().is_none().then_some(parsed)
    }
}

/// Digits only: `str::parse` alone would also take a sign.
fn decimal(text: &str) -> Option<u64> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

impl fmt::Display for InitLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stage { stage, uptime_us } => write!(f, "{PREFIX}stage {stage} {uptime_us}"),
            Self::SshdExited { status } => write!(f, "{PREFIX}sshd-exited {status}"),
            // A line break in the cause would make a second line that is nobody's.
            Self::Fatal { stage, why } => {
                write!(f, "{PREFIX}fatal: {stage}: {}", why.replace(['\r', '\n'], " "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_each_kind_of_line() {
        assert_eq!(
            InitLine::parse("labctl-init: stage modules 812345\r\n"),
            Some(InitLine::Stage {
                stage: Stage::Modules,
                uptime_us: 812_345
            })
        );
        assert_eq!(
            InitLine::parse("labctl-init: sshd-exited 139"),
            Some(InitLine::SshdExited { status: 139 })
        );
        assert_eq!(
            InitLine::parse("labctl-init: fatal: layers: /dev/vda: no such device"),
            Some(InitLine::Fatal {
                stage: Stage::Layers,
                why: "/dev/vda: no such device".to_owned()
            })
        );
    }

    #[test]
    fn refuses_what_only_looks_like_a_line_of_init() {
        for line in [
            "",
            "labctl-init: ",
            "labctl-init: stage",
            "labctl-init: stage ready",
            "labctl-init: stage ready +5",
            "labctl-init: stage ready 5 6",
            "labctl-init: stage  ready 5",
            "labctl-init: stage lunch 5",
            "labctl-init: stage ready 99999999999999999999",
            "labctl-init: sshd-exited -1",
            "labctl-init: fatal: lunch: no soup",
            "[    1.0] labctl-init: stage ready 5",
            " labctl-init: stage ready 5",
        ] {
            assert_eq!(InitLine::parse(line), None, "{line:?}");
        }
    }

    #[test]
    fn stages_are_ordered_as_init_goes_through_them() {
        assert!(Stage::ALL.is_sorted());
    }

    #[test]
    fn a_cause_stays_on_one_line() {
        let line = InitLine::Fatal {
            stage: Stage::Mounts,
            why: "one\r\ntwo".to_owned(),
        }
        .to_string();
        assert_eq!(line.lines().count(), 1);
    }

    fn any_line() -> impl Strategy<Value = InitLine> {
        let stage = || (0..Stage::ALL.len()).prop_map(|i| Stage::ALL[i]);
        prop_oneof![
            (stage(), any::<u64>()).prop_map(|(stage, uptime_us)| InitLine::Stage { stage, uptime_us }),
            (0..256_i32).prop_map(|status| InitLine::SshdExited { status }),
            (stage(), "[^\r\n]*").prop_map(|(stage, why)| InitLine::Fatal { stage, why }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(line in any_line()) {
            prop_assert_eq!(InitLine::parse(&format!("{line}\r\n")), Some(line));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "(labctl-init: )?(stage |fatal: |sshd-exited )?.*") {
            drop(InitLine::parse(&text));
        }
    }
}
