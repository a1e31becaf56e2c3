//! Following a log that another process appends to, woken by the kernel (inotify(7)) instead of looking again and
//! again. A follower can be slow, stop, or be one of many; whoever writes never notices.

use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use fs_err as fs;
use rustix::fs::inotify;
use tokio::io::unix::AsyncFd;

use super::readiness::readable;

const CHUNK: usize = 64 << 10;

/// How often to look where the kernel does not tell: it was not asked to, or the user has used up the inotify instances (128
/// by default, `fs.inotify.max_user_instances`), and a guest must boot all the same.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A reader that waits at the end of a file for more.
#[derive(Debug)]
pub struct Follower {
    file: fs::File,
    changes: Option<AsyncFd<OwnedFd>>,
}

impl Follower {
    /// Starts at the first byte of `path`, which must exist.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        // Watched before the first read: what comes after the read is then reported.
        let changes = watch(path).ok();
        Ok(Self {
            file: fs::File::open(path)?,
            changes,
        })
    }

    /// The same for a log in which nothing is expected: 50 ms late. A process that ends with an inotify instance open waits
    /// for the kernel to see it off (`synchronize_srcu` in fs/notify/mark.c), which takes up to 15 ms.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn unhurried(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: fs::File::open(path)?,
            changes: None,
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
            match &self.changes {
                Some(changes) => wait(changes).await?,
                None => tokio::time::sleep(LOOK_AGAIN).await,
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

fn watch(path: &Path) -> io::Result<AsyncFd<OwnedFd>> {
    let changes = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC)?;
    inotify::add_watch(&changes, path, inotify::WatchFlags::MODIFY)?;
    readable(changes)
}

async fn wait(changes: &AsyncFd<OwnedFd>) -> io::Result<()> {
    let mut ready = changes.readable().await?;
    // What the events say is not of interest, only that they are taken.
    let mut events = [0; 4096];
    match rustix::io::read(changes.get_ref(), &mut events) {
        Ok(_) => Ok(()),
        Err(rustix::io::Errno::AGAIN) => {
            ready.clear_ready();
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[tokio::test]
    async fn sees_what_is_there_and_what_comes() {
        for open in [Follower::open, Follower::unhurried] {
            follow(open).await;
        }
    }

    async fn follow(open: fn(&Path) -> io::Result<Follower>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        fs::write(&path, "old").unwrap();
        let mut follower = open(&path).unwrap();
        assert_eq!(follower.next().await.unwrap(), b"old");
        let (next, ()) = tokio::join!(follower.next(), async {
            let mut log = fs::File::options().append(true).open(&path).unwrap();
            log.write_all(b"new").unwrap();
        });
        assert_eq!(next.unwrap(), b"new");
        assert!(follower.available().unwrap().is_empty());
    }
}
