use lab_deb::{RelativePath, Version};

use super::server::{Answer, Server, file_or_404, serve, serve_folder};
use super::{Bench, bench, config, corpus, request};
use crate::apt::{
    ArchiveConfig, DownloadError, Ensured, FetchError, LockFile, MirrorError, Strictness, TransferError,
    ensure, resolve, signed_index,
};
use crate::digest::Digest;
use crate::event::{Event, Stage};
use crate::store::Bucket;
use crate::supervise::Cancel;

const SHELL: &str = "pool/main/shell_2.0-1_amd64.deb";

fn lock_of(packages: &[&str]) -> LockFile {
    let bench = bench();
    let config = config(&format!("file://{}", corpus().display()));
    let index = signed_index("trixie", &config, &bench.store, &bench.events, &Cancel::new()).unwrap();
    resolve(&request(packages), &index).unwrap().lock
}

fn get(lock: &LockFile, config: &ArchiveConfig, bench: &Bench) -> Result<Ensured, FetchError> {
    ensure(
        lock,
        config,
        &bench.store,
        &bench.events,
        &Cancel::new(),
        Strictness::Drift,
    )
}

/// The corpus, with `shell` answered by `choose`, which gets its bytes, the offset and the number of the try.
fn shell_by(choose: impl Fn(Vec<u8>, Option<u64>, usize) -> Answer + Send + Sync + 'static) -> Server {
    let root = corpus();
    serve(move |asked, before| {
        if asked.path == SHELL {
            choose(fs_err::read(root.join(SHELL)).unwrap(), asked.offset, before)
        } else {
            file_or_404(&root, &asked.path)
        }
    })
}

fn offsets(server: &Server) -> Vec<Option<u64>> {
    server
        .asked()
        .into_iter()
        .filter(|asked| asked.path == SHELL)
        .map(|asked| asked.offset)
        .collect()
}

fn is_complete(ensured: &Ensured) {
    for (name, deb) in &ensured.packages {
        let file = fs_err::File::open(&deb.path).unwrap();
        assert_eq!(Digest::of_reader(file).unwrap(), deb.pin.sha256, "{name}");
    }
}

#[test]
fn fetches_all_and_reports_every_byte() {
    let (server, bench, lock) = (serve_folder(corpus()), bench(), lock_of(&["tool"]));
    let ensured = get(&lock, &config(&server.url), &bench).unwrap();
    is_complete(&ensured);
    assert_eq!(
        (ensured.packages.len(), ensured.set("base").len(), ensured.lock),
        (3, 3, lock.clone())
    );
    let heard = bench.heard.lock().unwrap();
    let last = heard.iter().rev().find_map(|event| match event {
        Event::Progress {
            stage: Stage::Fetch,
            done,
            total,
            ..
        } => Some((*done, *total)),
        _ => None,
    });
    assert_eq!(last, Some((lock.total_size(), Some(lock.total_size()))));
    assert!(matches!(heard.last(), Some(Event::Finished { .. })));
}

#[test]
fn what_the_store_has_needs_no_mirror() {
    let (server, bench, lock) = (serve_folder(corpus()), bench(), lock_of(&["tool"]));
    get(&lock, &config(&server.url), &bench).unwrap();
    let mut nowhere = config("");
    nowhere.mirror.explicit = None;
    nowhere.mirror.apt_dir = "/nonexistent".into();
    is_complete(&get(&lock, &nowhere, &bench).unwrap());
    assert_eq!(server.asked().len(), 3);
    let other = super::bench();
    assert!(matches!(
        get(&lock, &nowhere, &other),
        Err(FetchError::Mirror(MirrorError::NoDebian { .. }))
    ));
}

#[test]
fn a_corrupt_entry_is_noticed_named_and_fetched_again() {
    let (server, bench, lock) = (serve_folder(corpus()), bench(), lock_of(&["shell"]));
    let ensured = get(&lock, &config(&server.url), &bench).unwrap();
    // The same size: only the digest can tell.
    let path = &ensured.packages["shell"].path;
    let mut bytes = fs_err::read(path).unwrap();
    bytes[1000] ^= 1;
    fs_err::write(path, bytes).unwrap();
    is_complete(&get(&lock, &config(&server.url), &bench).unwrap());
    let warnings = bench.warnings();
    assert!(
        warnings.len() == 1 && warnings[0].ends_with("`shell` is fetched again"),
        "{warnings:?}"
    );
}

#[test]
fn a_wrong_byte_is_an_error_with_both_digests() {
    let server = shell_by(|mut bytes, _, _| {
        bytes[100] ^= 1;
        Answer::File(bytes)
    });
    let (bench, lock) = (bench(), lock_of(&["shell"]));
    match get(&lock, &config(&server.url), &bench) {
        Err(FetchError::Download(DownloadError::Digest {
            name,
            expected,
            got,
            url,
        })) => {
            assert_eq!(
                (name.as_str(), expected),
                ("shell", lock.packages["shell"].sha256)
            );
            assert!(expected != got && url.ends_with(SHELL));
        }
        other => panic!("{other:?}"),
    }
    assert!(
        bench
            .store
            .get(Bucket::Debs, &lock.packages["shell"].sha256.to_string())
            .unwrap()
            .is_none()
    );
}

#[test]
fn a_wrong_size_is_an_error_before_the_bytes_are_read() {
    let server = shell_by(|mut bytes, _, _| {
        bytes.push(0);
        Answer::SilentAfter(bytes, 10)
    });
    let error = get(&lock_of(&["shell"]), &config(&server.url), &bench()).unwrap_err();
    assert!(
        error.to_string().contains("expected 40000 bytes, got 40001"),
        "{error}"
    );
}

#[test]
fn a_cut_transfer_is_resumed_where_it_stopped() {
    let server = shell_by(|bytes, _, before| match before {
        0 => Answer::CutAfter(bytes, 15_000),
        1 => Answer::CutAfter(bytes, 5_000),
        _ => Answer::File(bytes),
    });
    is_complete(&get(&lock_of(&["shell"]), &config(&server.url), &bench()).unwrap());
    assert_eq!(offsets(&server), [None, Some(15_000), Some(20_000)]);
}

#[test]
fn a_server_without_ranges_starts_over() {
    let server = shell_by(|bytes, _, before| match before {
        0 => Answer::CutAfter(bytes, 15_000),
        _ => Answer::WithoutRanges(bytes),
    });
    is_complete(&get(&lock_of(&["shell"]), &config(&server.url), &bench()).unwrap());
    assert_eq!(offsets(&server), [None, Some(15_000)]);
}

#[test]
fn a_silent_server_is_given_up_and_resumed() {
    let server = shell_by(|bytes, _, before| match before {
        0 => Answer::SilentAfter(bytes, 9_000),
        _ => Answer::File(bytes),
    });
    is_complete(&get(&lock_of(&["shell"]), &config(&server.url), &bench()).unwrap());
    assert_eq!(offsets(&server), [None, Some(9_000)]);
}

#[test]
fn a_mirror_that_stays_silent_is_an_error() {
    let server = shell_by(|bytes, _, _| Answer::SilentAfter(bytes, 0));
    match get(&lock_of(&["shell"]), &config(&server.url), &bench()) {
        Err(FetchError::Download(DownloadError::Transfer { name, source })) => {
            assert_eq!(name, "shell");
            assert!(
                matches!(
                    source,
                    TransferError::Stalled { .. } | TransferError::Failed { .. }
                ),
                "{source:?}"
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(offsets(&server).len(), 4);
}

#[test]
fn a_server_in_trouble_is_asked_again_and_a_refusal_is_not() {
    let server = shell_by(|bytes, _, before| {
        if before < 2 {
            Answer::Status(503)
        } else {
            Answer::File(bytes)
        }
    });
    is_complete(&get(&lock_of(&["shell"]), &config(&server.url), &bench()).unwrap());
    assert_eq!(offsets(&server).len(), 3);
    let server = shell_by(|_, _, _| Answer::Status(403));
    let error = get(&lock_of(&["shell"]), &config(&server.url), &bench()).unwrap_err();
    assert!(std::error::Error::source(&error).is_some());
    assert_eq!(offsets(&server).len(), 1);
}

#[test]
fn a_mirror_that_is_gone_is_an_error() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let error = get(
        &lock_of(&["shell"]),
        &config(&format!("http://127.0.0.1:{port}")),
        &bench(),
    )
    .unwrap_err();
    assert!(
        matches!(error, FetchError::Download(DownloadError::Transfer { .. })),
        "{error:?}"
    );
}

#[test]
fn a_useless_part_is_dropped() {
    let lock = lock_of(&["shell"]);
    for (what, part) in [
        ("other bytes", vec![7; 100]),
        ("all other bytes", vec![7; 40_000]),
        ("too many", vec![7; 50_000]),
    ] {
        let (server, bench) = (serve_folder(corpus()), bench());
        let id = lock.packages["shell"].sha256.to_string();
        fs_err::write(bench.store.scratch(Bucket::Debs, &id), part).unwrap();
        is_complete(&get(&lock, &config(&server.url), &bench).unwrap());
        assert_eq!(offsets(&server).last(), Some(&None), "{what}");
    }
}

#[test]
fn a_stop_is_noticed_in_a_silent_transfer() {
    let (cancel, lock) = (Cancel::new(), lock_of(&["shell"]));
    // Asked for while the transfer is under way.
    let stopper = cancel.clone();
    let server = shell_by(move |bytes, _, _| {
        stopper.request();
        Answer::SilentAfter(bytes, 9_000)
    });
    let (bench, mut patient) = (bench(), config(&server.url));
    patient.transport.stall = std::time::Duration::from_secs(3600);
    let stopped = ensure(
        &lock,
        &patient,
        &bench.store,
        &bench.events,
        &cancel,
        Strictness::Drift,
    );
    let cancelled = matches!(
        stopped,
        Err(FetchError::Cancelled(_)
            | FetchError::Download(DownloadError::Transfer {
                source: TransferError::Cancelled(_),
                ..
            }))
    );
    assert!(cancelled, "{stopped:?}");
}

/// A lock that pins what the archive had before.
fn outdated() -> LockFile {
    let mut lock = lock_of(&["tool"]);
    for (name, version) in [("shell", "1.9-1"), ("libsmall", "1.0-1")] {
        let pin = lock.packages.get_mut(name).unwrap();
        pin.version = Version::parse(version).unwrap();
        pin.sha256 = Digest::of(version.as_bytes());
        pin.path = RelativePath::parse(format!("pool/main/{name}_{version}_amd64.deb").as_bytes()).unwrap();
    }
    lock
}

#[test]
fn drift_is_followed_loudly() {
    let (server, bench, lock) = (serve_folder(corpus()), bench(), outdated());
    let ensured = get(&lock, &config(&server.url), &bench).unwrap();
    is_complete(&ensured);
    let changes: Vec<String> = ensured.drift.iter().map(ToString::to_string).collect();
    assert_eq!(changes, ["libsmall 1.0-1 -> 1.1-1", "shell 1.9-1 -> 2.0-1"]);
    assert_eq!(ensured.lock, lock_of(&["tool"]));
    assert_eq!(
        bench.warnings(),
        [
            "drift: the mirror no longer has some packages as pinned; `labctl lock` records the new versions",
            "drift: libsmall 1.0-1 -> 1.1-1",
            "drift: shell 1.9-1 -> 2.0-1"
        ]
    );
}

#[test]
fn drift_that_is_known_needs_no_network_and_stays_loud() {
    let (server, bench, lock) = (serve_folder(corpus()), bench(), outdated());
    get(&lock, &config(&server.url), &bench).unwrap();
    let before = server.asked().len();
    let again = get(&lock, &config(&server.url), &bench).unwrap();
    assert_eq!(
        (server.asked().len(), again.drift.len(), bench.warnings().len()),
        (before, 2, 6)
    );
}

#[test]
fn a_lock_that_is_to_be_kept_makes_drift_an_error() {
    let (server, bench, lock) = (serve_folder(corpus()), bench(), outdated());
    let error = ensure(
        &lock,
        &config(&server.url),
        &bench.store,
        &bench.events,
        &Cancel::new(),
        Strictness::Locked,
    );
    match error {
        Err(FetchError::Drift { packages }) => assert_eq!(packages, ["libsmall 1.0-1", "shell 1.9-1"]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn drift_with_a_bad_signature_is_an_error() {
    let root = corpus();
    let server = serve(move |asked, _| match asked.path.as_str() {
        "dists/trixie/InRelease" => file_or_404(&root, "dists/trixie/InRelease.stranger"),
        path => file_or_404(&root, path),
    });
    assert!(matches!(
        get(&outdated(), &config(&server.url), &bench()),
        Err(FetchError::Index(_))
    ));
}

#[test]
fn an_index_that_names_what_is_not_there_is_an_error() {
    let root = corpus();
    let server = serve(move |asked, _| {
        if asked.path.starts_with("pool") {
            Answer::Status(404)
        } else {
            file_or_404(&root, &asked.path)
        }
    });
    let error = get(&lock_of(&["shell"]), &config(&server.url), &bench()).unwrap_err();
    match error {
        FetchError::Inconsistent { packages } => assert_eq!(packages, ["libsmall 1.1-1", "shell 2.0-1"]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn two_at_once_fetch_once() {
    let (server, bench, lock) = (serve_folder(corpus()), bench(), lock_of(&["tool"]));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| is_complete(&get(&lock, &config(&server.url), &bench).unwrap()));
        }
    });
    assert_eq!(server.asked().len(), 3);
}
