//! Files that a person was editing: every complaint has file, line and column, and costs nobody a point.

use fs_err as fs;

use super::shell::{Shell, names};

const ANSWERS: &str = "here/copies/answers/bandwidth.yaml";

/// A fresh workspace of the small course.
fn workspace() -> Shell {
    let shell = Shell::new();
    let made = shell.run_course(&["init", "copies"]);
    assert!(made.contains("exit 0"), "{made}");
    shell
}

fn check(shell: &Shell) -> String {
    shell.run_course(&["check", "bandwidth", "--workspace", "copies"])
}

#[test]
fn a_fresh_workspace_is_told_what_to_do_next() {
    let shell = Shell::new();
    insta::assert_snapshot!(shell.run_course(&["init", "copies"]));
    assert_eq!(
        names(&shell.here("copies")),
        ["answers", "commands", "workspace.yaml"]
    );
    insta::assert_snapshot!("init-again", shell.run_course(&["init", "copies"]));
    insta::assert_snapshot!("check-untouched", check(&shell));
}

#[test]
fn answers_that_cannot_be_read_are_invalid() {
    for (name, text) in [
        ("half-a-line", "moved: 2 GB\nregister: 'rs"),
        ("a-tab", "moved:\t2 GB\n\tregister: rsi\n"),
        ("an-unknown-key", "moved: 2 GB\nregistre: rsi\n"),
        ("a-missing-key", "moved: 2 GB\n"),
        ("not-a-number", "moved: two\nregister: rsi\n"),
        ("not-a-register", "moved: 2 GB\nregister: rzx\n"),
        ("twice", "moved: 2 GB\nmoved: 3 GB\nregister: rsi\n"),
        ("a-list", "- 2 GB\n- rsi\n"),
        ("empty", ""),
    ] {
        let shell = workspace();
        shell.write(ANSWERS, text);
        let said = check(&shell);
        assert!(said.ends_with("--- exit 3\n"), "{said}");
        insta::assert_snapshot!(format!("answers-{name}"), said);
    }
}

#[test]
fn a_missing_answers_file_is_named() {
    let shell = workspace();
    fs::remove_file(shell.path(ANSWERS)).unwrap();
    insta::assert_snapshot!(check(&shell));
}

#[test]
fn a_workspace_file_that_was_broken() {
    for (name, text) in [
        ("cut", "module: copies\nseed: 'less"),
        ("unknown-key", "module: copies\nsed: lesson\n"),
        ("no-module", "seed: lesson\n"),
        ("another-course", "module: module9\nseed: lesson\n"),
    ] {
        let shell = workspace();
        shell.write("here/copies/workspace.yaml", text);
        insta::assert_snapshot!(format!("workspace-{name}"), check(&shell));
    }
}

#[test]
fn a_workspace_of_another_module_is_not_graded() {
    let shell = workspace();
    insta::assert_snapshot!(shell.run(&["check", "exercise-b", "--workspace", "copies"]));
}

#[test]
fn a_course_that_was_broken() {
    for (name, file, from, to) in [
        (
            "cut",
            "labs.yaml",
            "exercises: [bandwidth, live]",
            "exercises: [bandwidth",
        ),
        ("no-exercise", "labs.yaml", "bandwidth, live", "bandwidht, live"),
        (
            "bad-key",
            "labs/copies/exercises/bandwidth.yaml",
            "worksheet:",
            "worksheets:",
        ),
        (
            "bad-rule",
            "labs/copies/exercises/bandwidth.yaml",
            "transfer * 2",
            "transfer * ",
        ),
        (
            "unknown-variable",
            "labs/copies/exercises/bandwidth.yaml",
            "transfer * 2",
            "transfers * 2",
        ),
    ] {
        let shell = Shell::new();
        shell.edit(&format!("course/{file}"), from, to);
        let said = shell.run_course(&["list"]);
        assert!(said.ends_with("--- exit 3\n"), "{said}");
        insta::assert_snapshot!(format!("course-{name}"), said);
    }
    let shell = Shell::new();
    shell.edit(
        "course/kernels/small-6.12/kernel.yaml",
        "modules: []",
        "modules: [",
    );
    insta::assert_snapshot!(
        "course-kernel",
        shell.run_course(&["kernel", "build", "small-6.12"])
    );
    let shell = Shell::new();
    insta::assert_snapshot!(
        "course-no-lock",
        shell.run_course(&["kernel", "build", "small-6.12"])
    );
    insta::assert_snapshot!("course-missing", shell.run(&["--course", "nowhere", "list"]));
}

#[test]
fn a_half_edited_exercise_keeps_no_other_from_being_checked() {
    let shell = workspace();
    let copies = ["check", "bandwidth", "--workspace", "copies"];
    let whole = shell.run_course(&copies);
    shell.edit("course/labs/copies/exercises/live.yaml", "title:", "titel:");
    assert_eq!(shell.run_course(&copies), whole);
    for args in [
        &["check", "live", "--reference"][..],
        &["lint"],
        &["check", "copies", "--reference"],
    ] {
        let said = shell.run_course(args);
        assert!(said.contains("labs/copies/exercises/live.yaml:"), "{said}");
        assert!(said.ends_with("--- exit 3\n"), "{said}");
    }
}

#[test]
fn a_configuration_file_that_was_broken() {
    let shell = Shell::new();
    shell.write(
        "home/.config/labctl/config.yaml",
        "miror: http://example.invalid\n",
    );
    let output = shell.course_command(&["doctor"]).output().unwrap();
    let said = shell.transcript(&["doctor"], &output);
    assert!(said.contains("config.yaml"), "{said}");
    insta::assert_snapshot!(said);
}
