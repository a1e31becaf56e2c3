//! The workspace's folders, and being told when something in them changes.
//!
//! Folders are watched, not files: many editors write a new file and rename it over the old one, which a watch on the
//! old one would never see.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;
use notify::event::{AccessKind, AccessMode};
use notify::{Config, Event, EventKind, PollWatcher, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc::UnboundedSender;

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;

/// Below the workspace, where what is handed in lies. Not the whole tree: it may be somebody's home.
const FOLDERS: [&str; 3] = ["answers", "commands", "src"];
const POLL_EVERY: Duration = Duration::from_millis(500);

/// File systems whose files another machine may write without this one being told (statfs(2), linux/magic.h).
const SHARED: [(u32, &str); 9] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "FUSE"),
    (0x786f_4256, "VirtualBox"),
    (0xbacb_acbc, "VMware"),
    (0x00c3_6400, "Ceph"),
];

/// A workspace that is looked after.
pub(super) struct Folder {
    dir: PathBuf,
    watcher: Box<dyn Watcher>,
    /// Device and inode of each of [`FOLDERS`]: one of the same name may be another one by now.
    known: [Option<(u64, u64)>; FOLDERS.len()],
    /// Why the files are looked at again and again; absent where the kernel tells.
    pub(super) polled: Option<String>,
}

impl Folder {
    /// Whatever may be a change is sent to `poke`, with its path where that is known.
    pub(super) fn watch(dir: &Path, poll: bool, poke: &UnboundedSender<PathBuf>) -> Result<Self, Failure> {
        let polled = if poll {
            Some("as asked".to_owned())
        } else {
            shared(dir).map(|kind| format!("{kind} does not tell of changes made elsewhere"))
        };
        let told = if polled.is_none() {
            begin::<RecommendedWatcher>(dir, poke).map_err(|error| error.to_string())
        } else {
            Err(String::new())
        };
        let (watcher, polled) = match (told, polled) {
            (Ok(watcher), _) => (watcher, None),
            (Err(why), reason) => {
                let watcher = begin::<PollWatcher>(dir, poke).map_err(|error| {
                    Failure::new(Exit::Host, format!("cannot watch {}", dir.display())).because(&error)
                })?;
                (watcher, Some(reason.unwrap_or(why)))
            }
        };
        let mut folder = Self {
            dir: dir.to_owned(),
            watcher,
            known: [None; FOLDERS.len()],
            polled,
        };
        folder.attend();
        Ok(folder)
    }

    /// Watches those folders that have appeared since, or were replaced. To be called before files are compared, so
    /// that nothing is written in between unseen.
    pub(super) fn attend(&mut self) {
        for (name, known) in FOLDERS.iter().zip(&mut self.known) {
            let path = self.dir.join(name);
            let now = fs::metadata(&path)
                .ok()
                .filter(std::fs::Metadata::is_dir)
                .map(|meta| (meta.dev(), meta.ino()));
            if now == *known {
                continue;
            }
            if known.take().is_some() {
                // The watch of a folder that was removed is gone already.
                drop(self.watcher.unwatch(&path));
            }
            if now.is_some() && self.watcher.watch(&path, RecursiveMode::NonRecursive).is_ok() {
                *known = now;
            }
        }
    }
}

fn begin<W: Watcher + 'static>(
    dir: &Path,
    poke: &UnboundedSender<PathBuf>,
) -> notify::Result<Box<dyn Watcher>> {
    let poke = poke.clone();
    let handler = move |event: notify::Result<Event>| {
        if matters(&event) {
            let paths = event.map(|event| event.paths).unwrap_or_default();
            // Nobody listens any more when this is about to be dropped.
            poke.send(paths.into_iter().next().unwrap_or_default()).ok();
        }
    };
    // A copy may carry the same time as what it replaces.
    let config = Config::default()
        .with_poll_interval(POLL_EVERY)
        .with_compare_contents(true);
    let mut watcher = W::new(handler, config)?;
    watcher.watch(dir, RecursiveMode::NonRecursive)?;
    Ok(Box::new(watcher))
}

/// Whether a file may be another one now. Reading them is told as well, and labctl reads them itself.
fn matters(event: &notify::Result<Event>) -> bool {
    match event {
        Ok(event) => match event.kind {
            EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
            _ => true,
        },
        // What was lost may have been a change.
        Err(_) => true,
    }
}

fn shared(dir: &Path) -> Option<&'static str> {
    let kind = rustix::fs::statfs(dir).ok()?.f_type;
    // The numbers have 32 bits, whatever type a platform gives them.
    let kind = u32::try_from(kind & 0xffff_ffff).ok()?;
    SHARED
        .iter()
        .find(|(magic, _)| *magic == kind)
        .map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, ModifyKind, RenameMode};
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;

    #[test]
    fn reading_is_no_change() {
        let event = |kind| Ok(Event::new(kind));
        for kind in [
            AccessKind::Open(AccessMode::Any),
            AccessKind::Close(AccessMode::Read),
        ] {
            assert!(!matters(&event(EventKind::Access(kind))));
        }
        for kind in [
            EventKind::Access(AccessKind::Close(AccessMode::Write)),
            EventKind::Modify(ModifyKind::Name(RenameMode::To)),
            EventKind::Create(CreateKind::File),
            EventKind::Other,
        ] {
            assert!(matters(&event(kind)));
        }
        assert!(matters(&Err(notify::Error::generic("overflow"))));
    }

    /// Every way in which a file comes to have other contents is told, by either watcher.
    async fn is_told(poll: bool) {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("src")).unwrap();
        for name in ["src/a.c", "src/b.c", "src/c.c"] {
            fs::write(path(name), "1").unwrap();
        }
        let (poke, mut pokes) = unbounded_channel();
        let mut folder = Folder::watch(dir.path(), poll, &poke).unwrap();
        assert_eq!(folder.polled.is_some(), poll);

        fs::write(path("src/a.c"), "2").unwrap();
        told(&mut pokes, &path("src/a.c")).await;
        fs::write(path("src/.b.c.swp"), "3").unwrap();
        fs::rename(path("src/.b.c.swp"), path("src/b.c")).unwrap();
        told(&mut pokes, &path("src/b.c")).await;
        fs::remove_file(path("src/c.c")).unwrap();
        told(&mut pokes, &path("src/c.c")).await;

        // A folder that is new, and one that takes another's place.
        fs::create_dir(path("answers")).unwrap();
        told(&mut pokes, &path("answers")).await;
        folder.attend();
        fs::write(path("answers/a.yaml"), "a: 1").unwrap();
        told(&mut pokes, &path("answers/a.yaml")).await;
        fs::rename(path("src"), path("old")).unwrap();
        fs::create_dir(path("src")).unwrap();
        told(&mut pokes, &path("src")).await;
        folder.attend();
        fs::write(path("src/d.c"), "4").unwrap();
        told(&mut pokes, &path("src/d.c")).await;
    }

    async fn told(pokes: &mut UnboundedReceiver<PathBuf>, wanted: &Path) {
        let told = async { while pokes.recv().await.unwrap() != wanted {} };
        tokio::time::timeout(Duration::from_secs(60), told)
            .await
            .unwrap_or_else(|_| panic!("nothing was told of {}", wanted.display()));
    }

    #[tokio::test]
    async fn the_kernel_tells_of_every_change() {
        is_told(false).await;
    }

    #[tokio::test]
    async fn polling_finds_every_change() {
        is_told(true).await;
    }
}
