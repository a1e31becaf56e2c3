//! What init waits for once the guest is up: signals and files.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Something happened.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// At least one child ended.
    ChildrenEnded,
    /// The guest is to be switched off.
    PowerOff,
    /// A file in a watched directory was written and closed.
    FileClosed(OsString),
}

/// Where events come from.
pub(crate) struct Events {
    mask: SigSet,
    signals: SignalFd,
    files: Inotify,
    waiting: VecDeque<Event>,
}

/// `poweroff` and `halt` of busybox send the two user signals, `reboot` sends SIGTERM, Ctrl-Alt-Del arrives as
/// SIGINT. To a guest that lives for one experiment they all mean the same.
const POWER_OFF: [Signal; 5] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGPWR,
];

impl Events {
    /// Takes the signals out of their usual way, for this thread and those made later.
    pub(crate) fn open() -> Result<Self, Errno> {
        let mut mask = SigSet::from_iter(POWER_OFF);
        mask.add(Signal::SIGCHLD);
        mask.thread_block()?;
        Ok(Self {
            mask,
            signals: SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?,
            files: Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?,
            waiting: VecDeque::new(),
        })
    }

    /// Starts a process with nothing masked. A child inherits the mask, and a server that never hears of
    /// SIGCHLD or SIGTERM neither ends its sessions nor itself.
    pub(crate) fn unmasked<T>(&mut self, start: impl FnOnce() -> T) -> Result<T, Errno> {
        self.mask.thread_unblock()?;
        let started = start();
        self.mask.thread_block()?;
        // A SIGCHLD that came in between is lost: look for ended children once more.
        self.waiting.push_back(Event::ChildrenEnded);
        Ok(started)
    }

    /// Reports files that are written and closed in this directory from now on.
    pub(crate) fn watch(&mut self, directory: &str) -> Result<(), Errno> {
        self.files
            .add_watch(directory, AddWatchFlags::IN_CLOSE_WRITE)
            .map(drop)
    }

    /// Waits for the next event.
    pub(crate) fn next(&mut self) -> Result<Event, Errno> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Ok(event);
            }
            self.wait()?;
            self.read_signals()?;
            self.read_files()?;
        }
    }

    fn wait(&self) -> Result<(), Errno> {
        let mut fds = [
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.files.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(e) => Err(e),
        }
    }

    fn read_signals(&mut self) -> Result<(), Errno> {
        while let Some(info) = self.signals.read_signal()? {
            let is_child = info.ssi_signo.cast_signed() == Signal::SIGCHLD as i32;
            let event = if is_child {
                Event::ChildrenEnded
            } else {
                Event::PowerOff
            };
            self.waiting.push_back(event);
        }
        Ok(())
    }

    fn read_files(&mut self) -> Result<(), Errno> {
        match self.files.read_events() {
            Ok(events) => self
                .waiting
                .extend(events.into_iter().filter_map(|e| e.name).map(Event::FileClosed)),
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test starts a process")]
    fn a_process_is_started_with_nothing_masked() {
        let mut events = Events::open().unwrap();
        let status = events
            .unmasked(|| Command::new("cat").arg("/proc/self/status").output())
            .unwrap()
            .unwrap()
            .stdout;
        let status = String::from_utf8(status).unwrap();
        assert!(status.contains("SigBlk:\t0000000000000000\n"), "{status}");
        assert!(SigSet::thread_get_mask().unwrap().contains(Signal::SIGCHLD));
        assert_eq!(events.next().unwrap(), Event::ChildrenEnded);
    }

    #[test]
    fn a_closed_file_is_reported_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let mut events = Events::open().unwrap();
        events.watch(directory.path().to_str().unwrap()).unwrap();
        fs::write(directory.path().join("dropbear.pid"), "17\n").unwrap();
        assert_eq!(events.next().unwrap(), Event::FileClosed("dropbear.pid".into()));
    }
}
