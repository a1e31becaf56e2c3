//! However labctl ends, nothing of it stays that was not promised.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::bed::{Bed, bed, explain};

/// Starts a check and returns when its guest has begun to boot.
fn booting(bed: &Bed) -> (Child, BufReader<std::process::ChildStderr>) {
    let mut child = bed
        .command(&["check", "exercise-b", "--reference", "--kernel", "debian-6.12"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while stderr.read_line(&mut line).unwrap() > 0 {
        if line.trim_start().starts_with("boot") {
            return (child, stderr);
        }
        line.clear();
    }
    panic!("the check ended before its guest booted: {:?}", child.wait());
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap()
}

#[test]
fn an_interrupt_while_booting_ends_in_order() {
    let Some(bed) = bed() else { return };
    let (mut child, mut stderr) = booting(&bed);
    kill_process(pid(&child), Signal::INT).unwrap();
    let status = child.wait().unwrap();
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut stderr, &mut rest).unwrap();
    assert_eq!(status.code(), Some(130), "{rest}");
    bed.assert_nothing_left();
}

#[test]
fn what_a_killed_labctl_leaves_is_reaped_by_the_next_command() {
    let Some(bed) = bed() else { return };
    let (mut child, _stderr) = booting(&bed);
    kill_process(pid(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    let status = bed.labctl(&["status"]);
    assert!(status.status.success(), "{}", explain(&status));
    bed.assert_nothing_left();
}
