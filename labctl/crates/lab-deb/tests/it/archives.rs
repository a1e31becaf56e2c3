use std::convert::Infallible;
use std::error::Error as _;

use lab_deb::archive::{
    ArError, DebArchive, DebError, EntryError, EntryKind, Layout, Limits, ReadOptions, Skipped, VisitError,
    Visited,
};

use crate::building::{CONTROL, Tar, ar, compress, deb};

/// `path kind[:detail]` of each entry.
fn list(deb: &[u8], options: &ReadOptions) -> Result<(Vec<String>, Visited), DebError> {
    let mut lines = Vec::new();
    let visited = DebArchive::open(deb)?.for_each_entry(options, |entry| {
        let path = entry.path.to_string();
        lines.push(match entry.kind {
            EntryKind::File(content) => match content.into_vec() {
                Ok(bytes) => format!("{path} {:o} file {}", entry.mode, String::from_utf8_lossy(&bytes)),
                Err(error) => return Err(Gone(error)),
            },
            EntryKind::Directory => format!("{path} {:o} dir", entry.mode),
            EntryKind::Symlink { target } => format!("{path} -> {target}"),
            EntryKind::HardLink { target } => format!("{path} == {target}"),
        });
        Ok(())
    });
    match visited {
        Ok(visited) => Ok((lines, visited)),
        Err(VisitError::Archive(error) | VisitError::Visitor(Gone(error))) => Err(error),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Gone(DebError);

fn shipped() -> ReadOptions {
    ReadOptions {
        layout: Layout::AsShipped,
        ..ReadOptions::default()
    }
}

fn refused(tar: Tar) -> EntryError {
    match list(&tar.deb(), &shipped()) {
        Err(DebError::Entry(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn ordinary() -> Tar {
    Tar::default()
        .dir("./")
        .dir("./usr/")
        .dir("./usr/bin/")
        .file("./usr/bin/tool", b"elf")
        .symlink("./usr/bin/alias", "tool")
        .hard_link("./usr/bin/twin", "./usr/bin/tool")
}

#[test]
fn reads_every_compression() {
    for suffix in ["", ".gz", ".xz", ".zst"] {
        let (lines, visited) = list(&deb(suffix, &ordinary().bytes()), &shipped()).unwrap();
        assert_eq!(
            lines,
            [
                "usr 755 dir",
                "usr/bin 755 dir",
                "usr/bin/tool 644 file elf",
                "usr/bin/alias -> tool",
                "usr/bin/twin == usr/bin/tool"
            ],
            "{suffix}"
        );
        assert_eq!(visited.entries, 6);
    }
}

#[test]
fn knows_the_package() {
    let deb = ordinary().deb();
    let archive = DebArchive::open(deb.as_slice()).unwrap();
    assert_eq!(
        (archive.package.as_str(), archive.version.as_str()),
        ("sample", "1:2.0-3")
    );
    assert_eq!(
        (archive.architecture.as_str(), archive.control.as_str()),
        ("amd64", CONTROL)
    );
}

#[test]
fn skips_members_that_begin_with_an_underscore() {
    let control = compress(
        ".xz",
        &Tar::default().file("./control", CONTROL.as_bytes()).bytes(),
    );
    let data = ordinary().bytes();
    let members: [(&str, &[u8]); 5] = [
        ("debian-binary/", b"2.0\n"),
        ("_extra", b"odd"),
        ("control.tar.xz", &control),
        ("_more", b""),
        ("data.tar", &data),
    ];
    assert_eq!(list(&ar(&members), &shipped()).unwrap().1.entries, 6);
}

#[test]
fn merges_usr() {
    let tar = Tar::default()
        .dir("./lib/")
        .dir("./usr/lib/")
        .file("./lib/x.so", b"1")
        .hard_link("./bin/twin", "./lib/x.so")
        .symlink("./sbin", "usr/sbin");
    let (lines, _) = list(&tar.deb(), &ReadOptions::default()).unwrap();
    assert_eq!(
        lines,
        [
            "usr/lib 755 dir",
            "usr/lib 755 dir",
            "usr/lib/x.so 644 file 1",
            "usr/bin/twin == usr/lib/x.so"
        ]
    );
}

#[test]
fn merged_twins_are_duplicates() {
    let tar = Tar::default().file("./lib/x", b"1").file("./usr/lib/x", b"2");
    assert!(matches!(
        list(&tar.deb(), &ReadOptions::default()),
        Err(DebError::Entry(EntryError::Duplicate { .. }))
    ));
}

#[test]
fn refuses_paths_out_of_the_root() {
    for name in ["../evil", "./usr/../../evil", "/etc/passwd", "usr/.."] {
        assert!(
            matches!(refused(Tar::default().file(name, b"x")), EntryError::Path(_)),
            "{name}"
        );
    }
    assert!(matches!(
        refused(Tar::default().raw(b"caf\xe9", b'0', 0o644, "", b"")),
        EntryError::Path(_)
    ));
}

#[test]
fn refuses_long_names_that_lead_out() {
    let long = format!("{}/../../evil\0", "a/".repeat(80));
    let tar = Tar::default()
        .raw(b"././@LongLink", b'L', 0, "", long.as_bytes())
        .file("short", b"x");
    assert!(matches!(refused(tar), EntryError::Path(_)));
    let pax = "20 path=/etc/shadow\n";
    let tar = Tar::default()
        .raw(b"pax", b'x', 0o644, "", pax.as_bytes())
        .file("harmless", b"x");
    assert!(matches!(refused(tar), EntryError::Path(_)));
}

#[test]
fn refuses_links_that_point_out() {
    let out = refused(Tar::default().dir("usr/").symlink("usr/l", "../../etc/passwd"));
    assert!(matches!(out, EntryError::LinkOut { .. }));
    assert!(matches!(
        refused(Tar::default().symlink("l", "..")),
        EntryError::LinkOut { .. }
    ));
    assert!(matches!(
        refused(Tar::default().symlink("l", "")),
        EntryError::LinkTarget { .. }
    ));
    let (lines, _) = list(&Tar::default().symlink("usr/l", "/etc/x").deb(), &shipped()).unwrap();
    assert_eq!(lines, ["usr/l -> /etc/x"]);
}

#[test]
fn refuses_to_go_through_a_link_or_a_file() {
    let through = refused(Tar::default().symlink("usr", "/etc").file("usr/passwd", b"x"));
    assert_eq!(
        through.to_string(),
        "`usr/passwd` would be written through `usr`, which is not a directory"
    );
    let through = refused(Tar::default().symlink("a", "b").dir("a/deep/er/"));
    assert!(matches!(through, EntryError::ThroughNonDirectory { .. }));
    let through = refused(Tar::default().file("a", b"").file("a/b", b""));
    assert!(matches!(through, EntryError::ThroughNonDirectory { .. }));
}

#[test]
fn refuses_hard_links_to_anything_but_an_earlier_file() {
    for (tar, what) in [
        (Tar::default().hard_link("l", "later").file("later", b""), "later"),
        (
            Tar::default().symlink("s", "/etc/passwd").hard_link("l", "s"),
            "a symbolic link",
        ),
        (Tar::default().dir("d/").hard_link("l", "d"), "a directory"),
        (Tar::default().hard_link("l", "l"), "itself"),
    ] {
        assert!(
            matches!(refused(tar), EntryError::HardLinkTarget { .. }),
            "{what}"
        );
    }
    assert!(matches!(
        refused(Tar::default().hard_link("l", "/etc/passwd")),
        EntryError::Path(_)
    ));
}

#[test]
fn refuses_an_entry_that_occurs_twice() {
    for tar in [
        Tar::default().file("a", b"1").file("./a", b"2"),
        Tar::default().file("a", b"1").symlink("a", "b"),
        Tar::default().dir("a/").file("a", b"2"),
        Tar::default().symlink("a", "b").dir("a/"),
    ] {
        assert!(matches!(refused(tar), EntryError::Duplicate { .. }));
    }
    assert!(matches!(
        refused(Tar::default().file("./", b"x")),
        EntryError::Root
    ));
}

#[test]
fn skips_devices_with_a_note_and_drops_setuid() {
    let tar = Tar::default()
        .raw(b"dev/sda", b'4', 0o666, "", b"")
        .raw(b"dev/tty", b'3', 0o666, "", b"")
        .raw(b"run/pipe", b'6', 0o666, "", b"")
        .raw(b"bin/su", b'0', 0o6755, "", b"x")
        .raw(b"tmp/", b'5', 0o3777, "", b"");
    let (lines, visited) = list(&tar.deb(), &shipped()).unwrap();
    assert_eq!(lines, ["bin/su 755 file x", "tmp 1777 dir"]);
    let what: Vec<_> = visited
        .skipped
        .iter()
        .map(|Skipped { path, what }| format!("{path}: {what}"))
        .collect();
    assert_eq!(
        what,
        [
            "dev/sda: a device node",
            "dev/tty: a device node",
            "run/pipe: a FIFO"
        ]
    );
    assert!(matches!(
        refused(Tar::default().raw(b"x", b'V', 0, "", b"")),
        EntryError::Kind { kind: b'V', .. }
    ));
}

#[test]
fn holds_its_limits() {
    let limited = |bytes, entries| ReadOptions {
        limits: Limits { bytes, entries },
        layout: Layout::AsShipped,
    };
    let bomb = vec![0; 4 << 20];
    for suffix in ["", ".gz", ".xz", ".zst"] {
        let bomb = deb(suffix, &Tar::default().file("zeros", &bomb).bytes());
        let error = list(&bomb, &limited(1 << 20, 10)).unwrap_err();
        assert!(
            matches!(error, DebError::TooLarge { limit: 1_048_576, .. }),
            "{suffix}: {error:?}"
        );
    }
    let error = list(&ordinary().deb(), &limited(1 << 20, 3)).unwrap_err();
    assert!(matches!(error, DebError::TooMany { limit: 3 }));
}

#[test]
fn a_bomb_behind_the_end_mark_is_a_bomb() {
    let mut data = Tar::default().file("a", b"x").bytes();
    data.resize(4 << 20, 0);
    let options = ReadOptions {
        limits: Limits {
            bytes: 1 << 20,
            entries: 10,
        },
        layout: Layout::AsShipped,
    };
    assert!(matches!(
        list(&deb(".xz", &data), &options),
        Err(DebError::TooLarge { .. })
    ));
}

/// Cut anywhere, a package is an error, and never a shorter package.
#[test]
fn every_truncation_is_noticed() {
    let content: Vec<u8> = (0..1500_u32).map(|i| (i * i % 251) as u8).collect();
    for suffix in ["", ".gz", ".xz", ".zst"] {
        let whole = deb(suffix, &ordinary().file("./usr/data", &content).bytes());
        list(&whole, &shipped()).unwrap();
        // The padding byte after the last member is nothing that could be missed.
        for length in 0..whole.len() - 1 {
            assert!(
                list(&whole[..length], &shipped()).is_err(),
                "{suffix}: {length} of {}",
                whole.len()
            );
        }
    }
}

#[test]
fn corruption_of_compressed_data_is_noticed() {
    let content: Vec<u8> = (0..4000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    for suffix in [".gz", ".xz"] {
        let data = Tar::default().file("blob", &content).bytes();
        let whole = deb(suffix, &data);
        let start = whole.len() - compress(suffix, &data).len();
        for at in (start + 40..whole.len() - 40).step_by(37) {
            let mut bad = whole.clone();
            bad[at] ^= 0x10;
            assert!(list(&bad, &shipped()).is_err(), "{suffix}: byte {at}");
        }
    }
}

#[test]
fn says_what_is_no_package() {
    assert!(matches!(
        list(b"<html>not found</html>", &shipped()),
        Err(DebError::Container(ArError::Magic))
    ));
    assert!(matches!(
        list(b"", &shipped()),
        Err(DebError::Container(ArError::Magic))
    ));
    let members: [(&str, &[u8]); 1] = [("debian-binary", b"3.0\n")];
    assert!(matches!(
        list(&ar(&members), &shipped()),
        Err(DebError::Format { .. })
    ));
    let members: [(&str, &[u8]); 2] = [("debian-binary", b"2.0\n"), ("control.tar.lzma", b"")];
    let error = list(&ar(&members), &shipped()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`control.tar.lzma` has a compression that is not known here"
    );
    let members: [(&str, &[u8]); 2] = [("debian-binary", b"2.0\n"), ("data.tar", b"")];
    assert!(matches!(
        list(&ar(&members), &shipped()),
        Err(DebError::Member {
            member: "control.tar"
        })
    ));
    let control = Tar::default().file("./control", b"Package: x\n").bytes();
    let members: [(&str, &[u8]); 2] = [("debian-binary", b"2.0\n"), ("control.tar", &control)];
    assert!(matches!(
        list(&ar(&members), &shipped()),
        Err(DebError::Control { field: "Version" })
    ));
}

#[test]
fn a_damaged_tar_header_is_an_error_with_a_cause() {
    let mut data = ordinary().bytes();
    data[513] ^= 0xff;
    let error = list(&deb("", &data), &shipped()).unwrap_err();
    assert!(matches!(error, DebError::Read { .. }) && error.source().is_some());
}

#[test]
fn what_the_visitor_leaves_unread_is_skipped() {
    let deb = Tar::default()
        .file("big", &[7; 100_000])
        .file("small", b"x")
        .deb();
    let mut names = Vec::new();
    DebArchive::open(deb.as_slice())
        .unwrap()
        .for_each_entry::<Infallible>(&shipped(), |entry| {
            names.push(entry.path.to_string());
            Ok(())
        })
        .unwrap();
    assert_eq!(names, ["big", "small"]);
}

proptest::proptest! {
    /// No input makes the reader panic, and what it accepts never leads out.
    #[test]
    fn survives_noise(at in 0_usize..6000, with in proptest::collection::vec(proptest::num::u8::ANY, 1..16)) {
        let mut bytes = ordinary().deb();
        let at = at % bytes.len();
        let end = (at + with.len()).min(bytes.len());
        bytes[at..end].copy_from_slice(&with[..end - at]);
        drop(list(&bytes, &shipped()));
    }
}
