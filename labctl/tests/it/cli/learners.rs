//! What a learner gets between two checks: `hint`, and how far `list` says they are.

use super::shell::Shell;

const ANSWERS: &str = "here/copies/answers/bandwidth.yaml";

/// A fresh workspace of the small course.
fn workspace() -> Shell {
    let shell = Shell::new();
    let made = shell.run_course(&["init", "copies"]);
    assert!(made.contains("exit 0"), "{made}");
    shell
}

/// What labctl says when it is started in the workspace.
fn inside(shell: &Shell, args: &[&str]) -> String {
    let output = shell
        .course_command(args)
        .current_dir(shell.here("copies"))
        .output()
        .unwrap();
    without_times(&shell.transcript(args, &output))
}

/// `2026-11-22T22:00:00Z` in a transcript.
fn without_times(text: &str) -> String {
    let is_time = |word: &str| word.len() == 20 && word.starts_with("20") && word.ends_with('Z');
    text.split('"')
        .map(|word| if is_time(word) { "[TIME]" } else { word })
        .collect::<Vec<_>>()
        .join("\"")
}

fn hint(shell: &Shell) -> String {
    inside(shell, &["hint", "bandwidth"])
}

fn check(shell: &Shell, moved: &str, register: &str) {
    shell.write(ANSWERS, &format!("moved: {moved}\nregister: {register}\n"));
    inside(shell, &["check", "bandwidth"]);
}

#[test]
fn a_ladder_is_climbed_and_begun_again_when_the_mistake_changes() {
    let shell = workspace();
    let exercise = "course/labs/copies/exercises/bandwidth.yaml";
    shell.edit(
        exercise,
        "givens:",
        "hints: ['Read the question.', '{{transfer}} bytes are copied once.']\ngivens:",
    );
    let mut said = vec![hint(&shell)];
    check(&shell, "1 GB", "rsi");
    // Its own ladder, from the first rung to the last, and not beyond.
    said.extend((0..4).map(|_| hint(&shell)));
    // No mistake is known: the exercise's ladder, from its first rung again.
    check(&shell, "2 GB", "rdi");
    said.push(hint(&shell));
    // Edited since: the check may know more.
    shell.write(ANSWERS, "moved: 1 GB\nregister: rdi\n");
    said.push(hint(&shell));
    check(&shell, "1 GB", "rdi");
    said.push(hint(&shell));
    said.push(inside(&shell, &["hint", "bandwidth", "--format", "json"]));
    check(&shell, "2 GB", "rsi");
    said.push(hint(&shell));
    insta::assert_snapshot!("hint-ladder", said.join("\n"));
}

#[test]
fn a_mistake_without_a_ladder_has_its_help() {
    let shell = workspace();
    let exercise = "course/labs/copies/exercises/bandwidth.yaml";
    shell.edit(exercise, "failure-5, when", "one-way, when");
    check(&shell, "1 GB", "rsi");
    insta::assert_snapshot!("hint-help", hint(&shell));
    check(&shell, "3 GB", "rsi");
    insta::assert_snapshot!("hint-none", hint(&shell));
}

#[test]
fn hints_are_for_one_exercise_of_a_workspace() {
    let shell = workspace();
    let said = [
        shell.run_course(&["hint", "bandwidth"]),
        shell.run_course(&["hint", "copies", "--workspace", "copies"]),
        shell.run_course(&["hint", "bandwith", "--workspace", "copies"]),
        shell.run_course(&["hint", "bandwidth", "--workspace", "copies"]),
    ];
    insta::assert_snapshot!("hint-where", said.join("\n"));
}

#[test]
fn list_tells_how_far_a_workspace_is() {
    let shell = workspace();
    let list = |shell: &Shell| inside(shell, &["list"]);
    let mut said = vec![list(&shell)];
    check(&shell, "1 GB", "rsi");
    said.push(list(&shell));
    shell.write(ANSWERS, "moved: 2 GB\nregister: rsi\n");
    said.push(list(&shell));
    check(&shell, "2 GB", "rsi");
    said.push(list(&shell));
    check(&shell, "2 GB", "rsi");
    said.push(inside(&shell, &["list", "--format", "json"]));
    said.push(shell.run_course(&["list"]));
    insta::assert_snapshot!("list-progress", said.join("\n"));
    // What an answers file does not say: it is told as well.
    shell.write(ANSWERS, "moved: two\n");
    inside(&shell, &["check", "bandwidth"]);
    assert!(list(&shell).contains("3/3 → 0/3 invalid"), "{}", list(&shell));
}

#[test]
fn the_solution_of_the_course_is_nobodys_progress() {
    let shell = workspace();
    inside(&shell, &["check", "bandwidth", "--reference"]);
    assert!(!inside(&shell, &["list"]).contains("passed"));
    assert!(!shell.path("home/.local/state/labctl/progress").exists());
}

#[test]
fn a_memory_that_was_damaged_is_made_again() {
    let shell = workspace();
    check(&shell, "1 GB", "rsi");
    let folder = shell.path("home/.local/state/labctl/progress");
    let [name] = &super::shell::names(&folder)[..] else {
        panic!("one workspace, one file")
    };
    shell.write(
        &format!("home/.local/state/labctl/progress/{name}"),
        "{\"version\": 1, ",
    );
    assert!(hint(&shell).contains("nothing was checked yet"));
    check(&shell, "1 GB", "rsi");
    assert!(hint(&shell).contains("failure-5"));
}
