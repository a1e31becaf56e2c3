//! What `--help` says, for every command there is.

use super::shell::Shell;

/// The commands that `help` lists.
fn listed(help: &str) -> Vec<String> {
    let commands = help.split("Commands:\n").nth(1).unwrap_or_default();
    commands
        .lines()
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| {
            let name = line.strip_prefix("  ")?.split(' ').next()?;
            (!name.is_empty() && name != "help").then(|| name.to_owned())
        })
        .collect()
}

#[test]
fn every_command_explains_itself() {
    let shell = Shell::new();
    let mut all = Vec::new();
    let mut open = vec![Vec::<String>::new()];
    while let Some(path) = open.pop() {
        let mut args: Vec<&str> = path.iter().map(String::as_str).collect();
        args.push("--help");
        let said = shell.run(&args);
        assert!(said.ends_with("--- exit 0\n"), "{said}");
        for name in listed(&said).into_iter().rev() {
            open.push(path.iter().cloned().chain([name]).collect());
        }
        let name = if path.is_empty() {
            "labctl".to_owned()
        } else {
            path.join("-")
        };
        insta::assert_snapshot!(format!("help-{name}"), said);
        all.push(name);
    }
    insta::assert_snapshot!("help-commands", all.join("\n"));
}

#[test]
fn no_command_asks_for_one() {
    let shell = Shell::new();
    let output = shell.command(&[]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("Usage: labctl")
    );
    assert!(output.stdout.is_empty());
}

#[test]
fn every_shell_gets_its_completions() {
    let shell = Shell::new();
    for (name, sign) in [
        ("bash", "complete -F _labctl"),
        ("zsh", "#compdef labctl"),
        ("fish", "complete -c labctl"),
        ("powershell", "Register-ArgumentCompleter"),
        ("elvish", "edit:completion:arg-completer[labctl]"),
    ] {
        let output = shell.command(&["completions", name]).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let script = String::from_utf8(output.stdout).unwrap();
        for word in [sign, "ssh-config", "reference"] {
            assert!(script.contains(word), "{name}: no `{word}`");
        }
    }
    insta::assert_snapshot!(shell.run(&["completions", "tcsh"]));
}

#[test]
fn the_version_is_one_line() {
    insta::assert_snapshot!(Shell::new().run(&["--version"]));
}
