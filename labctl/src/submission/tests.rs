//! Archives as nobody should make them.

use std::io::{Cursor, Write as _};

use proptest::prelude::*;
use tar::EntryType;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::archive::read_bytes;
use super::intake::{Intake, Limits, Refusal};
use super::path::judge;

fn read(bytes: &[u8]) -> Result<Intake, Refusal> {
    read_bytes(bytes, &Limits::default())
}

fn refusal(bytes: &[u8]) -> String {
    read(bytes).unwrap_err().reason()
}

fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, bytes) in files {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        zip.start_file(*path, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn tarred(entries: &[(&[u8], EntryType, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, kind, bytes) in entries {
        let mut header = tar::Header::new_ustar();
        // As bytes: `set_path` refuses what is to be tried.
        header.as_old_mut().name[..path.len()].copy_from_slice(path);
        header.set_entry_type(*kind);
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        if matches!(kind, EntryType::Symlink | EntryType::Link) {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_cksum();
        tar.append(&header, *bytes).unwrap();
    }
    tar.into_inner().unwrap()
}

const C: &[u8] = b"int a;\n";

fn paths(intake: &Intake) -> Vec<&str> {
    intake.files.keys().map(String::as_str).collect()
}

#[test]
fn workspaces_come_out_of_every_kind_of_archive() {
    use flate2::write::GzEncoder;

    let zip = zipped(&[
        ("a-main/module7/src/a.c", C),
        ("a-main/module7/workspace.yaml", b"module: m\n"),
    ]);
    let tar = tarred(&[
        (b"./src/a.c", EntryType::Regular, C),
        (b"./workspace.yaml", EntryType::Regular, b"module: m\n"),
    ]);
    let mut gz = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&tar).unwrap();
    let gz = gz.finish().unwrap();
    let intakes: Vec<Intake> = [zip, tar, gz].iter().map(|bytes| read(bytes).unwrap()).collect();
    for intake in &intakes {
        assert_eq!(paths(intake), ["src/a.c", "workspace.yaml"]);
        assert_eq!(intake.digest(), intakes[0].digest());
    }
}

#[test]
fn hostile_entries_of_a_zip_are_passed_over() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default();
    for path in [
        "src/a.c",
        "../src/b.c",
        "/src/c.c",
        "src\\d.c",
        "src/$(e).c",
        "src/deep/f.c",
    ] {
        zip.start_file(path, options).unwrap();
        zip.write_all(C).unwrap();
    }
    zip.add_symlink("src/g.c", "/etc/passwd", options).unwrap();
    let intake = read(&zip.finish().unwrap().into_inner()).unwrap();
    assert_eq!(paths(&intake), ["src/a.c"]);
    let notes = intake.notes.join("\n");
    for reason in ["leads out", "backslash", "other characters", "symbolic link"] {
        assert!(notes.contains(reason), "{reason}: {notes}");
    }
}

#[test]
fn hostile_entries_of_a_tar_are_passed_over() {
    let intake = read(&tarred(&[
        (b"src/a.c", EntryType::Regular, C),
        (b"../src/b.c", EntryType::Regular, C),
        (b"/src/c.c", EntryType::Regular, C),
        (b"src/\xff.c", EntryType::Regular, C),
        (b"src/d.c", EntryType::Symlink, b""),
        (b"src/e.c", EntryType::Link, b""),
        (b"src/f.c", EntryType::Fifo, b""),
        (b"src/g.c", EntryType::Char, b""),
        (b"src/h.c", EntryType::Block, b""),
    ]))
    .unwrap();
    assert_eq!(paths(&intake), ["src/a.c"]);
    insta::assert_snapshot!(intake.notes.join("\n"));
}

#[test]
fn bombs_are_refused() {
    let zeros = vec![0; 2 << 20];
    assert_eq!(
        refusal(&zipped(&[("src/a.c", &zeros)])),
        "`src/a.c` has more than 1048576 bytes"
    );
    let most = vec![0; 1 << 20];
    let names: Vec<String> = (0..5).map(|number| format!("src/{number}.c")).collect();
    let files: Vec<(&str, &[u8])> = names
        .iter()
        .map(|name| (name.as_str(), most.as_slice()))
        .collect();
    assert_eq!(
        refusal(&zipped(&files)),
        "its files have more than 4194304 bytes together"
    );
    let many: Vec<String> = (0..300).map(|number| format!("src/{number}.c")).collect();
    let files: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), C)).collect();
    assert_eq!(
        refusal(&zipped(&files)),
        "it has more than 256 files of a workspace"
    );
    let many: Vec<String> = (0..10_000).map(|number| format!("{number}.txt")).collect();
    let files: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &b""[..])).collect();
    assert_eq!(refusal(&zipped(&files)), "it has more than 4096 entries");

    // What is not kept counts, too, where it has to be unpacked.
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let mut header = tar::Header::new_ustar();
    header.set_path("video.bin").unwrap();
    header.set_size(80 << 20);
    header.set_cksum();
    gz.write_all(header.as_bytes()).unwrap();
    for _ in 0..80 {
        gz.write_all(&most).unwrap();
    }
    assert_eq!(
        refusal(&gz.finish().unwrap()),
        "it unpacks to more than 67108864 bytes"
    );
}

#[test]
fn what_says_a_thing_twice_is_refused() {
    let twice = tarred(&[
        (b"src/a.c", EntryType::Regular, C),
        (b"./src//a.c", EntryType::Regular, b"int b;\n"),
    ]);
    assert_eq!(refusal(&twice), "`src/a.c` is in it twice");
    let mut zip = zipped(&[("src/a.c", C), ("src/b.c", b"int b;\n")]);
    // The second entry takes the first one's name, in both of its headers.
    for at in 0..zip.len() - 7 {
        if &zip[at..at + 7] == b"src/b.c" {
            zip[at + 4] = b'a';
        }
    }
    assert_eq!(
        refusal(&zip),
        "the archive is damaged: it lists 2 entries under 1 names"
    );
}

#[test]
fn what_cannot_be_read_says_why() {
    assert_eq!(
        refusal(b"MZ\x90\0"),
        "it is neither a folder nor a .zip, .tar or .tar.gz"
    );
    assert_eq!(refusal(b""), "it is neither a folder nor a .zip, .tar or .tar.gz");
    assert_eq!(
        refusal(&zipped(&[("notes.txt", b"")])),
        "there is no workspace in it: no workspace.yaml, no src, no answers"
    );
    let zip = zipped(&[("src/a.c", C)]);
    assert!(refusal(&zip[..zip.len() - 30]).starts_with("the archive is damaged"));
    // Flag 0 of the general purpose bits, and another method, where both headers have them.
    let patched = |offset: [usize; 2], byte: u8| {
        let mut zip = zip.clone();
        let central = zip.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
        zip[offset[0]] = byte;
        zip[central + offset[1]] = byte;
        refusal(&zip)
    };
    assert_eq!(patched([6, 8], 1), "the archive is encrypted");
    assert_eq!(
        patched([8, 10], 14),
        "the archive uses what is not read here: compression Lzma"
    );
}

proptest! {
    /// Whatever a path is, what is kept has a plain name in one of three folders.
    #[test]
    fn kept_paths_are_plain(name in proptest::collection::vec(any::<u8>(), 0..60)) {
        if let Ok(place) = judge(&name) {
            prop_assert!(is_plain(&place.path), "{}", place.path);
            prop_assert!(!place.root.split('/').any(|part| part == ".."));
        }
    }

    #[test]
    fn kept_paths_are_plain_however_they_are_written(
        name in "(/|\\./|\\.\\./|a/|src/|answers/|commands/|\\\\|//){0,5}(a|\\.|\\.\\.|\\$\\(x\\)|é| ){0,3}(\\.c|\\.yaml|/)?"
    ) {
        if let Ok(place) = judge(name.as_bytes()) {
            prop_assert!(is_plain(&place.path), "{}", place.path);
        }
    }

    /// A damaged archive is read or refused; it never breaks the reader.
    #[test]
    fn damaged_archives_do_no_damage(at in 0_usize..600, byte in any::<u8>(), cut in 0_usize..700) {
        for mut bytes in [
            zipped(&[("x/src/a.c", C), ("x/workspace.yaml", b"module: m\n"), ("x/answers/e.yaml", b"a: 1\n")]),
            tarred(&[(b"src/a.c", EntryType::Regular, C), (b"workspace.yaml", EntryType::Regular, C)]),
        ] {
            let at = at % bytes.len();
            bytes[at] = byte;
            for bytes in [&bytes[..], &bytes[..bytes.len() - cut.min(bytes.len())]] {
                if let Ok(intake) = read(bytes) {
                    for path in intake.files.keys() {
                        prop_assert!(is_plain(path), "{path}");
                    }
                }
            }
        }
    }
}

fn is_plain(path: &str) -> bool {
    let plain = |text: &str| {
        !text.is_empty()
            && !text.starts_with('.')
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_-.+".contains(c))
    };
    match path.split_once('/') {
        None => path == "workspace.yaml",
        Some((folder, name)) => ["src", "answers", "commands"].contains(&folder) && plain(name),
    }
}
