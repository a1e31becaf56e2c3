//! The whole path from a mirror to the store, against servers that misbehave.

mod fetching;
mod indexing;
mod server;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use lab_deb::{Follow, Request};

use super::{ArchiveConfig, LockRequest, MirrorChoice, TransportConfig};
use crate::event::{Event, Events};
use crate::store::Store;

/// An archive with three packages and a signed index; its `make.sh` tells how it was made.
fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/archive")
}

fn config(mirror: &str) -> ArchiveConfig {
    ArchiveConfig {
        mirror: MirrorChoice {
            explicit: Some(mirror.to_owned()),
            ..MirrorChoice::default()
        },
        keyrings: vec![corpus().join("trusted.gpg")],
        search_path: OsString::from("/usr/bin:/bin"),
        transport: TransportConfig {
            stall: Duration::from_millis(200),
            attempts: 4,
            backoff: Duration::ZERO,
            ..TransportConfig::default()
        },
        parallel: 2,
        now: SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000),
    }
}

fn request(packages: &[&str]) -> LockRequest {
    let packages = packages.iter().map(|name| (*name).to_owned()).collect();
    let base = Request {
        packages,
        follow: Follow::Dependencies,
        ..Request::default()
    };
    LockRequest {
        suite: "trixie".into(),
        sets: BTreeMap::from([("base".into(), base)]),
    }
}

/// A store in a folder of its own, and what was said meanwhile.
struct Bench {
    store: Store,
    events: Events,
    heard: Arc<Mutex<Vec<Event>>>,
    _folder: tempfile::TempDir,
}

fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&heard);
    Bench {
        store: Store::open(folder.path()).unwrap(),
        events: Events::new(move |event| sink.lock().unwrap().push(event)),
        heard,
        _folder: folder,
    }
}

impl Bench {
    fn warnings(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        let texts = heard.iter().filter_map(|event| match event {
            Event::Warning { text } => Some(text.clone()),
            _ => None,
        });
        texts.collect()
    }
}
