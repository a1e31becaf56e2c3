//! Following a log that another process appends to, woken by the kernel (inotify(7)) instead of looking again and
//! again. A follower can be slow, stop, or be one of many; whoever writes never notices.

use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::Path;

use fs_err as fs;
use rustix::fs::inotify;
use tokio::io::unix::AsyncFd;

use super::readiness::readable;

const CHUNK: usize = 64 << 10;

/// A reader that waits at the end of a file for more.
#[derive(Debug)]
pub struct Follower {
    file: fs::File,
    changes: AsyncFd<OwnedFd>,
}

impl Follower {
    /// Starts at the first byte of `path`, which must exist.
    ///
    /// # Errors
    /// When the file cannot be opened, or the user's inotify instances are used up.
    pub fn open(path: &Path) -> io::Result<Self> {
        let changes = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC)?;
        // Watched before the first read: what comes after the read is then reported.
        inotify::add_watch(&changes, path, inotify::WatchFlags::MODIFY)?;
        Ok(Self {
            file: fs::File::open(path)?,
            changes: readable(changes)?,
        })
    }

    /// The next bytes, at least one. Waits for ever when nothing more is written: select it against what ends the
    /// writer. Nothing is lost when it is dropped half-way.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn next(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let bytes = self.available()?;
            if !bytes.is_empty() {
                return Ok(bytes);
            }
            let mut ready = self.changes.readable().await?;
            let mut events = [0; 4096];
            match rustix::io::read(self.changes.get_ref(), &mut events) {
                Ok(_) => {}
                Err(rustix::io::Errno::AGAIN) => ready.clear_ready(),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What is there now, up to a chunk; empty at the end.
    ///
    /// # Errors
    /// Those of reading.
    pub fn available(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; CHUNK];
        let count = self.file.read(&mut bytes)?;
        bytes.truncate(count);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[tokio::test]
    async fn sees_what_is_there_and_what_comes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        fs::write(&path, "old").unwrap();
        let mut follower = Follower::open(&path).unwrap();
        assert_eq!(follower.next().await.unwrap(), b"old");
        let (next, ()) = tokio::join!(follower.next(), async {
            let mut log = fs::File::options().append(true).open(&path).unwrap();
            log.write_all(b"new").unwrap();
        });
        assert_eq!(next.unwrap(), b"new");
        assert!(follower.available().unwrap().is_empty());
    }
}
