//! Guests that go on from a frozen one: each is a machine of its own, and whatever is wrong with what was frozen, there
//! is a guest.

use std::collections::BTreeSet;
use std::time::SystemTime;

use fs_err as fs;
use serde_json::Value;

use crate::bed::{Bed, bed, explain};

pub(crate) const KERNEL: [&str; 2] = ["--kernel", "debian-6.12"];
const MADE: &str = "once, as a template";
const BOOTED: &str = "guests are booted instead";

/// Everything but templates comes from the user's store.
pub(crate) fn bed_without_templates() -> Option<Bed> {
    let mut bed = bed()?;
    bed.ok(&[
        "exec",
        "--fresh",
        "module7",
        "--no-template",
        KERNEL[0],
        KERNEL[1],
        "--",
        "true",
    ]);
    bed.own_store(&["debs", "roots", "kernels", "images", "artefacts"]);
    Some(bed)
}

/// Runs `script` in a guest of its own; what it printed, and what labctl said.
fn fresh(bed: &Bed, options: &[&str], script: &str) -> (String, String) {
    let mut args = vec!["exec", "--fresh", "module7", KERNEL[0], KERNEL[1]];
    args.extend(options);
    args.extend(["--", "sh", "-c", script]);
    let output = bed.labctl(&args);
    assert!(output.status.success(), "{}", explain(&output));
    (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

pub(crate) fn templates(bed: &Bed) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(bed.store().join("templates")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_clone_is_a_machine_of_its_own() {
    let Some(bed) = bed_without_templates() else {
        return;
    };
    let script =
        "head -c 16 /dev/urandom | od -An -tx1; echo $RANDOM; date +%s; echo mine > /root/mine; ls /root";
    let mut random = BTreeSet::new();
    for turn in 0..4 {
        let (printed, said) = fresh(&bed, &[], script);
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        assert_eq!(said.contains(MADE), turn == 0, "{said}");
        assert!(!said.contains(BOOTED), "{said}");
        let lines: Vec<&str> = printed.lines().collect();
        let [bytes, _, date, only] = lines[..] else {
            panic!("{printed}")
        };
        assert!(
            random.insert(bytes.to_owned()),
            "the same random bytes twice: {printed}"
        );
        // It was told the time when it went on; a loaded host may take a while to ask.
        let date: u64 = date.parse().unwrap();
        assert!((now - 120..=now + 1).contains(&date), "{date} is not {now}");
        assert_eq!(only, "mine", "nothing of another clone is there");
    }
    let (log, _) = fresh(&bed, &[], "dmesg");
    assert!(
        log.contains("Linux version") && log.contains("crng reseeded due to virtual machine fork"),
        "{log}"
    );
    assert_eq!(templates(&bed).len(), 1);
    bed.assert_nothing_left();
}

#[test]
fn clones_live_side_by_side() {
    let Some(bed) = bed_without_templates() else {
        return;
    };
    // Several want the template that is not there yet: one makes it.
    let children: Vec<_> = (0..4)
        .map(|number| {
            let echo = format!("echo {number}");
            let mut command = bed.command(&["exec", "--fresh", "module7", KERNEL[0], KERNEL[1]]);
            command.args(["--", "sh", "-c", &echo]);
            let pipe = std::process::Stdio::piped;
            command.stdout(pipe()).stderr(pipe()).spawn().unwrap()
        })
        .collect();
    let mut made = 0;
    for (number, child) in children.into_iter().enumerate() {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", explain(&output));
        assert_eq!(output.stdout, format!("{number}\n").as_bytes());
        made += usize::from(String::from_utf8_lossy(&output.stderr).contains(MADE));
    }
    assert_eq!((made, templates(&bed).len()), (1, 1));
    bed.assert_nothing_left();
}

#[test]
fn without_a_template_a_guest_is_booted() {
    let Some(bed) = bed_without_templates() else {
        return;
    };
    let (printed, said) = fresh(&bed, &["--no-template"], "echo it runs");
    assert_eq!(printed, "it runs\n");
    assert!(!said.contains(MADE) && templates(&bed).is_empty(), "{said}");
    bed.assert_nothing_left();
}

/// A state that is whole as the store sees it, and that QEMU cannot go on from.
#[test]
fn a_state_that_cannot_be_restored_is_said_once() {
    let Some(bed) = bed_without_templates() else {
        return;
    };
    fresh(&bed, &[], "true");
    let entry = templates(&bed).remove(0);
    replace(&entry, "state", b"this was never a machine");

    let (printed, said) = fresh(&bed, &[], "echo it runs");
    assert_eq!(printed, "it runs\n");
    assert_eq!(said.matches(BOOTED).count(), 1, "{said}");
    let check = [
        "check",
        "exercise-b",
        "exercise-c",
        "--reference",
        KERNEL[0],
        KERNEL[1],
    ];
    let output = bed.labctl(&check);
    assert_eq!(output.status.code(), Some(0), "{}", explain(&output));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.matches(BOOTED).count(), 1, "{said}");
    bed.assert_nothing_left();
}

/// What labctl and a clone have to say to each other takes no part in the network that lessons are about.
#[test]
fn a_clone_is_reached_without_its_network() {
    let Some(bed) = bed_without_templates() else {
        return;
    };
    let script =
        "ip link set eth0 down; cat /sys/class/net/eth0/operstate; head -c 3000000 /dev/zero | wc -c";
    let (printed, said) = fresh(&bed, &[], script);
    assert_eq!(printed, "down\n3000000\n");
    assert!(!said.contains("the network is used"), "{said}");

    // Its server is killed, without a good-bye.
    let cut = ["exec", "--fresh", "module7", KERNEL[0], KERNEL[1], "--"];
    let cut = bed.labctl(&[&cut[..], &["sh", "-c", "kill -9 $PPID; sleep 1000"]].concat());
    let said = String::from_utf8_lossy(&cut.stderr).into_owned();
    assert!(!cut.status.success(), "{}", explain(&cut));
    assert!(said.contains("closed from the other side"), "{said}");
    bed.assert_nothing_left();
}

/// The network is the other way in.
#[test]
fn a_line_on_which_nobody_answers_is_said() {
    let Some(bed) = bed_without_templates() else {
        return;
    };
    fresh(&bed, &[], "true");
    let entry = templates(&bed).remove(0);
    let nonsense = b"SSH-2.0-nonsense\r\n\xff\xff\xff\xff";
    replace(&entry, "greeting", nonsense);
    let (printed, said) = fresh(&bed, &[], "echo it runs");
    assert_eq!(printed, "it runs\n");
    assert_eq!(said.matches("the network is used").count(), 1, "{said}");
    assert!(said.contains("the handshake failed: "), "with its cause: {said}");
    assert!(!said.contains(BOOTED), "{said}");
    bed.assert_nothing_left();
}

/// Puts `content` in the place of a template's file, so that the store takes the entry for whole.
fn replace(entry: &std::path::Path, file: &str, content: &[u8]) {
    fs::write(entry.join(file), content).unwrap();
    let path = entry.join("MANIFEST.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    manifest["files"][file] = serde_json::json!({ "size": content.len() });
    fs::write(path, manifest.to_string()).unwrap();
}
