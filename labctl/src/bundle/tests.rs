//! A bundle there and back, and bundles that were made to do harm.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use fs_err as fs;
use proptest::prelude::*;

use super::member::{END, header, padding};
use super::write::list_kind;
use super::*;
use crate::digest::Digest;
use crate::store::{Bucket, Store, StoreError};
use crate::supervise::Cancel;

const LONG: &str = "a-name-that-is-much-longer-than-what-the-old-format-of-an-archive-has-room-for-as-some-of-the-kernels-headers-are.h";

struct Bench {
    dir: tempfile::TempDir,
    store: Store,
}

impl Bench {
    fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        Self { dir, store }
    }

    /// A kernel, a root, an initramfs and a package.
    fn stocked() -> Self {
        let bench = Self::empty();
        for (bucket, id) in ids() {
            let make = |dir: &Path| fill(bucket, dir).map_err(StoreError::io("write"));
            let id = id.to_string();
            bench
                .store
                .get_or_make::<StoreError>(bucket, &id, &Cancel::new(), |_| {}, make)
                .unwrap();
        }
        bench
    }

    fn manifest(&self) -> Manifest {
        let listed = ids().into_iter().map(|(bucket, id)| {
            let entry = self.store.get(bucket, &id.to_string()).unwrap().unwrap();
            describe(bucket, id, bucket.name(), &entry, &|_| {}, &Cancel::new()).unwrap()
        });
        Manifest::new(listed.collect()).unwrap()
    }

    fn bundle(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let written = write(&self.manifest(), &self.store, &mut out, &|_| {}, &Cancel::new()).unwrap();
        assert_eq!(
            (written.size, written.sha256),
            (out.len() as u64, Digest::of(&out))
        );
        out
    }

    fn import(&self, bundle: &[u8]) -> Result<Vec<Fate>, BundleError> {
        let cancel = Cancel::new();
        let unpacked = Bundle::open(bundle, &cancel)?.unpack(&self.store, &|_| {}, &cancel)?;
        assert_eq!(unpacked.sha256(), Digest::of(bundle));
        unpacked.commit(&self.store, &cancel)
    }

    /// Refuses `bundle`, and has nothing of it afterwards, not even half made.
    fn refuses(&self, bundle: &[u8]) -> BundleError {
        let error = self.import(bundle).unwrap_err();
        for bucket in Bucket::ALL {
            assert_eq!(self.store.entries(bucket).unwrap(), [], "{error}");
        }
        assert_eq!(self.store.unfinished().unwrap(), [], "{error}");
        assert_eq!(fs::read_dir(self.dir.path()).unwrap().count(), 1, "{error}");
        error
    }
}

fn ids() -> [(Bucket, Digest); 4] {
    [
        (Bucket::Kernels, Digest::of(b"the kernel's inputs")),
        (Bucket::Roots, Digest::of(b"the root's inputs")),
        (Bucket::Images, Digest::of(b"the image's inputs")),
        (Bucket::Debs, Digest::of(b"a package")),
    ]
}

fn fill(bucket: Bucket, dir: &Path) -> std::io::Result<()> {
    match bucket {
        Bucket::Debs => fs::write(dir.join("package.deb"), "a package"),
        Bucket::Images => {
            fs::write(dir.join("image.json"), "{}")?;
            fs::write(dir.join("initramfs.cpio"), vec![7; 70_000])
        }
        Bucket::Kernels => {
            for file in ["kernel.json", "vmlinux", "config"] {
                fs::write(dir.join(file), file)?;
            }
            fs::create_dir_all(dir.join("tree/include"))?;
            fs::create_dir_all(dir.join("tree/scripts-of-another"))?;
            fs::write(dir.join("tree/include").join(LONG), "")?;
            symlink("scripts-of-another", dir.join("tree/scripts"))
        }
        _ => {
            fs::create_dir_all(dir.join("root/usr/bin"))?;
            fs::create_dir_all(dir.join("root/proc"))?;
            fs::write(dir.join("root/usr/bin/gcc-14"), "#!/bin/sh\n")?;
            let executable = std::fs::Permissions::from_mode(0o755);
            fs::set_permissions(dir.join("root/usr/bin/gcc-14"), executable)?;
            symlink("/usr/bin/gcc-14", dir.join("root/usr/bin/cc"))?;
            symlink(format!("/{}", LONG.repeat(2)), dir.join("root/usr/bin/far"))
        }
    }
}

#[test]
fn what_is_packed_is_what_is_unpacked() {
    let (from, to) = (Bench::stocked(), Bench::empty());
    let bundle = from.bundle();
    assert_eq!(
        bundle,
        Bench::stocked().bundle(),
        "the same entries, the same bytes"
    );
    assert_eq!(to.import(&bundle).unwrap(), vec![Fate::Added; 4]);
    assert_eq!(to.manifest(), from.manifest());
    assert_eq!(to.bundle(), bundle);
    let root = to.store.path(Bucket::Roots, &ids()[1].1.to_string()).join("root");
    let mode = fs::metadata(root.join("usr/bin/gcc-14"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o755);
    assert!(root.join("proc").is_dir());
    assert_eq!(to.import(&bundle).unwrap(), vec![Fate::Kept; 4]);
    assert_eq!(to.store.unfinished().unwrap(), []);
}

#[test]
fn tar_can_read_it() {
    let bundle = Bench::stocked().bundle();
    let archive = zstd::decode_all(bundle.as_slice()).unwrap();
    let mut archive = tar::Archive::new(archive.as_slice());
    let mut names = Vec::new();
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        let head = entry.header();
        assert_eq!(
            (head.mtime().unwrap(), head.uid().unwrap(), head.gid().unwrap()),
            (0, 0, 0)
        );
        names.push(entry.path().unwrap().to_str().unwrap().to_owned());
    }
    assert_eq!(names[0], "bundle.json");
    let kernel = ids()[0].1;
    assert!(
        names.contains(&format!("kernels/{kernel}/tree/include/{LONG}")),
        "{names:?}"
    );
}

#[test]
fn what_the_store_has_is_kept_or_mended() {
    let (from, to) = (Bench::stocked(), Bench::stocked());
    let bundle = from.bundle();
    let path = |bucket: usize, file: &str| {
        let (bucket, id) = ids()[bucket];
        to.store.path(bucket, &id.to_string()).join(file)
    };
    // A damage that no `stat` shows.
    let image = path(2, "initramfs.cpio");
    let written = fs::metadata(&image).unwrap().modified().unwrap();
    fs::write(&image, vec![8; 70_000]).unwrap();
    fs::File::open(&image).unwrap().set_modified(written).unwrap();
    // One that it does show.
    fs::remove_file(path(0, "config")).unwrap();
    // And an entry that was really made otherwise.
    let (bucket, id) = ids()[1];
    to.store
        .make_again::<StoreError>(bucket, &id.to_string(), &Cancel::new(), |dir| {
            fs::create_dir_all(dir.join("root/usr/bin")).map_err(StoreError::io("write"))
        })
        .unwrap();
    assert_eq!(
        to.import(&bundle).unwrap(),
        [
            Fate::Kept,
            Fate::Added,
            Fate::Added,
            Fate::Differs("root/proc".to_owned())
        ]
    );
    assert_eq!(fs::read(image).unwrap(), vec![7; 70_000]);
    assert_eq!(fs::read_to_string(path(0, "config")).unwrap(), "config");
    assert!(!path(1, "root/proc").exists());
}

#[test]
fn an_entry_that_was_touched_is_not_packed() {
    let bench = Bench::stocked();
    let (bucket, id) = ids()[2];
    let entry = bench.store.get(bucket, &id.to_string()).unwrap().unwrap();
    let describe = || describe(bucket, id, "", &entry, &|_| {}, &Cancel::new());
    let image = entry.file("initramfs.cpio");
    fs::write(&image, vec![9; 70_000]).unwrap();
    assert!(matches!(
        describe(),
        Err(BundleError::Store(StoreError::Damaged { .. }))
    ));
    fs::write(&image, vec![7; 70_000]).unwrap();
    fs::write(entry.file("more"), "").unwrap();
    assert!(matches!(
        describe(),
        Err(BundleError::Store(StoreError::Damaged { .. }))
    ));
}

#[test]
fn a_file_that_changes_while_it_is_packed_is_noticed() {
    let bench = Bench::stocked();
    let manifest = bench.manifest();
    let (bucket, id) = ids()[2];
    let image = bench.store.path(bucket, &id.to_string()).join("initramfs.cpio");
    for bytes in [vec![9; 70_000], vec![7; 69_999]] {
        fs::write(&image, bytes).unwrap();
        let written = write(&manifest, &bench.store, std::io::sink(), &|_| {}, &Cancel::new());
        assert!(matches!(written, Err(BundleError::Changed { .. })));
    }
}

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

#[test]
fn an_interrupted_import_leaves_nothing() {
    let (from, to) = (Bench::stocked(), Bench::empty());
    let bundle = from.bundle();
    let cancel = Cancel::new();
    let opened = Bundle::open(bundle.as_slice(), &cancel).unwrap();
    let stop = |_| {
        cancel.request();
    };
    assert!(matches!(
        opened.unpack(&to.store, &stop, &cancel),
        Err(BundleError::Cancelled(_))
    ));
    assert_eq!(to.store.unfinished().unwrap(), []);
    // Unpacked, compared, and then given up.
    let cancel = Cancel::new();
    let unpacked = Bundle::open(bundle.as_slice(), &cancel)
        .unwrap()
        .unpack(&to.store, &|_| {}, &cancel)
        .unwrap();
    assert_eq!(to.store.entries(Bucket::Kernels).unwrap(), []);
    drop(unpacked);
    assert_eq!(to.store.unfinished().unwrap(), []);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_part_of_a_bundle_is_taken_for_the_whole(at in 0usize..1 << 20) {
        let bundle = Bench::stocked().bundle();
        let bench = Bench::empty();
        bench.refuses(&bundle[..at % bundle.len()]);
    }

    #[test]
    fn no_changed_byte_goes_unnoticed(at in 0usize..1 << 20, by in 1u8..) {
        let mut bundle = Bench::stocked().bundle();
        let at = at % bundle.len();
        bundle[at] ^= by;
        Bench::empty().refuses(&bundle);
    }
}
