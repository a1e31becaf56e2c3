//! Grading without a guest: worksheets, and runs that were recorded before.

use fs_err as fs;
use labctl::grade::evidence::{Evidence, GuestLost, GuestLostKind, StepKindName, StepRecord, StepStatus};

use super::shell::Shell;

/// A recorded run of the exercise `live`, in which its script said `said`.
fn recorded(shell: &Shell, said: &str) -> Evidence {
    let mut evidence = Evidence::new("copies/live", "lesson");
    evidence.steps.push(StepRecord {
        id: "send".to_owned(),
        kind: StepKindName::Exec,
        status: StepStatus::Exited(0),
        stdout: said.to_owned(),
        stderr: String::new(),
        pid: Some(100),
        started_us: Some(3_000_000),
        ended_us: Some(3_100_000),
    });
    shell.write(
        "here/run/environment.json",
        r#"{"version": 1, "labctl": "0.0.1", "kernel": "6.12.1-small", "kernel_id": "sha256:aa", "image_id": "sha256:bb",
            "accel": "tcg", "accel_reason": "asked for", "qemu": "7.2.22", "duration_ms": 2310}"#,
    );
    evidence
}

fn keep(shell: &Shell, evidence: &Evidence) {
    shell.write("here/run/evidence.json", &evidence.to_json().unwrap());
}

fn passed() -> Shell {
    let shell = Shell::new();
    let evidence = recorded(&shell, "sent 13 bytes\n");
    keep(&shell, &evidence);
    shell
}

fn failed() -> Shell {
    let shell = Shell::new();
    let evidence = recorded(&shell, "sent 12 bytes\n\u{1b}[2Jboo\n");
    keep(&shell, &evidence);
    shell
}

#[test]
fn a_recorded_run_in_every_format() {
    for (name, shell) in [("passed", passed()), ("failed", failed())] {
        for format in ["human", "json", "junit"] {
            let said = shell.run_course(&["check", "--from", "run", "--format", format]);
            insta::assert_snapshot!(format!("from-{name}-{format}"), said);
        }
    }
}

#[test]
fn quiet_takes_no_result_away() {
    let shell = failed();
    let loud = shell.run_course(&["check", "--from", "run"]);
    let quiet = shell.run_course(&["check", "--from", "run", "--quiet"]);
    assert_eq!(
        loud.split_once('\n').unwrap().1,
        quiet.split_once('\n').unwrap().1
    );
}

#[test]
fn a_laboratory_that_failed_is_inconclusive() {
    let shell = Shell::new();
    let mut evidence = recorded(&shell, "");
    evidence.steps[0].status = StepStatus::Lost;
    evidence.guest_lost = Some(GuestLost {
        kind: GuestLostKind::QemuExited,
        reason: "QEMU died of signal 9".to_owned(),
        student_fault: false,
        step: Some("send".to_owned()),
    });
    keep(&shell, &evidence);
    let said = shell.run_course(&["check", "--from", "run"]);
    assert!(said.ends_with("--- exit 5\n"), "{said}");
    insta::assert_snapshot!(said);
}

#[test]
fn a_record_that_was_damaged() {
    let shell = passed();
    let path = shell.here("run/evidence.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, &text[..text.len() / 2]).unwrap();
    let cut = shell.run_course(&["check", "--from", "run"]);
    fs::write(&path, text.replace("copies/live", "copies/dead")).unwrap();
    let stranger = shell.run_course(&["check", "--from", "run"]);
    insta::assert_snapshot!([cut, stranger].join("\n"));
}

#[test]
fn a_worksheet_from_wrong_to_right() {
    let shell = Shell::new();
    shell.run_course(&["init", "copies"]);
    let answers = "here/copies/answers/bandwidth.yaml";
    let check =
        |format: &str| shell.run_course(&["check", "bandwidth", "--workspace", "copies", "--format", format]);
    shell.write(answers, "moved: 1 GB\nregister: rdi\n");
    insta::assert_snapshot!("sheet-wrong-human", check("human"));
    insta::assert_snapshot!("sheet-wrong-json", check("json"));
    insta::assert_snapshot!("sheet-wrong-junit", check("junit"));
    shell.write(answers, "moved: 2 GB\nregister: rsi\n");
    insta::assert_snapshot!("sheet-right-human", check("human"));
}
