//! Looking after the store: what it holds, what may go, what is damaged.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use fs_err as fs;
use labctl::digest::Digest;
use labctl::store::{Bucket, Entry, Store, StoreError};
use labctl::supervise::Cancel;

use super::shell::Shell;

const DAY: Duration = Duration::from_secs(86_400);

/// A store with a kernel, a frozen guest and a compiled module, none of them used for 40 days, and one of labctl's own
/// programs.
struct Stocked {
    shell: Shell,
}

impl Stocked {
    fn new() -> Self {
        let stocked = Self { shell: Shell::new() };
        let store = stocked.store();
        put(
            &store,
            Bucket::Kernels,
            "0a1b",
            "kernel.json",
            br#"{"release": "6.12.1-small"}"#,
        );
        put(&store, Bucket::Templates, "2c3d", "memory", &[1; 1 << 20]);
        put(&store, Bucket::Artefacts, "4e5f", "send_trace.ko", b"\x7fELF");
        let program = labctl::embedded::SENDER.bytes;
        put(
            &store,
            Bucket::Artefacts,
            &Digest::of(program).to_string(),
            "sender",
            program,
        );
        stocked
    }

    /// The store, as another labctl has it open.
    fn store(&self) -> Store {
        Store::open(&self.shell.path("home/.cache/labctl")).unwrap()
    }

    /// What is there of the three that nobody needs.
    fn left(&self) -> Vec<&'static str> {
        let there = |path: &&str| self.shell.path("home/.cache/labctl/v1").join(path).exists();
        let all = ["kernels/0a1b", "templates/2c3d", "artefacts/4e5f"];
        all.into_iter().filter(there).collect()
    }

    fn run(&self, args: &[&str]) -> String {
        self.shell.run(args)
    }
}

fn put(store: &Store, bucket: Bucket, id: &str, file: &str, bytes: &[u8]) {
    let make = |dir: &Path| fs::write(dir.join(file), bytes).map_err(StoreError::io("write a test's entry"));
    let made = store.get_or_make(bucket, id, &Cancel::new(), |_| {}, make);
    unused_for(&made.unwrap(), DAY * 40);
}

fn unused_for(entry: &Entry, span: Duration) {
    let folder = fs::File::open(entry.path()).unwrap();
    folder.set_modified(SystemTime::now() - span).unwrap();
}

/// Holds the text against its snapshot, without what depends on the file system.
fn compare(name: &str, text: String) {
    insta::with_settings!({filters => vec![
        (r" *\b[0-9.]+ [KMG]iB", " [SIZE]"),
        (r#""bytes": \d+"#, r#""bytes": "[SIZE]""#),
        (r#""freed": \d+"#, r#""freed": "[SIZE]""#),
        (r#""last_used": \d+"#, r#""last_used": "[TIME]""#),
        (r"\(\d+\.\d s\)", "([SPAN])"),
        // labctl's own program changes with its source.
        (r"\b[0-9a-f]{64}\b", "[OWN]"),
        (r"\b[0-9a-f]{12}\b ", "[OWN] "),
    ]}, { insta::assert_snapshot!(name, text) });
}

#[test]
fn an_empty_store_is_no_error() {
    let shell = Shell::new();
    let said: Vec<_> = [
        &["cache", "ls"][..],
        &["cache", "ls", "kernels", "--format", "json"],
        &["cache", "gc"],
        &["cache", "verify"],
    ]
    .iter()
    .map(|args| shell.run(args))
    .collect();
    compare("cache-empty", said.join("\n"));
}

#[test]
fn what_there_is_has_a_name_and_an_age() {
    let stocked = Stocked::new();
    let said = [
        stocked.run(&["cache", "ls"]),
        stocked.run(&["cache", "ls", "templates", "artefacts"]),
        stocked.run(&["cache", "ls", "--format", "json"]),
    ];
    compare("cache-ls", said.join("\n"));
}

#[test]
fn what_was_not_used_for_long_goes() {
    let stocked = Stocked::new();
    let said = [
        stocked.run(&["cache", "gc", "--older-than", "50d"]),
        stocked.run(&["cache", "gc", "--dry-run"]),
        stocked.run(&["cache", "gc", "--bucket", "kernels", "--bucket", "staging"]),
        stocked.run(&["cache", "gc", "--format", "json"]),
        stocked.run(&["cache", "gc", "--older-than", "0s"]),
    ];
    compare("cache-gc", said.join("\n"));
    assert_eq!(stocked.left(), [""; 0]);
    let own = labctl::embedded::SENDER.digest().to_string();
    assert!(stocked.store().get(Bucket::Artefacts, &own).unwrap().is_some());
}

#[test]
fn what_somebody_uses_stays_however_old_it_is() {
    let stocked = Stocked::new();
    // One labctl has the kernel in its hands, another makes the artefact anew, and a guest maps the memory.
    let other = stocked.store();
    let kernel = other.get(Bucket::Kernels, "0a1b").unwrap().unwrap();
    unused_for(&kernel, DAY * 40);
    let making = other.lock(Bucket::Artefacts, "4e5f", &Cancel::new()).unwrap();
    #[expect(clippy::disallowed_methods, reason = "stands for a guest")]
    let mut guest = std::process::Command::new("cat")
        .args(["-", "/v1/templates/2c3d/memory,share=off"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    compare("cache-gc-used", stocked.run(&["cache", "gc"]));
    assert_eq!(stocked.left().len(), 3);
    drop((other, making));
    drop(guest.stdin.take());
    guest.wait().unwrap();
    stocked.run(&["cache", "gc"]);
    assert_eq!(stocked.left(), [""; 0]);
}

#[test]
fn what_a_killed_labctl_was_making_can_be_resumed_for_a_while() {
    let stocked = Stocked::new();
    let store = stocked.store();
    let scratch = store.scratch(Bucket::Kernels, &"7".repeat(64));
    fs::create_dir_all(scratch.join("linux")).unwrap();
    compare("cache-gc-staging", stocked.run(&["cache", "ls", "staging"]));
    stocked.run(&["cache", "gc"]);
    assert!(scratch.exists(), "a build that was interrupted today");
    let working = store
        .lock(Bucket::Kernels, &"7".repeat(64), &Cancel::new())
        .unwrap();
    stocked.run(&["cache", "gc", "--older-than", "0s"]);
    assert!(scratch.exists(), "a build that goes on");
    drop(working);
    stocked.run(&["cache", "gc", "--older-than", "0s"]);
    assert!(!scratch.exists());
}

#[test]
fn a_damaged_entry_is_named_and_removed_on_request() {
    let stocked = Stocked::new();
    let memory = stocked.shell.path("home/.cache/labctl/v1/templates/2c3d/memory");
    let before = fs::metadata(&memory).unwrap().modified().unwrap();
    let mut bytes = fs::read(&memory).unwrap();
    bytes[4711] ^= 1;
    fs::write(&memory, bytes).unwrap();
    // As a bad disk would have it: nobody wrote.
    fs::File::options()
        .write(true)
        .open(&memory)
        .unwrap()
        .set_modified(before)
        .unwrap();
    let said = [
        stocked.run(&["cache", "verify", "kernels"]),
        stocked.run(&["cache", "verify"]),
        stocked.run(&["cache", "verify", "--format", "json"]),
        stocked.run(&["cache", "verify", "--repair"]),
        stocked.run(&["cache", "verify"]),
    ];
    compare("cache-verify", said.join("\n"));
    assert_eq!(stocked.left(), ["kernels/0a1b", "artefacts/4e5f"]);
}

#[test]
fn a_time_that_is_none_is_refused() {
    let shell = Shell::new();
    compare(
        "cache-usage",
        shell.run(&["cache", "gc", "--older-than", "yesterday"]),
    );
}
