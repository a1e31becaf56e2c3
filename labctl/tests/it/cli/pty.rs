//! A program at a terminal of its own, and somebody in front of it.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Child, Command};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

/// A program that has said nothing for so long hangs.
const PATIENCE: Timespec = Timespec {
    tv_sec: 120,
    tv_nsec: 0,
};

pub(crate) struct Terminal {
    ours: std::fs::File,
    /// Open here as well, so that the terminal outlives the program.
    theirs: OwnedFd,
    child: Child,
    /// All that was written to it.
    pub(crate) said: String,
    /// So much of it has been waited for.
    read: usize,
}

impl Terminal {
    /// Starts `command` as the foreground of a new terminal. Of the environment it gets what `command` says, and
    /// `inherited`.
    #[expect(clippy::disallowed_methods, reason = "the program under test")]
    pub(crate) fn start(
        command: &Command,
        inherited: impl IntoIterator<Item = (OsString, OsString)>,
        (columns, rows): (u16, u16),
    ) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap();
        let path = std::ffi::OsStr::from_bytes(name.as_bytes());
        let theirs = open(path, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        resize(&theirs, columns, rows);
        // Only a session of its own has a terminal whose Ctrl-C reaches it.
        let mut session = Command::new("setsid");
        session
            .arg("--ctty")
            .arg(command.get_program())
            .args(command.get_args())
            .env_clear()
            .env_clear()
            .envs(inherited)
            .env("TERM", "xterm-256color")
            .envs(
                command
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .current_dir(command.get_current_dir().unwrap())
            .stdin(theirs.try_clone().unwrap())
            .stdout(theirs.try_clone().unwrap())
            .stderr(theirs.try_clone().unwrap());
        Self {
            ours: ours.into(),
            theirs,
            child: session.spawn().unwrap(),
            said: String::new(),
            read: 0,
        }
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        resize(&self.theirs, columns, rows);
    }

    /// Whether keys are shown and lines are edited, as a shell wants it.
    pub(crate) fn is_ordinary(&self) -> bool {
        let modes = tcgetattr(&self.theirs).unwrap().local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.ours.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until `text` is written, after what was waited for before; returns what was written until then.
    pub(crate) fn until(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.said[self.read..].find(text) {
                let from = self.read;
                self.read += at + text.len();
                return self.said[from..self.read].to_owned();
            }
            self.listen(text);
        }
    }

    fn listen(&mut self, wanted: &str) {
        let mut fds = [PollFd::from_borrowed_fd(self.ours.as_fd(), PollFlags::IN)];
        let ready = poll(&mut fds, Some(&PATIENCE)).unwrap();
        let ended = self.child.try_wait().unwrap();
        assert!(
            ready > 0 && ended.is_none_or(|_| fds[0].revents().contains(PollFlags::IN)),
            "no `{wanted}` ({ended:?}): {:?}",
            &self.said[self.read..]
        );
        let mut bytes = [0; 1 << 16];
        let count = self.ours.read(&mut bytes).unwrap();
        self.said.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }

    /// Waits for the program's end; returns its exit status.
    pub(crate) fn end(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A test that fails leaves nothing behind, either.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn resize(terminal: &OwnedFd, columns: u16, rows: u16) {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(terminal, size).unwrap();
}
