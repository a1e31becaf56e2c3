//! A bundle there and back.

mod hostile;

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
        self.has_nothing_after(&error);
        error
    }

    fn has_nothing_after(&self, error: &BundleError) {
        for bucket in Bucket::ALL {
            assert_eq!(self.store.entries(bucket).unwrap(), [], "{error}");
        }
        assert_eq!(self.store.unfinished().unwrap(), [], "{error}");
        assert_eq!(fs::read_dir(self.dir.path()).unwrap().count(), 1, "{error}");
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

    /// Some bits of a zstd stream can be changed, and it still says the same: how much memory it asks for is one.
    #[test]
    fn no_changed_byte_reaches_the_store(at in 0usize..1 << 20, by in 1u8..) {
        let (from, to) = (Bench::stocked(), Bench::empty());
        let mut bundle = from.bundle();
        let at = at % bundle.len();
        bundle[at] ^= by;
        match to.import(&bundle) {
            Ok(fates) => {
                assert_eq!(fates, vec![Fate::Added; 4]);
                assert_eq!(to.manifest(), from.manifest());
                // Not a byte of the archive itself.
                let archive = |bundle: &[u8]| zstd::decode_all(bundle).unwrap();
                assert_eq!(archive(&bundle), archive(&from.bundle()));
            }
            Err(error) => to.has_nothing_after(&error),
        }
    }
}
