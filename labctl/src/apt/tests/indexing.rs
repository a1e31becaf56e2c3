use std::path::PathBuf;

use super::server::{Answer, file_or_404, serve, serve_folder};
use super::{Bench, bench, config, corpus, request};
use crate::apt::{ArchiveConfig, IndexError, SignedBy, Verifier, VerifyError, resolve, signed_index};
use crate::supervise::Cancel;

fn index(config: &ArchiveConfig, bench: &Bench) -> Result<crate::apt::SignedIndex, IndexError> {
    signed_index("trixie", config, &bench.store, &bench.events, &Cancel::new())
}

/// The corpus, with one path replaced.
fn corpus_with(
    path: &'static str,
    other: impl Fn() -> Answer + Send + Sync + 'static,
) -> super::server::Server {
    let root = corpus();
    serve(move |asked, _| {
        if asked.path == path {
            other()
        } else {
            file_or_404(&root, &asked.path)
        }
    })
}

fn corpus_file(name: &str) -> Vec<u8> {
    fs_err::read(corpus().join(name)).unwrap()
}

#[test]
fn a_signed_index_becomes_a_lock() {
    let (server, bench) = (serve_folder(corpus()), bench());
    let index = index(&config(&server.url), &bench).unwrap();
    let resolved = resolve(&request(&["tool"]), &index).unwrap();
    let names: Vec<_> = resolved.lock.packages.keys().cloned().collect();
    assert_eq!(names, ["libsmall", "shell", "tool"]);
    assert_eq!(resolved.lock.release.version.as_deref(), Some("13.9"));
    assert_eq!(bench.warnings(), Vec::<String>::new());
    assert_eq!(resolve(&request(&["tool"]), &index).unwrap(), resolved);
    let error = resolve(&request(&["tol"]), &index).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(source, "no package is called `tol`; did you mean `tool`?");
}

#[test]
fn a_folder_is_a_mirror_too() {
    let index = index(&config(&format!("file:{}", corpus().display())), &bench()).unwrap();
    assert_eq!(index.packages.len(), 3);
}

#[test]
fn the_package_list_is_fetched_once() {
    let (server, bench) = (serve_folder(corpus()), bench());
    for _ in 0..2 {
        index(&config(&server.url), &bench).unwrap();
    }
    let lists = server
        .asked()
        .iter()
        .filter(|asked| asked.path.ends_with("Packages.xz"))
        .count();
    assert_eq!((lists, server.asked().len()), (1, 3));
}

#[test]
fn a_stranger_s_signature_is_refused() {
    let server = corpus_with("dists/trixie/InRelease", || {
        Answer::File(corpus_file("dists/trixie/InRelease.stranger"))
    });
    match index(&config(&server.url), &bench()) {
        Err(IndexError::Signature(VerifyError::Refused { why, .. })) => {
            assert!(why.starts_with("no known key made it"), "{why}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_changed_release_file_is_refused() {
    let server = corpus_with("dists/trixie/InRelease", || {
        let text = String::from_utf8(corpus_file("dists/trixie/InRelease")).unwrap();
        Answer::File(text.replace("Version: 13.9", "Version: 13.8").into_bytes())
    });
    match index(&config(&server.url), &bench()) {
        Err(IndexError::Signature(VerifyError::Refused { why, .. })) => {
            assert!(why.starts_with("it does not fit the text"), "{why}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn text_around_the_signed_part_is_not_read() {
    let server = corpus_with("dists/trixie/InRelease", || {
        let mut bytes = b"Codename: evil\nDate: x\n\n".to_vec();
        bytes.extend(corpus_file("dists/trixie/InRelease"));
        Answer::File(bytes)
    });
    // Refused or read without the addition, but never believed.
    if let Ok(index) = index(&config(&server.url), &bench()) {
        assert_eq!(index.release.codename.as_deref(), Some("trixie"));
    }
}

#[test]
fn a_file_that_is_not_signed_at_all_is_refused() {
    let server = corpus_with("dists/trixie/InRelease", || {
        Answer::File(b"<html>login first</html>".to_vec())
    });
    assert!(matches!(
        index(&config(&server.url), &bench()),
        Err(IndexError::Signature(VerifyError::Refused { .. }))
    ));
}

#[test]
fn a_package_list_with_a_wrong_byte_is_refused() {
    let server = corpus_with("dists/trixie/main/binary-amd64/Packages.xz", || {
        let mut bytes = corpus_file("dists/trixie/main/binary-amd64/Packages.xz");
        bytes[40] ^= 1;
        Answer::File(bytes)
    });
    let error = index(&config(&server.url), &bench()).unwrap_err();
    assert!(error.to_string().contains("wrong digest"), "{error}");
}

#[test]
fn a_stale_index_is_used_with_a_warning() {
    let server = corpus_with("dists/trixie/InRelease", || {
        Answer::File(corpus_file("dists/trixie/InRelease.stale"))
    });
    let bench = bench();
    index(&config(&server.url), &bench).unwrap();
    assert_eq!(
        bench.warnings(),
        ["the mirror's index is past its date (it is of Sat, 01 Aug 2020 00:00:00 UTC)"]
    );
}

#[test]
fn another_suite_s_release_file_is_refused() {
    let server = serve(|_, _| Answer::File(corpus_file("dists/trixie/InRelease")));
    let bench = bench();
    let error = signed_index(
        "bookworm",
        &config(&server.url),
        &bench.store,
        &bench.events,
        &Cancel::new(),
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the release file is of `trixie/stable`, not of `bookworm`"
    );
}

#[test]
fn a_mirror_without_the_suite_is_named() {
    let server = serve(|_, _| Answer::Status(404));
    let error = index(&config(&server.url), &bench()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("the mirror `{}` has no suite `trixie`", server.url)
    );
}

#[test]
fn armoured_keyrings_work() {
    let search = std::ffi::OsStr::new("/usr/bin:/bin");
    let signed = corpus_file("dists/trixie/InRelease");
    let file = SignedBy::File(corpus().join("trusted.asc"));
    let inline = SignedBy::Inline(fs_err::read_to_string(corpus().join("trusted.asc")).unwrap());
    for by in [file, inline] {
        let verifier = Verifier::new(search, &[by], &[]).unwrap();
        assert!(
            verifier
                .signed_text(&signed, "x")
                .unwrap()
                .starts_with("Origin: Test\n")
        );
    }
    let gone = SignedBy::File(PathBuf::from("/nonexistent/k.gpg"));
    let verifier = Verifier::new(search, &[gone], &[corpus().join("stranger.gpg")]).unwrap();
    assert!(matches!(
        verifier.signed_text(&signed, "x"),
        Err(VerifyError::Refused { .. })
    ));
}
