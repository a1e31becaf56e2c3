use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use lab_deb::archive::{DebError, EntryError, Layout, ReadOptions};
use lab_deb::{UnpackError, Unpacked, unpack_into};

use crate::building::{Tar, deb};

fn unpack(root: &Path, tar: Tar) -> Result<Unpacked, UnpackError> {
    unpack_into(
        root,
        tar.deb().as_slice(),
        &ReadOptions {
            layout: Layout::AsShipped,
            ..ReadOptions::default()
        },
    )
}

/// A root beside a file that nothing may touch.
fn arena() -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("outside"), "untouched").unwrap();
    let root = dir.path().join("root");
    fs::create_dir(&root).unwrap();
    (dir, root)
}

fn is_untouched(dir: &tempfile::TempDir) {
    assert_eq!(
        fs::read_to_string(dir.path().join("outside")).unwrap(),
        "untouched"
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn writes_what_the_package_has() {
    let (_dir, root) = arena();
    let tar = Tar::default()
        .dir("./")
        .raw(b"./usr/bin/", b'5', 0o555, "", b"")
        .raw(b"./usr/bin/tool", b'0', 0o4755, "", b"elf")
        .symlink("./usr/bin/alias", "tool")
        .hard_link("./usr/bin/twin", "./usr/bin/tool")
        .raw(b"./etc/secret", b'0', 0o000, "", b"s");
    let unpacked = unpack(&root, tar).unwrap();
    assert_eq!(
        (
            unpacked.package.as_str(),
            unpacked.entries,
            unpacked.replaced.len()
        ),
        ("sample", 6, 0)
    );
    let tool = fs::metadata(root.join("usr/bin/tool")).unwrap();
    assert_eq!(
        (tool.permissions().mode() & 0o7777, tool.nlink(), tool.mtime()),
        (0o755, 2, 1_000_000_000)
    );
    assert_eq!(
        fs::read_link(root.join("usr/bin/alias")).unwrap(),
        Path::new("tool")
    );
    assert_eq!(
        fs::metadata(root.join("usr/bin")).unwrap().permissions().mode() & 0o777,
        0o755
    );
    assert_eq!(
        fs::metadata(root.join("etc/secret"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o400
    );
}

#[test]
fn the_merged_layout_is_the_default() {
    let (_dir, root) = arena();
    let tar = Tar::default()
        .dir("lib/")
        .file("lib/x", b"1")
        .symlink("bin", "usr/bin");
    unpack_into(
        &root,
        deb(".zst", &tar.bytes()).as_slice(),
        &ReadOptions::default(),
    )
    .unwrap();
    assert!(root.join("usr/lib/x").is_file());
    assert!(!root.join("lib").exists() && fs::symlink_metadata(root.join("bin")).is_err());
}

#[test]
fn links_of_earlier_packages_lead_nowhere_outside() {
    let (dir, root) = arena();
    // What an absolute link names lies in the root, not on the host.
    fs::create_dir(root.join("safe")).unwrap();
    symlink("/safe", root.join("absolute")).unwrap();
    unpack(&root, Tar::default().file("absolute/file", b"x")).unwrap();
    assert!(root.join("safe/file").is_file());
    // A link that climbs ends at the root.
    symlink("../..", root.join("climbing")).unwrap();
    unpack(&root, Tar::default().file("climbing/outside", b"evil")).unwrap();
    assert_eq!(fs::read_to_string(root.join("outside")).unwrap(), "evil");
    is_untouched(&dir);
}

#[test]
fn a_link_in_the_place_of_a_file_is_replaced_and_not_followed() {
    let (dir, root) = arena();
    symlink(dir.path().join("outside"), root.join("file")).unwrap();
    let unpacked = unpack(&root, Tar::default().file("file", b"new")).unwrap();
    assert_eq!(unpacked.replaced[0].as_str(), "file");
    assert!(fs::symlink_metadata(root.join("file")).unwrap().is_file());
    is_untouched(&dir);
}

#[test]
fn hostile_archives_write_nothing_outside() {
    for tar in [
        Tar::default().file("../outside", b"evil"),
        Tar::default().symlink("l", "../outside").file("l", b"evil"),
        Tar::default().symlink("d", "/").file("d/outside", b"evil"),
        Tar::default()
            .symlink("a", "..")
            .symlink("a/b", "..")
            .file("a/b/outside", b"evil"),
        Tar::default().hard_link("l", "../outside").file("l", b"evil"),
        Tar::default().symlink("l", "/outside").hard_link("h", "l"),
    ] {
        let (dir, root) = arena();
        assert!(matches!(
            unpack(&root, tar),
            Err(UnpackError::Archive(DebError::Entry(_)))
        ));
        is_untouched(&dir);
    }
}

#[test]
fn a_directory_is_never_traded_for_a_file() {
    let (_dir, root) = arena();
    unpack(&root, Tar::default().dir("a/").file("b", b"")).unwrap();
    assert!(matches!(
        unpack(&root, Tar::default().file("a", b"")),
        Err(UnpackError::Clash { .. })
    ));
    assert!(matches!(
        unpack(&root, Tar::default().dir("b/")),
        Err(UnpackError::Clash { .. })
    ));
    assert!(matches!(
        unpack(&root, Tar::default().file("b/c", b"")),
        Err(UnpackError::Clash { .. })
    ));
}

#[test]
fn a_link_to_a_directory_stays_one() {
    let (_dir, root) = arena();
    unpack(&root, Tar::default().dir("usr/lib/").symlink("lib", "usr/lib")).unwrap();
    unpack(&root, Tar::default().dir("lib/").file("lib/x", b"1")).unwrap();
    assert!(root.join("usr/lib/x").is_file());
    assert!(fs::symlink_metadata(root.join("lib")).unwrap().is_symlink());
}

#[test]
fn a_cut_package_is_an_archive_error_and_not_a_write_error() {
    let (_dir, root) = arena();
    let whole = deb("", &Tar::default().file("big", &[1; 4096]).bytes());
    let error = unpack_into(&root, &whole[..whole.len() - 3000], &ReadOptions::default()).unwrap_err();
    assert!(
        matches!(error, UnpackError::Archive(DebError::Read { .. })),
        "{error:?}"
    );
}

#[test]
fn a_root_that_is_missing_is_named() {
    let (_dir, root) = arena();
    let error = unpack(&root.join("missing"), Tar::default()).unwrap_err();
    assert!(matches!(error, UnpackError::Root { .. }) && error.to_string().contains("missing"));
}

#[test]
fn duplicates_are_refused_before_anything_is_replaced() {
    let (_dir, root) = arena();
    let error = unpack(&root, Tar::default().file("a", b"first").file("a", b"second")).unwrap_err();
    assert!(matches!(
        error,
        UnpackError::Archive(DebError::Entry(EntryError::Duplicate { .. }))
    ));
    assert_eq!(fs::read_to_string(root.join("a")).unwrap(), "first");
}
