//! The ssh server: dropbear, in the foreground. It is started again when it ends, unless it ends
//! as soon as it starts.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::SigSet;

const PROGRAM: &str = "/usr/sbin/dropbear";
/// For each connection dropbear opens what it was called as and executes it again, which gives a session addresses of its
/// own; with a name that is no file's, it serves the session in the child that it has forked already (`main_noinetd` in its
/// svr-main.c). Of a clone's first answer an emulated start of a program and of its five libraries is a good part.
const CALLED: &str = "dropbear";
const HOST_KEY: &str = "/etc/lab/host_key";
const LOG: &str = "/run/dropbear.log";
/// dropbear writes its PID file once it listens: the file's appearance is the news.
const PID_FILE: &str = "/run/dropbear.pid";
pub(crate) const PID_FILE_DIR: &str = "/run";
pub(crate) const PID_FILE_NAME: &str = "dropbear.pid";

/// * `-E` log to standard error;
/// * `-j -k` no forwarding, `-m` no message of the day;
/// * `-r` the one host key, so that none is generated;
/// * `-W` the receive window: the default of 24 kB halves the speed at which files arrive.
const ARGUMENTS: [&str; 8] = ["-E", "-j", "-k", "-m", "-r", HOST_KEY, "-W", "1048576"];
/// In the foreground.
const LISTEN: [&str; 5] = ["-F", "-P", PID_FILE, "-p", "22"];
/// One session, on standard input.
const SERVE: [&str; 1] = ["-i"];

/// A server that lives shorter than this has not served anyone.
const SHORT_LIFE: Duration = Duration::from_secs(2);
/// After so many short lives in a row another start would not help.
const MAX_SHORT_LIVES: u32 = 5;
/// How much of the server's log is shown when it ends.
const LAST_LINES: usize = 5;

/// The ssh server cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SshdError {
    /// The host key that the host put into the initramfs is missing.
    #[error("no host key `{HOST_KEY}`")]
    HostKey(#[source] io::Error),
    /// Its log cannot be written.
    #[error("cannot open `{LOG}`")]
    Log(#[source] io::Error),
    /// It cannot be executed.
    #[error("cannot start `{PROGRAM}`")]
    Start(#[source] io::Error),
    /// It ends again and again.
    #[error("`{PROGRAM}` ended {0} times within {SHORT_LIFE:?} of its start: {last}", last = last_words().join("; "))]
    EndsAtOnce(u32),
}

/// A running server.
pub(crate) struct Sshd {
    child: Child,
    since: Instant,
    short_lives: u32,
}

impl Sshd {
    /// Starts the server.
    pub(crate) fn start() -> Result<Self, SshdError> {
        // dropbear without a key would start and refuse every client.
        fs::metadata(HOST_KEY).map_err(SshdError::HostKey)?;
        Ok(Self {
            child: spawn()?,
            since: Instant::now(),
            short_lives: 0,
        })
    }

    /// The server's process id. Its sessions are its children.
    pub(crate) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Starts it again after it ended.
    pub(crate) fn respawn(self) -> Result<Self, SshdError> {
        let short_lives = if self.since.elapsed() < SHORT_LIFE {
            self.short_lives + 1
        } else {
            0
        };
        if short_lives >= MAX_SHORT_LIVES {
            return Err(SshdError::EndsAtOnce(short_lives));
        }
        Ok(Self {
            child: spawn()?,
            since: Instant::now(),
            short_lives,
        })
    }
}

fn spawn() -> Result<Child, SshdError> {
    let log = log_file().map_err(SshdError::Log)?;
    // What an earlier server wrote says nothing about why this one will end.
    log.set_len(0).map_err(SshdError::Log)?;
    command(&LISTEN, Stdio::null(), log)
        .spawn()
        .map_err(SshdError::Start)
}

/// Starts a server for the one session whose client is at the other end of `socket`. For a thread in which signals are
/// blocked, as all of init's are.
pub(crate) fn serve_one(socket: OwnedFd) -> io::Result<()> {
    let mut command = command(&SERVE, socket.into(), log_file()?);
    let blocked = SigSet::thread_get_mask()?;
    // The child inherits the mask, and would never hear of its own children's end.
    SigSet::empty().thread_set_mask()?;
    let started = command.spawn();
    blocked.thread_set_mask()?;
    started.map(drop)
}

#[expect(
    clippy::disallowed_methods,
    reason = "in the guest, init starts the ssh server"
)]
fn command(mode: &[&str], input: Stdio, log: File) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .arg0(CALLED)
        .args(mode)
        .args(ARGUMENTS)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .current_dir("/")
        .stdin(input)
        .stdout(Stdio::null())
        .stderr(log);
    command
}

/// The log lies in memory: what is said about a connection is nobody's business on the console.
fn log_file() -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(LOG)
}

/// The end of the server's log.
pub(crate) fn last_words() -> Vec<String> {
    let log = fs::read(LOG).unwrap_or_default();
    last_lines(&String::from_utf8_lossy(&log), LAST_LINES)
}

fn last_lines(text: &str, at_most: usize) -> Vec<String> {
    let mut lines: Vec<_> = text.lines().rev().take(at_most).map(str::to_owned).collect();
    lines.reverse();
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_the_newest_in_order() {
        assert_eq!(last_lines("a\nb\nc\n", 2), ["b", "c"]);
        assert_eq!(last_lines("", 2), Vec::<String>::new());
    }
}
