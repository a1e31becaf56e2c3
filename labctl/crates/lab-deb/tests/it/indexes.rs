use std::collections::BTreeSet;

use lab_deb::{Follow, IndexError, PackageIndex, Request, close_over};

/// Stanzas of Debian 13, descriptions and checksums other than SHA-256 left out.
const PACKAGES: &str = include_str!("../corpus/Packages");

fn index() -> PackageIndex {
    PackageIndex::parse(PACKAGES, "amd64").unwrap()
}

fn closure(packages: &[&str], exclude: &[&str]) -> Vec<String> {
    let request = Request {
        packages: packages.iter().map(|name| (*name).to_owned()).collect(),
        exclude: exclude
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<BTreeSet<_>>(),
        follow: Follow::Dependencies,
    };
    let index = index();
    let closure = close_over(&index, &request).unwrap();
    closure
        .packages
        .iter()
        .map(|package| package.name.clone())
        .collect()
}

#[test]
fn reads_a_recorded_index() {
    let index = index();
    let package = &index.versions("busybox-static")[0];
    assert_eq!(package.architecture, "amd64");
    assert!(package.path.as_str().starts_with("pool/main/b/busybox/"));
    assert!(package.size > 100_000);
    assert_eq!(index.versions("nothing").len(), 0);
    assert_eq!(index.suggestions("busybox-sttaic"), ["busybox-static"]);
}

#[test]
fn closes_over_the_base_of_an_image() {
    assert_eq!(closure(&["busybox-static"], &[]), ["busybox-static"]);
    let dropbear = closure(&["dropbear-bin"], &[]);
    assert!(
        dropbear.contains(&"libc6".to_owned()) && dropbear.contains(&"zlib1g".to_owned()),
        "{dropbear:?}"
    );
}

#[test]
fn leaves_other_architectures_out() {
    let stanza = |architecture: &str| {
        format!(
            "Package: a\nVersion: 1\nArchitecture: {architecture}\nFilename: p\nSize: 1\nSHA256: {}\n\n",
            "0".repeat(64)
        )
    };
    let text = format!("{}{}{}", stanza("i386"), stanza("all"), stanza("amd64"));
    assert_eq!(
        PackageIndex::parse(&text, "amd64").unwrap().versions("a").len(),
        2
    );
}

#[test]
fn says_which_stanza_is_bad() {
    let good = "Package: a\nVersion: 1\nArchitecture: amd64\nFilename: pool/a\nSize: 1\nSHA256: ";
    let good = format!("{good}{}\n", "0".repeat(64));
    for (from, to, message) in [
        ("Version: 1\n", "", "line 1: package `a` has no `Version`"),
        (
            "Size: 1",
            "Size: x",
            "line 1: package `a`: `Size: x` cannot be read",
        ),
        ("pool/a", "../a", "line 1: package `a`: bad `Filename`"),
        ("00000", "zzzzz", "cannot be read"),
        ("Version: 1", "Version: _", "line 1: package `a`"),
    ] {
        let error = PackageIndex::parse(&good.replacen(from, to, 1), "amd64").unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
    let error = PackageIndex::parse("<html>\n", "amd64").unwrap_err();
    assert!(matches!(error, IndexError::Syntax(_)));
}
