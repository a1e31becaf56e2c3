//! `labctl cache export` and `import` in the hands of somebody who makes mistakes.

use std::path::Path;

use fs_err as fs;
use labctl::bundle::{Manifest, describe, write};
use labctl::digest::Digest;
use labctl::store::{Bucket, Store, StoreError};
use labctl::supervise::Cancel;

use super::shell::{Shell, names};

/// A bundle with a package and a layer, made elsewhere.
fn bundle() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let cancel = Cancel::new();
    let all = [
        (
            Bucket::Debs,
            Digest::of(b"a package"),
            "package.deb",
            &b"a package"[..],
            "small 1.0",
        ),
        (
            Bucket::Images,
            Digest::of(b"the inputs of a layer"),
            "layer.erofs",
            &[7; 100_000][..],
            "layer trace of tiny\x1b[2J",
        ),
    ];
    let listed = all.map(|(bucket, id, file, bytes, what)| {
        let make = |dir: &Path| fs::write(dir.join(file), bytes).map_err(StoreError::io("write"));
        let entry = store
            .get_or_make::<StoreError>(bucket, &id.to_string(), &cancel, |_| {}, make)
            .unwrap();
        describe(bucket, id, what, &entry, &|_| {}, &cancel).unwrap()
    });
    let manifest = Manifest::new(listed.to_vec()).unwrap();
    let mut out = Vec::new();
    write(&manifest, &store, &mut out, &|_| {}, &cancel).unwrap();
    out
}

fn timeless(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        match line.rsplit_once(" (") {
            Some((head, tail)) if tail.ends_with(" s)") => out.push_str(&format!("{head} ([TIME])\n")),
            _ => out.push_str(&format!("{line}\n")),
        }
    }
    out
}

fn stored(shell: &Shell) -> Vec<String> {
    let store = shell.path("home/.cache/labctl/v1");
    let buckets = Bucket::ALL.iter();
    buckets
        .flat_map(|bucket| names(&store.join(bucket.name())))
        .collect()
}

/// Without the digest of the whole, which changes with every version of zstd.
fn same(text: &str, bundle: &[u8]) -> String {
    timeless(text).replace(&Digest::of(bundle).to_string(), "[BUNDLE]")
}

#[test]
fn a_bundle_is_taken_once_and_then_known() {
    let shell = Shell::new();
    let bundle = bundle();
    fs::write(shell.here("module7.tar.zst"), &bundle).unwrap();
    let digest = Digest::of(&bundle).to_string();
    let said = [
        shell.run(&["cache", "import", "module7.tar.zst"]),
        shell.run(&["cache", "import", "--sha256", &digest, "module7.tar.zst"]),
        shell.run(&["cache", "import", "--format", "json", "module7.tar.zst"]),
    ];
    assert_eq!(stored(&shell).len(), 2);
    insta::assert_snapshot!(same(&said.join("\n"), &bundle));
}

#[test]
fn what_is_not_the_right_file_is_refused() {
    let shell = Shell::new();
    let bundle = bundle();
    let mut wrong = bundle.clone();
    let middle = wrong.len() / 2;
    wrong[middle] ^= 1;
    let files: [(&str, &[u8]); 5] = [
        ("notes.zip", b"PK\x03\x04 and what else there is in such a file"),
        ("empty.tar.zst", b""),
        ("half.tar.zst", &bundle[..bundle.len() / 2]),
        ("wrong.tar.zst", &wrong),
        ("more.tar.zst", &[&bundle[..], b"and more"].concat()),
    ];
    let mut said = Vec::new();
    for (name, bytes) in files {
        fs::write(shell.here(name), bytes).unwrap();
        said.push(shell.run(&["cache", "import", name]));
    }
    fs::write(shell.here("other.tar.zst"), &bundle).unwrap();
    let zeros = "0".repeat(64);
    for args in [
        &["cache", "import", "--sha256", &zeros, "other.tar.zst"][..],
        &["cache", "import", "--sha256", "abc", "other.tar.zst"],
        &["cache", "import", "nowhere.tar.zst"],
        &["cache", "import", "."],
        &["cache", "import"],
    ] {
        said.push(shell.run(args));
    }
    assert_eq!(stored(&shell), [""; 0]);
    insta::assert_snapshot!(same(&said.join("\n"), &bundle));
}

#[test]
fn what_cannot_be_packed_is_said_before_anything_is_built() {
    let shell = Shell::new();
    fs::create_dir(shell.here("folder")).unwrap();
    let said = [
        &["cache", "export", "bundle.tar.zst"][..],
        &["cache", "export", "--for", "module8", "bundle.tar.zst"],
        &[
            "cache",
            "export",
            "--for",
            "module7",
            "--kernel",
            "debian-6.13",
            "bundle.tar.zst",
        ],
        &["cache", "export", "--for", "module8", "--substitutes", "out"],
        &[
            "cache",
            "export",
            "--for",
            "module7",
            "--substitutes",
            "out",
            "bundle.tar.zst",
        ],
        &["cache", "export", "--for", "module7", "folder"],
        &["cache", "export", "--for", "module7", "nowhere/bundle.tar.zst"],
    ]
    .map(|args| shell.run(args));
    assert_eq!(names(&shell.path("here")), ["folder"]);
    insta::assert_snapshot!(timeless(&said.join("\n")));
}
