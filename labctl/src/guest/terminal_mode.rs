//! A terminal that behaves differently for a while.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// A terminal in another mode, which it leaves when this is dropped, whatever the reason.
#[derive(Debug)]
pub struct TerminalMode {
    terminal: OwnedFd,
    before: Termios,
    during: Termios,
}

impl TerminalMode {
    /// Every key goes to whoever reads, as it is.
    ///
    /// # Errors
    /// Not a terminal, or none any more.
    pub fn raw(terminal: impl AsFd) -> io::Result<Self> {
        Self::enter(terminal, Termios::make_raw)
    }

    /// Keys are read one by one and not shown. Those that mean a signal go on meaning it, and lines that are written
    /// go on beginning at the left.
    ///
    /// # Errors
    /// Not a terminal, or none any more.
    pub fn keys(terminal: impl AsFd) -> io::Result<Self> {
        Self::enter(terminal, |mode| {
            mode.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        })
    }

    fn enter(terminal: impl AsFd, change: impl FnOnce(&mut Termios)) -> io::Result<Self> {
        let terminal = terminal.as_fd().try_clone_to_owned()?;
        let before = tcgetattr(&terminal)?;
        let mut during = before.clone();
        change(&mut during);
        tcsetattr(&terminal, OptionalActions::Now, &during)?;
        Ok(Self {
            terminal,
            before,
            during,
        })
    }

    /// Enters the mode again, which a shell has left while this program was stopped.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn again(&self) -> io::Result<()> {
        Ok(tcsetattr(&self.terminal, OptionalActions::Now, &self.during)?)
    }
}

impl Drop for TerminalMode {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that is gone.
        tcsetattr(&self.terminal, OptionalActions::Now, &self.before).ok();
    }
}
