//! Names that do not exist: each message says which ones do, or which one was meant.

use super::shell::Shell;

#[test]
fn of_exercises_and_modules() {
    let shell = Shell::new();
    let told: Vec<_> = [
        &["check", "excercise-b", "--reference"][..],
        &["check", "lunch", "--reference"],
        &["check", "modul7/exercise-b", "--reference"],
        &["init", "module8"],
        &["init", "exercise-b"],
        &["up", "modul7"],
        &["up", "lunch"],
        &["bench", "modul7"],
        &["bench", "--exercise", "lunch"],
    ]
    .iter()
    .map(|args| shell.run(args))
    .collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn of_kernels_images_and_locks() {
    let shell = Shell::new();
    let told: Vec<_> = [
        &["check", "exercise-b", "--reference", "--kernel", "debian"][..],
        &["up", "module7", "--kernel", "lab-6.13"],
        &["kernel", "build", "debain-6.12"],
        &["image", "build", "module8"],
        &["up", "module7", "--layers", "traec"],
        &[
            "exec",
            "--fresh",
            "module7",
            "--layers",
            "net,lunch",
            "--",
            "true",
        ],
        &["lock", "kernels/lab-6.12"],
    ]
    .iter()
    .map(|args| shell.run(args))
    .collect();
    insta::assert_snapshot!(told.join("\n"));
    insta::assert_snapshot!("lock-unknown", shell.run_course(&["lock", "kernels/large-6.12"]));
}

#[test]
fn of_guests() {
    let shell = Shell::new();
    let told: Vec<_> = [
        &["status"][..],
        &["exec", "--", "true"],
        &["exec", "module7", "--", "true"],
        &["exec", "modul7", "--", "true"],
        &["ssh"],
        &["ssh-config", "module7"],
        &["push", "nothing", "/root/"],
        &["pull", "/root/nothing"],
        &["dmesg"],
        &["dmesg", "lunch"],
        &["down"],
        &["down", "module7"],
        &["down", "--all"],
    ]
    .iter()
    .map(|args| shell.run(args))
    .collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn of_commands_and_options() {
    let shell = Shell::new();
    let told: Vec<_> = [
        &["chekc", "exercise-b"][..],
        &["check", "--refrence"],
        &["check", "--format", "xml"],
        &["check", "--reference", "--workspace", "w"],
        &["up", "--accel", "xen"],
        &["exec", "true"],
        &["push", "only-one"],
        &["bench", "--clones", "0"],
    ]
    .iter()
    .map(|args| shell.run(args))
    .collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn nothing_was_named() {
    let shell = Shell::new();
    let told = [
        shell.run(&["check"]),
        shell.run(&["check", "exercise-b"]),
        shell.run(&["check", "exercise-b", "--workspace", "elsewhere"]),
        shell.run(&["check", "--from", "nowhere"]),
    ];
    insta::assert_snapshot!(told.join("\n"));
}
