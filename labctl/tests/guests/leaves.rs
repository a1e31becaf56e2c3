//! However labctl ends, and whenever, nothing of it stays that was not promised.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use crate::bed::{Bed, Running, bed, explain};

const CHECK: [&str; 5] = ["check", "exercise-b", "--reference", "--kernel", "debian-6.12"];
const UP: [&str; 4] = ["up", "module7", "--kernel", "debian-6.12"];

/// Ends `args` in `stage`, first by a Ctrl-C and then by a `kill -9`.
fn end_twice(bed: &Bed, args: &[&str], stage: &str) {
    end_twice_when(bed, args, stage, |_| {});
}

/// The same, once `deep` in that stage has been reached.
fn end_twice_when(bed: &Bed, args: &[&str], stage: &str, deep: impl Fn(&mut Running)) {
    let mut running = bed.started(args, stage);
    deep(&mut running);
    running.signal(Signal::INT);
    let (code, stdout, said) = running.end();
    assert_eq!(code, Some(130), "{stage}: {said}");
    assert!(said.contains("stopped: interrupted"), "{stage}: {said}");
    assert_eq!(stdout, "", "no verdict: {said}");
    bed.assert_nothing_left();

    let mut running = bed.started(args, stage);
    deep(&mut running);
    running.signal(Signal::KILL);
    running.child.wait().unwrap();
    // One command that looks at guests and one that opens the store.
    for next in [&["status"][..], &["kernel", "ls"]] {
        let next = bed.labctl(next);
        assert!(next.status.success(), "{}", explain(&next));
    }
    bed.assert_nothing_left();
}

#[test]
fn an_end_in_any_phase_of_a_first_run() {
    let Some(mut bed) = bed() else { return };
    // The packages come from the user's store; all that is made of them is missing.
    bed.ok(&["kernel", "build", "debian-6.12"]);
    bed.own_store(&["debs"]);
    for stage in ["toolchain", "kernel", "image", "build", "boot"] {
        end_twice(&bed, &UP, stage);
    }
}

#[test]
fn an_end_in_any_phase_of_a_check() {
    let Some(bed) = bed() else { return };
    bed.ok(&["kernel", "build", "debian-6.12"]);
    for stage in ["boot", "push", "run"] {
        end_twice(&bed, &CHECK, stage);
    }
    let runs = bed.state().join("runs");
    let left = fs_err::read_dir(runs).unwrap().count();
    assert_eq!(
        left, 3,
        "an interrupted run leaves no record; a killed one cannot help it"
    );
}

#[test]
fn an_end_while_a_kernel_is_compiled() {
    let Some(mut bed) = bed() else { return };
    bed.ok(&["kernel", "build", "lab-6.12"]);
    bed.own_store(&["debs", "roots"]);
    let build = ["kernel", "build", "lab-6.12"];
    end_twice(&bed, &build, "kernel");
    // While the sandbox is at work, which writes a log.
    let staging = bed.store().join("staging");
    end_twice_when(&bed, &build, "kernel", |running| {
        while !has_build_log(&staging) {
            assert!(running.child.try_wait().unwrap().is_none(), "{}", running.said);
            std::thread::park_timeout(Duration::from_millis(20));
        }
    });
}

fn has_build_log(staging: &Path) -> bool {
    let entries = fs_err::read_dir(staging).unwrap();
    entries
        .filter_map(Result::ok)
        .any(|entry| entry.path().join("build.log").is_file())
}

#[test]
fn two_interrupts_kill_what_one_would_have_waited_for() {
    let Some(bed) = bed() else { return };
    let mut running = bed.started(&CHECK, "boot");
    running.signal(Signal::INT);
    running.until("warning: stopping in order");
    running.signal(Signal::INT);
    let (code, _, said) = running.end();
    assert_eq!(code, Some(130), "{said}");
    bed.assert_nothing_left();
}
