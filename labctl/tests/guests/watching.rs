//! `watch` with a real guest that waits for the save.

use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStdout, Stdio};

use fs_err as fs;
use rustix::process::{Pid, Signal, kill_process};

use crate::bed::{Bed, bed, explain};
use crate::pty::Terminal;

const SOURCE: &str = "ws/src/send_trace.c";
const WATCH: [&str; 6] = [
    "watch",
    "exercise-b",
    "--workspace",
    "ws",
    "--kernel",
    "debian-6.12",
];

/// `labctl watch` of one exercise in a fresh workspace, without a terminal.
struct Watching {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

fn watching(bed: &Bed) -> Watching {
    if !bed.dir.path().join("ws").exists() {
        bed.ok(&["init", "module7", "ws"]);
    }
    let mut child = bed
        .command(&WATCH)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    Watching { child, lines }
}

impl Watching {
    /// Waits for a line with `text`; returns it and those before it.
    fn until(&mut self, text: &str) -> String {
        let mut said = String::new();
        for line in self.lines.by_ref() {
            let line = line.unwrap();
            said.push_str(&line);
            said.push('\n');
            if line.contains(text) {
                return said;
            }
        }
        panic!("it ended before `{text}`: {:?}\n{said}", self.child.wait());
    }

    fn end(mut self, signal: Signal) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.child.wait().unwrap().code()
    }
}

#[test]
fn a_guest_waits_and_is_replaced_when_it_dies() {
    let Some(bed) = bed() else { return };
    bed.ok(&["init", "module7", "ws"]);
    let mut terminal = Terminal::start(&bed.command(&WATCH), std::env::vars_os(), (100, 60));
    terminal.until("a guest is ready");
    kill_process(bed.qemu(), Signal::KILL).unwrap();
    terminal.until("a guest is starting");
    terminal.until("a guest is ready");

    let source = bed.dir.path().join(SOURCE);
    let good = fs::read_to_string(&source).unwrap();
    fs::write(&source, format!("{good}\nint oops(\n")).unwrap();
    terminal.until("src/send_trace.c changed, checking");
    terminal.until("failed (was passed) send_trace-builds");
    terminal.until("a guest is ready");
    // A save while something is checked: that is given up, and what was saved last is judged.
    fs::write(&source, format!("{good}\n/* new */\n")).unwrap();
    terminal.until("src/send_trace.c changed, checking");
    fs::write(&source, format!("{good}\n/* newer */\n")).unwrap();
    terminal.until("src/send_trace.c changed, checking");
    terminal.until("passed (was failed) send_trace-builds");
    terminal.until("a guest is ready");
    fs::write(&source, good).unwrap();
    terminal.until("nothing has changed");
    // Another exercise, whose guest has other tools, takes the place of this one's.
    terminal.until("a guest is ready");
    terminal.press("n");
    terminal.until("module7/exercise-c");
    terminal.until("a guest is ready");
    terminal.press("q");
    assert_eq!(terminal.end(), Some(0));
    assert!(!terminal.said.contains("inconclusive"), "{}", terminal.said);
    bed.assert_nothing_left();
}

#[test]
fn an_end_at_any_time_leaves_no_guest() {
    let Some(bed) = bed() else { return };
    // While one waits or is on its way.
    for signal in [Signal::TERM, Signal::KILL] {
        let mut watching = watching(&bed);
        watching.until("verdict after");
        bed.qemu();
        let code = watching.end(signal);
        if signal == Signal::KILL {
            let next = bed.labctl(&["status"]);
            assert!(next.status.success(), "{}", explain(&next));
        } else {
            assert_eq!(code, Some(130));
        }
        bed.assert_nothing_left();
    }
    // While something is checked.
    let mut watching = watching(&bed);
    bed.qemu();
    kill_process(Pid::from_child(&watching.child), Signal::INT).unwrap();
    assert_eq!(watching.child.wait().unwrap().code(), Some(130));
    bed.assert_nothing_left();
}
