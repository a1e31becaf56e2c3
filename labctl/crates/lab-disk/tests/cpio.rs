//! The writer against its reader, against itself, and against other people's cpio.

use std::process::{Command, Stdio};

use lab_disk::{Node, Tree, cpio};
use proptest::prelude::*;

fn node() -> impl Strategy<Value = Node> {
    prop_oneof![
        (0_u32..0o10000).prop_map(|mode| Node::Dir { mode }),
        (0_u32..0o10000, proptest::collection::vec(any::<u8>(), 0..40)).prop_map(|(mode, data)| Node::File {
            mode,
            data: data.into()
        }),
        "[a-z./]{1,12}".prop_map(|target| Node::Symlink { target }),
        Just(Node::CharDevice {
            mode: 0o600,
            major: 5,
            minor: 1
        }),
    ]
}

fn entries() -> impl Strategy<Value = Vec<(String, Node)>> {
    proptest::collection::vec(("[a-c]{1,2}(/[a-c]{1,3}){0,2}", node()), 0..20)
}

/// What could be inserted; a conflict (a file where a folder is needed) leaves that entry out.
fn tree_of(entries: &[(String, Node)]) -> Tree {
    let mut tree = Tree::new();
    for (path, node) in entries {
        drop(tree.insert(path, node.clone()));
    }
    tree
}

proptest! {
    #[test]
    fn reads_back_what_was_written(entries in entries()) {
        let tree = tree_of(&entries);
        let bytes = cpio::to_vec(&tree).unwrap();
        prop_assert_eq!(bytes.len() % 4, 0);
        prop_assert_eq!(cpio::read(&bytes).unwrap(), tree);
    }

    #[test]
    fn the_order_of_insertion_does_not_reach_the_bytes(
        (one, other) in entries().prop_map(|entries| tree_of(&entries)).prop_flat_map(|tree| {
            let nodes: Vec<(String, Node)> =
                tree.iter().map(|(path, node)| (path.to_string(), node.clone())).collect();
            (Just(nodes.clone()), Just(nodes).prop_shuffle())
        })
    ) {
        // Links to folders are followed, so the order of a link and of what lies behind it matters; without links
        // it must not.
        let plain = |nodes: &[(String, Node)]| -> Vec<(String, Node)> {
            nodes.iter().filter(|(_, node)| !matches!(node, Node::Symlink { .. })).cloned().collect()
        };
        let bytes = cpio::to_vec(&tree_of(&plain(&one))).unwrap();
        prop_assert_eq!(bytes, cpio::to_vec(&tree_of(&plain(&other))).unwrap());
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        drop(cpio::read(&bytes));
    }

    #[test]
    fn a_cut_archive_is_noticed(entries in entries(), cut in 1_usize..120) {
        let bytes = cpio::to_vec(&tree_of(&entries)).unwrap();
        // The trailer alone is 124 bytes, so that any cut of fewer leaves it, or its padding, unfinished.
        prop_assert!(cpio::read(&bytes[..bytes.len() - cut]).is_err());
    }
}

#[expect(clippy::unwrap_used, reason = "tests")]
fn sample() -> Tree {
    let mut tree = Tree::new();
    tree.insert_dir("root", 0o700).unwrap();
    tree.insert_file("usr/bin/tool", 0o4755, *b"#!/bin/sh\n").unwrap();
    tree.insert_file("etc/empty", 0o600, *b"").unwrap();
    tree.insert_symlink("bin", "usr/bin").unwrap();
    tree.insert(
        "dev/console",
        Node::CharDevice {
            mode: 0o600,
            major: 5,
            minor: 1,
        },
    )
    .unwrap();
    tree
}

#[test]
fn archives_behind_one_another_are_one_tree() {
    let mut bytes = cpio::to_vec(&sample()).unwrap();
    let mut second = Tree::new();
    second.insert_file("etc/empty", 0o600, *b"no longer").unwrap();
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(&cpio::to_vec(&second).unwrap());
    let tree = cpio::read(&bytes).unwrap();
    assert_eq!(tree.file("etc/empty").unwrap().as_ref(), b"no longer");
    assert!(tree.file("bin/tool").is_some());
}

#[test]
fn the_bytes_are_those_of_the_format() {
    let mut tree = Tree::new();
    tree.insert_file("a", 0o644, *b"hi").unwrap();
    let bytes = cpio::to_vec(&tree).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    // The root comes first, in 112 bytes.
    assert!(text[112..].starts_with(concat!(
        "070701",
        "00000002",
        "000081a4",
        "00000000",
        "00000000",
        "00000001",
        "00000000",
        "00000002",
        "00000000",
        "00000000",
        "00000000",
        "00000000",
        "00000002",
        "00000000",
        "a\0hi\0\0",
        "070701"
    )));
    assert_eq!(bytes.len(), 112 + 112 + 4 + 124);
}

#[test]
fn another_cpio_lists_the_same() {
    let archive = cpio::to_vec(&sample()).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), archive).unwrap();
    let mut checked = 0;
    for (program, args) in [
        ("cpio", &["-itv"][..]),
        ("busybox", &["cpio", "-itv"][..]),
        ("bsdtar", &["-tvf", "-"][..]),
    ] {
        let input = std::fs::File::open(file.path()).unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test of foreign tools")]
        let output = Command::new(program)
            .args(args)
            .stdin(input)
            .stderr(Stdio::piped())
            .output();
        let Ok(output) = output else {
            #[expect(clippy::print_stderr, reason = "a skip says why")]
            {
                eprintln!("skipped: no `{program}` on this machine");
            }
            continue;
        };
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{program}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        for expected in [
            "-rwsr-xr-x",
            "usr/bin/tool",
            "etc/empty",
            "bin -> usr/bin",
            "drwx------",
            "dev/console",
        ] {
            assert!(
                text.contains(expected),
                "{program} does not list `{expected}`:\n{text}"
            );
        }
        checked += 1;
    }
    assert!(
        checked > 0 || std::env::var_os("LABCTL_FORBID_SKIP").is_none(),
        "no foreign tool was there to agree"
    );
}
