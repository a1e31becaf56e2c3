//! The folder of one instance, and the names of everything in it.
//!
//! ```text
//! instance.json   who runs here (see `record`)      qmp.sock      QEMU's control socket
//! console.log     the serial console                qemu.stderr   what QEMU itself complained about
//! kmsg.log        /dev/kmsg records of the guest     host.in       what its init is told, a FIFO
//! ssh.in, ssh.out the line to an SSH server, FIFOs
//! ```

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err as fs;
use lab_proto::host::Word;
use tokio::net::unix::pipe;

pub(super) const CONSOLE_LOG: &str = "console.log";
pub(super) const KMSG_LOG: &str = "kmsg.log";
/// QEMU adds `.in` and `.out` to it (chardev/char-pipe.c).
pub(super) const HOST_WORDS: &str = "host";
const HOST_WORDS_IN: &str = "host.in";
const HOST_WORDS_OUT: &str = "host.out";
/// As above.
pub(super) const SSH_LINE: &str = "ssh";
const SSH_LINE_IN: &str = "ssh.in";
const SSH_LINE_OUT: &str = "ssh.out";
pub(super) const QEMU_STDERR: &str = "qemu.stderr";
pub(super) const RECORD: &str = "instance.json";
const SOCKET: &str = "qmp.sock";
const STATE_SOCKET: &str = "state.sock";

/// A failure of the folder itself.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    #[error("there is no instance at `{0}`")]
    Missing(PathBuf),
    #[error("cannot {action}")]
    Io {
        action: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("the instance's record is unreadable")]
    Record(#[source] serde_json::Error),
}

impl InstanceError {
    pub(super) fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}

/// An instance's folder, held open. Cheap to clone.
#[derive(Debug, Clone)]
pub struct InstanceDir {
    path: PathBuf,
    handle: Arc<OwnedFd>,
}

impl InstanceDir {
    /// Makes the folder, for this user alone: whoever can reach the control socket owns the machine.
    pub(super) fn create(path: &Path) -> Result<Self, InstanceError> {
        let make = InstanceError::io("make an instance's folder");
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(path)
            .map_err(make)?;
        let dir = Self::open_path(path)?;
        for log in [CONSOLE_LOG, KMSG_LOG] {
            // They exist before QEMU does, so that they can be watched before the first byte.
            fs::File::create(dir.file(log)).map_err(InstanceError::io("make an instance's logs"))?;
        }
        for fifo in [HOST_WORDS_IN, HOST_WORDS_OUT, SSH_LINE_IN, SSH_LINE_OUT] {
            let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
            rustix::fs::mknodat(
                rustix::fs::CWD,
                dir.file(fifo),
                rustix::fs::FileType::Fifo,
                mode,
                0,
            )
            .map_err(|error| InstanceError::io("make an instance's pipes")(error.into()))?;
        }
        Ok(dir)
    }

    /// The existing instance `name` below `root`. Needs no lease: to look, and to use its guest, is free.
    ///
    /// # Errors
    /// [`InstanceError::Missing`] when there is none.
    pub fn open(root: &Path, name: &str) -> Result<Self, InstanceError> {
        Self::open_path(&root.join(name))
    }

    pub(super) fn open_path(path: &Path) -> Result<Self, InstanceError> {
        let flags = rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
        match rustix::fs::open(path, flags, rustix::fs::Mode::empty()) {
            Ok(handle) => Ok(Self {
                path: path.to_owned(),
                handle: Arc::new(handle),
            }),
            Err(rustix::io::Errno::NOENT) => Err(InstanceError::Missing(path.to_owned())),
            Err(error) => Err(InstanceError::io("open an instance's folder")(error.into())),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of any file of the instance, of ours or of the caller's.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// What the guest wrote to its serial port, from the first byte on.
    pub fn console_log(&self) -> PathBuf {
        self.file(CONSOLE_LOG)
    }

    /// The guest's `/dev/kmsg` records, as its init forwarded them.
    pub fn kmsg_log(&self) -> PathBuf {
        self.file(KMSG_LOG)
    }

    /// Tells the guest's init something; QEMU has to be there to take it.
    pub(super) fn tell(&self, word: Word) -> io::Result<()> {
        use std::io::Write as _;

        let mut fifo = fs::OpenOptions::new()
            .write(true)
            .open(self.file(HOST_WORDS_IN))?;
        fifo.write_all(format!("{word}\n").as_bytes())
    }

    /// The two directions of the line to the guest's SSH server; QEMU has to be there.
    pub(super) fn ssh_line(&self) -> io::Result<(pipe::Receiver, pipe::Sender)> {
        let from_guest = pipe::OpenOptions::new().open_receiver(self.file(SSH_LINE_OUT))?;
        let to_guest = pipe::OpenOptions::new().open_sender(self.file(SSH_LINE_IN))?;
        Ok((from_guest, to_guest))
    }

    pub fn qemu_stderr(&self) -> PathBuf {
        self.file(QEMU_STDERR)
    }

    /// The control socket by a path that is short however deep the folder is: `sun_path` holds 108 bytes (unix(7)).
    pub(super) fn socket_path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", self.handle.as_raw_fd()))
    }

    /// The control socket, listening; QEMU gets it as its standard input.
    pub(super) fn listen(&self) -> Result<UnixListener, InstanceError> {
        // Of an earlier attempt to start in this folder.
        drop(fs::remove_file(self.file(SOCKET)));
        UnixListener::bind(self.socket_path()).map_err(InstanceError::io("make the control socket"))
    }

    /// A socket to which QEMU, in this folder, can hand its state over, and its address in QEMU's words.
    pub(super) fn listen_for_state(&self) -> Result<(UnixListener, String), InstanceError> {
        let path = PathBuf::from(format!(
            "/proc/self/fd/{}/{STATE_SOCKET}",
            self.handle.as_raw_fd()
        ));
        let failed = InstanceError::io("make a socket for the state");
        let listen = || {
            let listener = UnixListener::bind(path)?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let listener = listen().map_err(failed)?;
        Ok((listener, format!("unix:{STATE_SOCKET}")))
    }

    /// The last `count` lines of the console, safe to print.
    pub fn console_tail(&self, count: usize) -> Vec<String> {
        super::machine::console_tail(self, count)
    }

    /// The last `bytes` of a log, for messages and tails; lossy, because a guest may write anything.
    pub(super) fn log_end(path: &Path, bytes: u64) -> io::Result<Vec<u8>> {
        use std::io::{Read as _, Seek as _, SeekFrom};

        let mut file = fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(bytes)))?;
        let mut end = Vec::new();
        file.take(bytes).read_to_end(&mut end)?;
        Ok(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deep_folder_still_has_a_usable_socket() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("d".repeat(120)).join("e".repeat(120));
        fs::create_dir_all(deep.parent().unwrap()).unwrap();
        let dir = InstanceDir::create(&deep).unwrap();
        let listener = dir.listen().unwrap();
        std::os::unix::net::UnixStream::connect(dir.socket_path()).unwrap();
        listener.accept().unwrap();
    }

    #[test]
    fn a_missing_instance_is_told_from_a_failure() {
        let root = tempfile::tempdir().unwrap();
        assert!(matches!(
            InstanceDir::open(root.path(), "m7"),
            Err(InstanceError::Missing(_))
        ));
    }
}
