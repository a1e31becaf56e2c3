//! Bundles that were made to do harm.

use super::*;

/// A bundle with another list of contents, or other members than it promises.
fn forged(list: &str, members: &[(&str, Kind, &[u8])]) -> Vec<u8> {
    let mut archive = header("bundle.json", &list_kind(list.len() as u64)).unwrap();
    archive.extend_from_slice(list.as_bytes());
    archive.resize(archive.len() + padding(list.len() as u64), 0);
    for (name, kind, bytes) in members {
        archive.extend(header(name, kind).unwrap());
        archive.extend_from_slice(bytes);
        archive.resize(archive.len() + padding(bytes.len() as u64), 0);
    }
    archive.resize(archive.len() + END, 0);
    zstd::encode_all(archive.as_slice(), 1).unwrap()
}

fn file(bytes: &[u8]) -> Kind {
    Kind::File {
        size: bytes.len() as u64,
        sha256: Digest::of(bytes),
        executable: false,
    }
}

fn item(path: &str, kind: Kind) -> Item {
    Item {
        path: path.to_owned(),
        kind,
    }
}

/// The list of an entry that is right in itself, whatever is in it.
fn list(bucket: &str, items: Vec<Item>) -> String {
    let mut listed = Listed::new(Bucket::Roots, Digest::of(b"id"), "", items);
    listed.bucket = bucket.to_owned();
    let manifest = Manifest {
        schema: SCHEMA.to_owned(),
        labctl: "0".to_owned(),
        entries: vec![listed],
    };
    serde_json::to_string(&manifest).unwrap()
}

#[test]
fn lists_that_lead_out_are_refused() {
    let bench = Bench::empty();
    let directory = || Kind::Directory;
    let link = |target: &str| Kind::Link {
        target: target.to_owned(),
    };
    let root = || item("root", directory());
    let cases: Vec<(&str, Vec<Item>)> = vec![
        ("roots", vec![item("../evil", file(b"")), root()]),
        ("roots", vec![item("/etc/evil", file(b"")), root()]),
        ("roots", vec![root(), item("root/../../evil", file(b""))]),
        ("roots", vec![root(), item("root//evil", file(b""))]),
        ("roots", vec![root(), item("root/.", file(b""))]),
        ("roots", vec![root(), item("root/a\nb", file(b""))]),
        ("roots", vec![root(), item("root/a\0", file(b""))]),
        ("roots", vec![item("", file(b"")), root()]),
        // Twice, and in the wrong order.
        (
            "roots",
            vec![root(), item("root/a", file(b"")), item("root/a", file(b""))],
        ),
        ("roots", vec![item("root/a", file(b"")), root()]),
        // Through a link, and through a file.
        (
            "roots",
            vec![
                root(),
                item("root/a", link("/etc")),
                item("root/a/evil", file(b"")),
            ],
        ),
        (
            "roots",
            vec![root(), item("root/a", file(b"")), item("root/a/b", file(b""))],
        ),
        ("roots", vec![item("root", link("/"))]),
        ("roots", vec![item("MANIFEST.json", file(b"")), root()]),
        ("images", vec![item("layer.erofs", link("/etc/shadow"))]),
        (
            "kernels",
            vec![
                item("config", file(b"")),
                item("kernel.json", file(b"")),
                item("vmlinux", link("/dev/sda")),
            ],
        ),
        // Not such an entry, none that is carried, none at all.
        ("roots", vec![item("other", file(b""))]),
        ("debs", vec![item("package.deb", file(b"not the id"))]),
        ("templates", vec![item("memory", file(b""))]),
        ("artefacts", vec![item("send_trace.ko", file(b""))]),
        ("..", vec![root()]),
    ];
    for (bucket, items) in cases {
        let error = bench.refuses(&forged(&list(bucket, items.clone()), &[]));
        assert!(
            matches!(error, BundleError::Contents { .. }),
            "{bucket} {items:?}: {error:?}"
        );
    }
}

#[test]
fn lists_that_lie_are_refused() {
    let bench = Bench::empty();
    let good = list(
        "roots",
        vec![item("root", Kind::Directory), item("root/a", file(b"abc"))],
    );
    let lies = [
        good.replace("\"bytes\":3", "\"bytes\":4"),
        good.replace("\"size\":3", "\"size\":2"),
        good.replace("root/a", "root/b"),
        good.replace("labctl/bundle/v1", "labctl/bundle/v2"),
        good.replace("\"size\":3", "\"size\":-3"),
        good.replace("\"entries\"", "\"entrys\""),
        "[]".to_owned(),
        String::new(),
        "{\"schema\": \"labctl/bundle/v1\"".to_owned(),
    ];
    for lie in &lies {
        assert_ne!(*lie, good);
        bench.refuses(&forged(lie, &[]));
    }
    let version = bench.refuses(&forged(&lies[3], &[]));
    assert!(matches!(version, BundleError::Version { schema, .. } if schema == "labctl/bundle/v2"));
}

#[test]
fn members_are_what_the_list_says_or_nothing() {
    let bench = Bench::empty();
    let list = list(
        "roots",
        vec![item("root", Kind::Directory), item("root/a", file(b"abc"))],
    );
    let id = Digest::of(b"id");
    let (folder, name) = (format!("roots/{id}/root"), format!("roots/{id}/root/a"));
    let directory = || (folder.as_str(), Kind::Directory, &b""[..]);
    let good = forged(&list, &[directory(), (&name, file(b"abc"), b"abc")]);
    let bad: Vec<Vec<(&str, Kind, &[u8])>> = vec![
        // Other bytes, other sizes, other names, other kinds.
        vec![directory(), (&name, file(b"abd"), b"abd")],
        vec![directory(), (&name, file(b"ab"), b"ab")],
        vec![directory(), (&name, file(b"abcd"), b"abcd")],
        vec![directory(), ("evil", file(b"abc"), b"abc")],
        vec![
            directory(),
            (
                &name,
                Kind::Link {
                    target: "/etc".to_owned(),
                },
                b"",
            ),
        ],
        vec![(&name, file(b"abc"), b"abc"), directory()],
        // More, less, nothing.
        vec![
            directory(),
            (&name, file(b"abc"), b"abc"),
            (&name, file(b"abc"), b"abc"),
        ],
        vec![directory()],
        vec![],
    ];
    for members in &bad {
        let error = bench.refuses(&forged(&list, members));
        assert!(
            matches!(error, BundleError::Mismatch { .. } | BundleError::Truncated),
            "{members:?}: {error:?}"
        );
    }
    bench.refuses(&[good.as_slice(), b"x"].concat());
    bench.refuses(&[good.as_slice(), good.as_slice()].concat());
    assert_eq!(bench.import(&good).unwrap(), [Fate::Added]);
}

#[test]
fn a_bomb_is_refused_before_it_goes_off() {
    let bench = Bench::empty();
    let huge = |size: u64| Kind::File {
        size,
        sha256: Digest::of(b""),
        executable: false,
    };
    let declared = list(
        "roots",
        vec![item("root", Kind::Directory), item("root/a", huge(1 << 60))],
    );
    assert!(matches!(
        bench.refuses(&forged(&declared, &[])),
        BundleError::NoSpace { needed, .. } if needed > 1 << 60
    ));
    let overflowing = list(
        "roots",
        vec![
            item("root", Kind::Directory),
            item("root/a", huge(u64::MAX)),
            item("root/b", huge(u64::MAX)),
        ],
    );
    assert!(matches!(
        bench.refuses(&forged(&overflowing, &[])),
        BundleError::Contents { .. }
    ));
    // A gigabyte of list, of which a kilobyte arrives.
    let mut archive = header("bundle.json", &list_kind(1 << 30)).unwrap();
    archive.resize(1 << 20, 0);
    let packed = zstd::encode_all(archive.as_slice(), 1).unwrap();
    assert!(matches!(bench.refuses(&packed), BundleError::NotABundle { .. }));
}

#[test]
fn what_is_no_bundle_is_called_that() {
    let bench = Bench::empty();
    let tar_of_something_else = {
        let mut archive = header("etc/passwd", &file(b"")).unwrap();
        archive.resize(archive.len() + END, 0);
        zstd::encode_all(archive.as_slice(), 1).unwrap()
    };
    for other in [
        &b"PK\x03\x04 and so on, for longer than a header is"[..],
        &tar_of_something_else,
    ] {
        assert!(matches!(bench.refuses(other), BundleError::NotABundle { .. }));
    }
    assert!(matches!(bench.refuses(b""), BundleError::Truncated));
}
