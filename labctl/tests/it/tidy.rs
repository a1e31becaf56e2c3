//! The house rules that a compiler does not know: layers, sizes, documents that stay true.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fs_err as fs;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every file that git would track, relative to the repository, without the build folder.
fn files(below: &str) -> Vec<PathBuf> {
    fn walk(root: &Path, dir: &Path, found: &mut Vec<PathBuf>) {
        let mut entries: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        entries.sort();
        for path in entries {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !matches!(name.as_str(), "target" | ".git" | ".labctl") {
                    walk(root, &path, found);
                }
            } else {
                found.push(path.strip_prefix(root).unwrap().to_owned());
            }
        }
    }
    let root = repository();
    let mut found = Vec::new();
    walk(&root, &root.join(below), &mut found);
    assert!(!found.is_empty(), "nothing below {below}");
    found
}

/// What each top-level module of labctl may use. An edge that is not here is a change of the architecture, and
/// belongs into ARCHITECTURE.md first.
const LAYERS: &[(&str, &[&str])] = &[
    // Data and rules: no effects.
    ("event", &[]),
    ("digest", &[]),
    ("deadline", &[]),
    ("run_dir", &[]),
    ("spec", &[]),
    ("grade", &["spec"]),
    ("lint", &["grade", "spec"]),
    ("class", &["grade"]),
    ("similar", &[]),
    // One outside world each.
    ("supervise", &["deadline"]),
    ("store", &["digest", "supervise"]),
    ("apt", &["deadline", "digest", "event", "store", "supervise"]),
    ("sandbox", &["deadline", "event", "supervise"]),
    ("submission", &["deadline", "digest", "sandbox", "supervise"]),
    (
        "toolchain",
        &["apt", "digest", "event", "sandbox", "store", "supervise"],
    ),
    (
        "cbuild",
        &[
            "deadline",
            "digest",
            "event",
            "sandbox",
            "store",
            "supervise",
            "toolchain",
        ],
    ),
    ("embedded", &["digest"]),
    (
        "kernel",
        &[
            "apt",
            "cbuild",
            "deadline",
            "digest",
            "event",
            "sandbox",
            "store",
            "supervise",
            "toolchain",
        ],
    ),
    (
        "image",
        &[
            "apt",
            "deadline",
            "digest",
            "embedded",
            "event",
            "sandbox",
            "store",
            "supervise",
            "toolchain",
        ],
    ),
    ("vm", &["deadline", "event", "supervise"]),
    ("accel", &["deadline", "digest", "supervise", "vm"]),
    ("guest", &["deadline", "event", "supervise"]),
    // Orchestration.
    (
        "session",
        &[
            "accel",
            "apt",
            "cbuild",
            "deadline",
            "digest",
            "embedded",
            "event",
            "guest",
            "image",
            "kernel",
            "sandbox",
            "spec",
            "store",
            "supervise",
            "toolchain",
            "vm",
        ],
    ),
    (
        "exercise",
        &[
            "cbuild",
            "deadline",
            "digest",
            "event",
            "grade",
            "guest",
            "run_dir",
            "session",
            "spec",
            "supervise",
            "vm",
        ],
    ),
    // Presentation.
    ("report", &["class", "grade", "lint", "similar", "spec"]),
];

#[test]
fn layers_hold() {
    let layers: BTreeMap<_, _> = LAYERS.iter().copied().collect();
    let mut wrong = BTreeSet::new();
    for file in files("labctl/src") {
        let relative = file.strip_prefix("labctl/src").unwrap();
        let first = relative
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_string_lossy()
            .into_owned();
        let layer = first.trim_end_matches(".rs");
        if matches!(layer, "cli" | "main" | "lib") || file.extension().is_none_or(|ext| ext != "rs") {
            continue;
        }
        let Some(allowed) = layers.get(layer) else {
            wrong.insert(format!("`{layer}` has no row in LAYERS"));
            continue;
        };
        let text = fs::read_to_string(repository().join(&file)).unwrap();
        for (_, rest) in text
            .match_indices("crate::")
            .map(|(at, word)| text.split_at(at + word.len()))
        {
            let used: String = rest
                .chars()
                .take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_')
                .collect();
            if !used.is_empty() && used != layer && !allowed.contains(&used.as_str()) {
                wrong.insert(format!("{}: `{layer}` must not use `{used}`", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn pure_layers_touch_nothing() {
    let forbidden = [
        "std::fs",
        "fs_err",
        "tokio",
        "std::process",
        "std::env",
        "SystemTime",
        "Instant::now",
        "std::net",
    ];
    for layer in ["spec", "grade", "lint", "class", "similar", "report"] {
        for file in files(&format!("labctl/src/{layer}")) {
            let text = fs::read_to_string(repository().join(&file)).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            for word in forbidden {
                assert!(!code.contains(word), "{} uses {word}", file.display());
            }
        }
    }
}

#[test]
fn no_file_is_a_hall() {
    for file in files("labctl").into_iter().chain(files("guest-tools")) {
        if file.extension().is_some_and(|ext| ext == "rs") {
            let lines = fs::read_to_string(repository().join(&file))
                .unwrap()
                .lines()
                .count();
            assert!(
                lines <= 800,
                "{} has {lines} lines: it holds more than one job",
                file.display()
            );
        }
    }
}

#[test]
fn every_path_that_architecture_names_exists() {
    let text = fs::read_to_string(repository().join("ARCHITECTURE.md")).unwrap();
    assert!(text.lines().count() < 200, "ARCHITECTURE.md is a map, not a book");
    let mut seen = 0;
    for word in text.split('`').skip(1).step_by(2) {
        let looks_like_a_path = word.contains('/')
            && word
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || "/._-".contains(letter))
            && !word.starts_with('/');
        if looks_like_a_path {
            seen += 1;
            assert!(
                repository().join(word).exists(),
                "ARCHITECTURE.md names `{word}`, which does not exist"
            );
        }
    }
    assert!(seen > 5, "ARCHITECTURE.md names hardly any path");
}

#[test]
fn no_archive_host_is_written_down() {
    // Spelled in parts, so that this file does not fail its own test.
    let hosts = [
        ["deb.", "debian.org"],
        ["snapshot.", "debian.org"],
        ["security.", "debian.org"],
        ["static.", "crates.io"],
    ];
    for file in files("") {
        // Cargo's own lock file names the registry in its own way.
        if file == Path::new("Cargo.lock") {
            continue;
        }
        let Ok(text) = fs::read_to_string(repository().join(&file)) else {
            continue;
        };
        for host in hosts {
            assert!(
                !text.contains(&host.concat()),
                "{} names an archive's host",
                file.display()
            );
        }
    }
}
