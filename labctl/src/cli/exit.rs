//! The exit codes, in one place. Scripts rely on them; a guest's own exit status leaves only through `exec` and
//! `ssh`, which promise that.

use std::process::ExitCode;

/// What labctl's exit status says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Passed, or done.
    Done,
    /// An exercise was not passed.
    NotPassed,
    /// The command line is wrong.
    Usage,
    /// The course, the workspace or a lock file is invalid.
    Invalid,
    /// This host cannot do it; the message has the fix.
    Host,
    /// Infrastructure failed: no verdict about anyone.
    Inconclusive,
    /// A bug in labctl.
    Bug,
    /// Interrupted by a signal.
    Interrupted,
    /// The exit status of a program in the guest, passed through.
    Guest(u8),
}

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::NotPassed => 1,
            Self::Usage => 2,
            Self::Invalid => 3,
            Self::Host => 4,
            Self::Inconclusive => 5,
            Self::Bug => 70,
            Self::Interrupted => 130,
            Self::Guest(status) => status,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
