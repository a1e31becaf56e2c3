//! Edit, save, see the verdict: at a terminal, without one, and however it ends.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use fs_err as fs;
use rustix::process::{Pid, Signal, kill_process};

use super::pty::Terminal;
use super::shell::Shell;

const ANSWERS: &str = "here/copies/answers/bandwidth.yaml";
const CLEAR: &str = "\x1b[H\x1b[2J";

/// A fresh workspace of the small course.
fn workspace() -> Shell {
    let shell = Shell::new();
    let made = shell.run_course(&["init", "copies"]);
    assert!(made.contains("exit 0"), "{made}");
    shell
}

fn answer(shell: &Shell, moved: &str, register: &str) {
    shell.write(ANSWERS, &format!("moved: {moved}\nregister: {register}\n"));
}

/// `labctl watch` in the workspace, at a terminal.
fn watch(shell: &Shell, args: &[&str]) -> Terminal {
    watch_at(shell, args, "xterm-256color", 90, 40)
}

fn watch_at(shell: &Shell, args: &[&str], term: &str, columns: u16, rows: u16) -> Terminal {
    let mut command = shell.course_command(&[&["watch"], args].concat());
    command.current_dir(shell.here("copies")).env("TERM", term);
    Terminal::start(&command, [], (columns, rows))
}

/// Waits for a screen on which all of `wanted` can be read at once; returns what can be read.
fn shows(terminal: &mut Terminal, wanted: &[&str]) -> String {
    loop {
        let drawn = terminal.until("\x1b[J");
        let last = drawn.rfind("\x1b[H").map_or(&*drawn, |at| &drawn[at..]);
        let seen = anstream::adapter::strip_str(last).to_string().replace('\r', "");
        if wanted.iter().all(|text| seen.contains(text)) {
            return seen;
        }
    }
}

#[test]
fn a_save_is_judged_and_what_it_changed_is_shown() {
    let shell = workspace();
    let mut terminal = watch(&shell, &[]);
    shows(
        &mut terminal,
        &["copies/bandwidth  failed  0/3 points", "waiting for a save"],
    );
    assert!(!terminal.is_ordinary(), "keys are read one by one");

    answer(&shell, "1 GB", "rsi");
    shows(&mut terminal, &["answers/bandwidth.yaml changed, checking"]);
    let seen = shows(
        &mut terminal,
        &[
            "since the check before: 0 → 2 of 3 points (+2)",
            "+ passed (was failed) register",
            "waiting for a save",
        ],
    );
    assert!(!seen.contains("hint 1"), "{seen}");

    terminal.press("h");
    shows(&mut terminal, &["hint 1 of 3", "A copy is a read and a write"]);
    terminal.press("h");
    shows(&mut terminal, &["hint 2 of 3"]);

    answer(&shell, "2 GB", "rdi");
    let seen = shows(
        &mut terminal,
        &[
            "2 → 1 of 3 points (-1)",
            "+ passed (was failed) moved",
            "- failed (was passed) register",
            "waiting for a save",
        ],
    );
    assert!(!seen.contains("hint 2"), "it was about another state: {seen}");

    terminal.press("r");
    shows(&mut terminal, &["nothing has changed", "waiting for a save"]);
    terminal.press("q");
    assert_eq!(terminal.end(), Some(0));
    assert!(terminal.is_ordinary());
    shell.assert_tidy();
}

#[test]
fn editors_save_in_many_ways() {
    for args in [&[][..], &["--poll"]] {
        let shell = workspace();
        let mut terminal = watch(&shell, args);
        shows(&mut terminal, &["waiting for a save"]);
        // Beside it, and over it.
        shell.write(
            "here/copies/answers/.bandwidth.yaml.swp",
            "moved: 2 GB\nregister: rdi\n",
        );
        let path = |name: &str| shell.path("here/copies/answers").join(name);
        fs::rename(path(".bandwidth.yaml.swp"), path("bandwidth.yaml")).unwrap();
        shows(&mut terminal, &["0 → 1 of 3 points", "waiting for a save"]);
        // Away, and anew.
        fs::rename(path("bandwidth.yaml"), path("bandwidth.yaml~")).unwrap();
        answer(&shell, "2 GB", "rsi");
        shows(&mut terminal, &["passed  3/3 points", "waiting for a save"]);
        // The whole folder.
        let (answers, old) = (shell.path("here/copies/answers"), shell.path("here/copies/old"));
        fs::rename(&answers, &old).unwrap();
        shows(
            &mut terminal,
            &["copies/bandwidth  invalid", "waiting for a save"],
        );
        answer(&shell, "1 GB", "rsi");
        shows(&mut terminal, &["2/3 points", "waiting for a save"]);
        answer(&shell, "2 GB", "rsi");
        shows(&mut terminal, &["passed  3/3 points"]);
        terminal.press("q");
        assert_eq!(terminal.end(), Some(0));
    }
}

#[test]
fn half_a_line_is_waited_over() {
    let shell = workspace();
    answer(&shell, "2 GB", "rdi");
    let mut terminal = watch(&shell, &["bandwidth"]);
    shows(&mut terminal, &["1/3 points", "waiting for a save"]);
    shell.write(ANSWERS, "moved: 2 GB\nregister: \"rs\n");
    let seen = shows(
        &mut terminal,
        &["invalid", "answers/bandwidth.yaml:2:11", "waiting for a save"],
    );
    assert!(!seen.contains("since the check before"), "{seen}");
    shell.write("here/copies/workspace.yaml", "module: copies\nsed: 1\n");
    shows(
        &mut terminal,
        &["error:", "workspace.yaml:2:1", "waiting for a save"],
    );
    shell.write("here/copies/workspace.yaml", "module: copies\n");
    answer(&shell, "2 GB", "rsi");
    let seen = shows(&mut terminal, &["1 → 3 of 3 points (+2)", "waiting for a save"]);
    assert!(!seen.contains("error:"), "{seen}");
    terminal.press("\x04");
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn the_next_exercise_is_the_one_that_is_not_passed() {
    let shell = workspace();
    let mut terminal = watch(&shell, &["bandwidth"]);
    shows(&mut terminal, &["waiting for a save"]);
    // It needs a kernel, whose lock is missing here: that is told, and the keys go on working.
    terminal.press("n");
    shows(&mut terminal, &["copies/live", "error:", "waiting for a save"]);
    terminal.press("n");
    shows(&mut terminal, &["copies/bandwidth  failed", "waiting for a save"]);
    terminal.press("Q");
    assert_eq!(terminal.end(), Some(0));

    // It begins with the first that is not passed.
    answer(&shell, "2 GB", "rsi");
    let mut terminal = watch(&shell, &[]);
    shows(&mut terminal, &["copies/bandwidth  passed", "waiting for a save"]);
    terminal.press("q");
    assert_eq!(terminal.end(), Some(0));
    let mut terminal = watch(&shell, &[]);
    assert_eq!(terminal.end(), Some(3), "the other one, which needs a lock");
    assert!(terminal.is_ordinary());
}

#[test]
fn every_end_leaves_the_terminal_as_it_was() {
    let shell = workspace();
    let mut terminal = watch(&shell, &["bandwidth"]);
    shows(&mut terminal, &["waiting for a save"]);
    terminal.press("\x03");
    assert_eq!(terminal.end(), Some(130));
    assert!(terminal.is_ordinary());
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let mut terminal = watch(&shell, &["bandwidth"]);
        shows(&mut terminal, &["waiting for a save"]);
        assert!(!terminal.is_ordinary());
        terminal.signal(signal);
        assert_eq!(terminal.end(), Some(130), "{signal:?}");
        assert!(terminal.is_ordinary(), "{signal:?}");
    }
    shell.assert_tidy();
}

#[test]
fn a_terminal_may_be_small_and_change_its_size() {
    let shell = workspace();
    let mut terminal = watch_at(&shell, &["bandwidth"], "xterm", 20, 8);
    let seen = shows(&mut terminal, &["waiting for a save"]);
    assert!(seen.contains("r run again, q\nquit\n"), "{seen}");
    let before = terminal.said.matches(CLEAR).count();
    terminal.resize(100, 30);
    shows(&mut terminal, &["r run again, q quit\n"]);
    assert_eq!(terminal.said.matches(CLEAR).count(), before + 1, "drawn anew");
    terminal.press("q");
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn a_dumb_terminal_gets_lines_and_has_keys() {
    let shell = workspace();
    let mut terminal = watch_at(&shell, &["bandwidth"], "dumb", 80, 24);
    terminal.until("h hint, n next exercise, r run again, q quit");
    terminal.until("verdict after");
    answer(&shell, "2 GB", "rdi");
    terminal.until("answers/bandwidth.yaml changed, checking");
    terminal.until("0 → 1 of 3 points (+1)");
    terminal.press("h");
    terminal.until("hint");
    terminal.press("q");
    assert_eq!(terminal.end(), Some(0));
    assert!(!terminal.said.contains('\x1b'), "{:?}", terminal.said);
    assert!(terminal.is_ordinary());
}

#[test]
fn what_is_handed_in_cannot_steer_the_terminal() {
    let shell = workspace();
    let mut terminal = watch(&shell, &["bandwidth"]);
    shows(&mut terminal, &["waiting for a save"]);
    shell.write(
        ANSWERS,
        "moved: \"\\e[2J\\e]0;x\\a\"\nregister: \"\\e[35m\\x9b1m\"\n",
    );
    shows(&mut terminal, &["waiting for a save"]);
    terminal.press("h");
    shows(&mut terminal, &["hint"]);
    terminal.press("q");
    assert_eq!(terminal.end(), Some(0));
    let said = terminal.said.replace(CLEAR, "");
    for sequence in ["\x1b[2J", "\x1b]", "\x1b[35m", "\u{9b}", "\x07"] {
        assert!(!said.contains(sequence), "{sequence:?}");
    }
    assert!(said.contains("·]0;x·"), "it is shown, though: {said}");
}

#[test]
fn without_a_terminal_there_are_lines_and_no_keys() {
    let shell = workspace();
    for signal in [Signal::TERM, Signal::INT] {
        answer(&shell, "1 GB", "rsi");
        let mut child = shell
            .course_command(&["watch", "bandwidth", "--workspace", "copies"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map(Result::unwrap);
        let mut until = |text: &str| lines.find(|line| line.contains(text)).unwrap();
        until("2/3 points");
        until("verdict after");
        answer(&shell, "2 GB", "rsi");
        until("passed  3/3 points");
        until("since the check before: 2 → 3 of 3 points (+1)");
        until("+ passed (was failed) moved");
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130));
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(
            said.contains("Ctrl-C ends; keys are read only from a terminal"),
            "{said}"
        );
        assert!(!said.contains('\x1b'), "{said}");
    }
}

#[test]
fn a_reader_that_goes_away_is_the_end() {
    let shell = workspace();
    let mut child = shell
        .course_command(&["watch", "bandwidth", "--workspace", "copies"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut first = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    while !first.contains("verdict after") {
        out.read_line(&mut first).unwrap();
    }
    drop(out);
    answer(&shell, "2 GB", "rsi");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn names_that_do_not_exist() {
    let shell = workspace();
    let told = [
        shell.run_course(&["watch"]),
        shell.run_course(&["watch", "bandwith", "--workspace", "copies"]),
        shell.run_course(&["watch", "bandwidth", "--workspace", "elsewhere"]),
        shell.run_course(&["watch", "live", "--workspace", "copies", "--kernel", "smal"]),
    ];
    insta::assert_snapshot!("watch-names", told.join("\n"));
}
