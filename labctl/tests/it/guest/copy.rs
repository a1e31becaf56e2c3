use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use labctl::event::{Event, Events, Stage, Unit};
use labctl::guest::{CopyError, ExecError, Guest, PullLimits, PushFile, Transfer};
use labctl::supervise::Cancel;
use tempfile::TempDir;

use super::{guest, guest_with, plenty};
use crate::fake_ssh::{Ending, FakeSsh, Script};

/// Bytes done, of how many.
type Told = (u64, Option<u64>);

/// A guest whose file system is the host's, and a folder on each side.
struct Place {
    _fake: FakeSsh,
    guest: Guest,
    host: TempDir,
    inside: TempDir,
    cancel: Cancel,
    events: Events,
    progress: Arc<Mutex<Vec<Told>>>,
}

impl Place {
    async fn new(script: Script) -> Self {
        let (fake, guest) = guest_with(script).await;
        let progress = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&progress);
        let events = Events::new(move |event| {
            if let Event::Progress {
                done,
                total,
                unit: Unit::Bytes,
                ..
            } = event
            {
                told.lock().unwrap().push((done, total));
            }
        });
        Self {
            _fake: fake,
            guest,
            host: tempfile::Builder::new().prefix("host it's ").tempdir().unwrap(),
            inside: tempfile::Builder::new().prefix("guest $x ").tempdir().unwrap(),
            cancel: Cancel::new(),
            events,
            progress,
        }
    }

    fn transfer(&self) -> Transfer<'_> {
        Transfer {
            deadline: plenty(),
            cancel: &self.cancel,
            events: &self.events,
            stage: Stage::Push,
        }
    }

    fn on_host(&self, name: &str) -> PathBuf {
        self.host.path().join(name)
    }

    fn in_guest(&self, name: &str) -> PathBuf {
        self.inside.path().join(name)
    }

    async fn push(&self, name: &str, destination: &Path, mode: u32) -> Result<u64, CopyError> {
        let file = PushFile {
            source: self.on_host(name),
            destination: destination.to_owned(),
            mode,
        };
        self.guest.push_file(&file, &self.transfer()).await
    }
}

fn names_in(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_pushed_file_has_its_content_its_mode_and_missing_folders() {
    let place = Place::new(Script::default()).await;
    let content = vec![0xa5; 1_000_003];
    std::fs::write(place.on_host("a b"), &content).unwrap();
    let destination = place.in_guest("new/dir/prog");
    let size = place.push("a b", &destination, 0o755).await.unwrap();
    assert_eq!(size, 1_000_003);
    assert!(std::fs::read(&destination).unwrap() == content);
    let mode = destination.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o755);
    assert_eq!(names_in(destination.parent().unwrap()), ["prog"]);
    let progress = place.progress.lock().unwrap();
    assert_eq!(progress.last(), Some(&(1_000_003, Some(1_000_003))));
    assert!(progress.len() > 1);
}

#[tokio::test]
async fn an_empty_file_arrives_too_and_replaces_the_old_one() {
    let place = Place::new(Script::default()).await;
    std::fs::write(place.on_host("empty"), "").unwrap();
    std::fs::write(place.in_guest("old"), "content").unwrap();
    place.push("empty", &place.in_guest("old"), 0o644).await.unwrap();
    assert_eq!(std::fs::read(place.in_guest("old")).unwrap(), b"");
}

#[tokio::test]
async fn a_folder_is_not_overwritten_by_a_file() {
    let place = Place::new(Script::default()).await;
    std::fs::write(place.on_host("f"), "x").unwrap();
    let error = place.push("f", &place.in_guest(""), 0o644).await.unwrap_err();
    assert!(matches!(error, CopyError::IsFolder { .. }), "{error:?}");
    assert_eq!(names_in(place.inside.path()), [""; 0]);
}

#[tokio::test]
async fn a_file_that_cannot_be_written_leaves_nothing_behind() {
    let place = Place::new(Script::default()).await;
    std::fs::write(place.on_host("f"), "x").unwrap();
    std::fs::write(place.in_guest("file"), "in the way").unwrap();
    let error = place
        .push("f", &place.in_guest("file/f"), 0o644)
        .await
        .unwrap_err();
    assert!(matches!(error, CopyError::Guest { .. }), "{error:?}");
    assert_eq!(names_in(place.inside.path()), ["file"]);
}

#[tokio::test]
async fn many_files_at_once() {
    let place = Place::new(Script::default()).await;
    let files: Vec<_> = (0..12)
        .map(|n| {
            let name = format!("f{n}");
            std::fs::write(place.on_host(&name), &name).unwrap();
            PushFile {
                source: place.on_host(&name),
                destination: place.in_guest(&name),
                mode: 0o644,
            }
        })
        .collect();
    let total = place.guest.push_files(&files, &place.transfer()).await.unwrap();
    assert_eq!(total, 10 * 2 + 2 * 3);
    for file in files {
        let name = file.source.file_name().unwrap().to_str().unwrap();
        assert_eq!(std::fs::read_to_string(&file.destination).unwrap(), name);
    }
}

#[tokio::test]
async fn a_pulled_file_is_complete_or_absent() {
    let place = Place::new(Script::default()).await;
    let content = vec![7; 300_000];
    std::fs::write(place.in_guest("-n"), &content).unwrap();
    let transfer = place.transfer();
    let limits = PullLimits::default();

    let size = place
        .guest
        .pull_file(&place.in_guest("-n"), &place.on_host("got"), limits, &transfer)
        .await
        .unwrap();
    assert_eq!(size, 300_000);
    assert!(std::fs::read(place.on_host("got")).unwrap() == content);

    let missing = place
        .guest
        .pull_file(&place.in_guest("none"), &place.on_host("none"), limits, &transfer)
        .await;
    assert!(matches!(missing, Err(CopyError::Guest { .. })), "{missing:?}");

    let small = PullLimits {
        bytes: 1000,
        ..limits
    };
    let large = place
        .guest
        .pull_file(&place.in_guest("-n"), &place.on_host("large"), small, &transfer)
        .await;
    assert!(
        matches!(large, Err(CopyError::TooLarge { limit: 1000, .. })),
        "{large:?}"
    );
    assert_eq!(names_in(place.host.path()), ["got"]);
}

#[tokio::test]
async fn a_guest_that_is_lost_leaves_no_half_of_a_file() {
    let place = Place::new(Script {
        ending: Ending::CutConnection,
        ..Script::default()
    })
    .await;
    std::fs::write(place.in_guest("f"), vec![7; 3_000_000]).unwrap();
    let result = place
        .guest
        .pull_file(
            &place.in_guest("f"),
            &place.on_host("f"),
            PullLimits::default(),
            &place.transfer(),
        )
        .await;
    assert!(matches!(result, Err(CopyError::Guest { .. })), "{result:?}");
    let result = place
        .guest
        .pull_tree(
            place.inside.path(),
            &place.on_host("tree"),
            PullLimits::default(),
            &place.transfer(),
        )
        .await;
    assert!(result.is_err(), "{result:?}");
    assert_eq!(names_in(place.host.path()), [""; 0]);
}

#[tokio::test]
async fn a_tree_goes_in_and_comes_back() {
    let place = Place::new(Script::default()).await;
    let tree = place.on_host("tree");
    std::fs::create_dir_all(tree.join("sub/empty")).unwrap();
    std::fs::write(tree.join("sub/prog"), "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(tree.join("sub/prog"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let long = "n".repeat(200);
    std::fs::write(tree.join(&long), "long name").unwrap();
    symlink("sub/prog", tree.join("link")).unwrap();

    let there = place.in_guest("a/b");
    place
        .guest
        .push_tree(&tree, &there, &place.transfer())
        .await
        .unwrap();
    assert_eq!(names_in(&there), ["link", &*long, "sub"]);
    symlink("/etc/passwd", there.join("out")).unwrap();

    let back = place.on_host("back");
    let report = place
        .guest
        .pull_tree(&there, &back, PullLimits::default(), &place.transfer())
        .await
        .unwrap();
    assert_eq!(report.files, 3);
    assert_eq!(report.skipped.len(), 1);
    assert_eq!(report.skipped[0].path, Path::new("out"));
    assert_eq!(names_in(&back), ["link", &*long, "sub"]);
    assert_eq!(std::fs::read_to_string(back.join("link")).unwrap(), "#!/bin/sh\n");
    let mode = back.join("sub/prog").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
    assert!(back.join("sub/empty").is_dir());
}

#[tokio::test]
async fn a_tree_is_pulled_whole_or_not_at_all() {
    let place = Place::new(Script::default()).await;
    std::fs::write(place.in_guest("f"), vec![7; 3_000_000]).unwrap();
    let limits = PullLimits {
        bytes: 1000,
        entries: 10,
    };
    let destination = place.on_host("got");
    let pull = |source: PathBuf| {
        let (guest, transfer, destination) = (&place.guest, place.transfer(), &destination);
        async move { guest.pull_tree(&source, destination, limits, &transfer).await }
    };
    let large = pull(place.in_guest("")).await;
    assert!(matches!(large, Err(CopyError::Unpack { .. })), "{large:?}");
    let missing = pull(place.in_guest("none")).await;
    assert!(matches!(missing, Err(CopyError::Guest { .. })), "{missing:?}");
    assert_eq!(names_in(place.host.path()), [""; 0]);
    std::fs::create_dir(&destination).unwrap();
    let there = pull(place.in_guest("")).await;
    assert!(matches!(there, Err(CopyError::Exists { .. })), "{there:?}");
}

#[tokio::test]
async fn a_tree_that_is_not_there_is_the_hosts_fault() {
    let (_fake, guest) = guest().await;
    let cancel = Cancel::new();
    let dir = tempfile::tempdir().unwrap();
    let transfer = Transfer {
        deadline: plenty(),
        cancel: &cancel,
        events: &Events::silent(),
        stage: Stage::Push,
    };
    let result = guest
        .push_tree(&dir.path().join("none"), &dir.path().join("to"), &transfer)
        .await;
    assert!(matches!(result, Err(CopyError::Host { .. })), "{result:?}");
}

#[tokio::test]
async fn a_refused_copy_says_so() {
    let place = Place::new(Script {
        ending: Ending::Refused,
        ..Script::default()
    })
    .await;
    std::fs::write(place.on_host("f"), "x").unwrap();
    let error = place.push("f", &place.in_guest("f"), 0o644).await.unwrap_err();
    assert!(
        matches!(error, CopyError::Exec(ExecError::Refused { .. })),
        "{error:?}"
    );
}
