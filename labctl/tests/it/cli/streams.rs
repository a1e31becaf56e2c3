//! stdout is for results, stderr for talk; terminals, colours and readers that go away.

use std::process::Stdio;

use super::shell::Shell;

#[test]
fn data_goes_to_stdout_alone() {
    let shell = Shell::new();
    for args in [
        &["list"][..],
        &["list", "--format", "json"],
        &["status", "--format", "json"],
        &["kernel", "ls"],
        &["kernel", "ls", "--format", "json"],
        &["image", "ls"],
        &["image", "ls", "--format", "json"],
    ] {
        let output = shell.course_command(args).output().unwrap();
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{args:?}: {output:?}"
        );
        if args.contains(&"json") {
            serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap();
        }
    }
    let told = [
        shell.run_course(&["list"]),
        shell.run_course(&["kernel", "ls"]),
        shell.run_course(&["image", "ls"]),
        shell.run_course(&["list", "--format", "json"]),
    ];
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn colours_are_for_terminals_or_those_who_ask() {
    let shell = Shell::new();
    let args = ["check", "--from", "nowhere"];
    let coloured = |command: &mut std::process::Command| {
        let output = command.output().unwrap();
        output.stderr.contains(&0x1b) || output.stdout.contains(&0x1b)
    };
    assert!(!coloured(&mut shell.course_command(&args)), "no terminal");
    assert!(!coloured(
        shell.course_command(&args).env("TERM", "xterm-256color")
    ));
    let always = [&args[..], &["--color", "always"]].concat();
    assert!(coloured(&mut shell.course_command(&always)));
    let never = [&args[..], &["--color", "never"]].concat();
    assert!(!coloured(shell.course_command(&never).env("CLICOLOR_FORCE", "1")));
    // An option outranks the environment.
    assert!(coloured(shell.course_command(&always).env("NO_COLOR", "1")));
    assert!(!coloured(shell.course_command(&args).env("NO_COLOR", "1")));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let shell = Shell::new();
    let mut child = shell
        .course_command(&["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn an_account_without_a_home_is_told_what_to_set() {
    let shell = Shell::new();
    let args = ["list"];
    let output = shell.command(&args).env("HOME", "relative").output().unwrap();
    insta::assert_snapshot!(shell.transcript(&args, &output));
}

#[test]
fn a_folder_that_cannot_be_written_to_is_named() {
    let shell = Shell::new();
    shell.write("home/.cache", "a file where a folder is wanted");
    insta::assert_snapshot!(shell.run_course(&["kernel", "ls"]));
}
