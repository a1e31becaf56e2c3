//! Grading without a guest: worksheets, and runs that were recorded before.

use fs_err as fs;
use labctl::grade::evidence::{Evidence, GuestLost, GuestLostKind, StepKindName, StepRecord, StepStatus};

use super::shell::{Shell, names};

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
        for format in [
            "human",
            "json",
            "junit",
            "ktap",
            "csv",
            "markdown",
            "gradescope",
            "exercism",
            "github",
        ] {
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

#[test]
fn one_run_writes_several_files() {
    let shell = failed();
    shell.write("here/old.xml", "an older report");
    std::os::unix::fs::symlink("old.xml", shell.here("link.xml")).unwrap();
    let outputs = [
        "junit=link.xml",
        "csv=all.csv",
        "markdown=page.md",
        "json=/dev/null",
    ];
    let mut args = vec!["check", "--from", "run", "--format", "ktap"];
    args.extend(outputs.iter().flat_map(|output| ["--report", output]));
    let output = shell.course_command(&args).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.starts_with(b"KTAP version 1\n"));
    // A link stays one, and what it points to is the report.
    assert!(fs::symlink_metadata(shell.here("link.xml")).unwrap().is_symlink());
    assert!(
        fs::read_to_string(shell.here("old.xml"))
            .unwrap()
            .contains("<testsuites ")
    );
    assert!(
        fs::read_to_string(shell.here("all.csv"))
            .unwrap()
            .starts_with("course,module,")
    );
    assert!(
        fs::read_to_string(shell.here("page.md"))
            .unwrap()
            .starts_with("## copies: ")
    );
    assert_eq!(
        names(&shell.here("")),
        ["all.csv", "link.xml", "old.xml", "page.md", "run"]
    );
}

#[test]
fn outputs_that_cannot_be() {
    let shell = failed();
    shell.write("here/taken/file", "");
    let with = |outputs: &[&str]| {
        let mut args = vec!["check", "--from", "run"];
        args.extend(outputs.iter().flat_map(|output| ["--report", output]));
        shell.run_course(&args)
    };
    let said = [
        with(&["report.xml"]),
        with(&["foo=report.xml"]),
        with(&["junit="]),
        with(&["junit=-"]),
        with(&["junit=missing/report.xml"]),
        with(&["junit=taken"]),
        with(&["junit=a.xml", "csv=./a.xml"]),
        with(&["classroom50=result.json"]),
        shell.run_course(&["check", "--from", "run", "--format", "xml"]),
    ];
    insta::assert_snapshot!("outputs-wrong", said.join("\n"));
    assert_eq!(names(&shell.here("")), ["run", "taken"]);
}

#[test]
fn a_grader_that_takes_1_for_a_crash() {
    let shell = failed();
    let said = shell.run_course(&["check", "--from", "run", "--format", "gradescope", "--exit-zero"]);
    assert!(said.ends_with("--- exit 0\n"), "{said}");
    fs::remove_dir_all(shell.here("run")).unwrap();
    let said = shell.run_course(&["check", "--from", "run", "--exit-zero"]);
    assert!(said.ends_with("--- exit 2\n"), "{said}");
}

#[test]
fn a_step_of_github_actions() {
    let shell = Shell::new();
    shell.run_course(&["init", "copies"]);
    shell.write(
        "here/copies/answers/bandwidth.yaml",
        "moved: 1 GB\nregister: rsi\n",
    );
    shell.write("here/summary", "what an earlier command wrote\n");
    let step = |command: &mut std::process::Command| {
        command
            .env("GITHUB_WORKSPACE", shell.here(""))
            .env("GITHUB_STEP_SUMMARY", shell.here("summary"))
            .env("GITHUB_OUTPUT", shell.here("outputs"))
            .output()
            .unwrap()
    };
    let args = [
        "check",
        "bandwidth",
        "--workspace",
        "copies",
        "--format",
        "github",
    ];
    let output = step(&mut shell.course_command(&args));
    insta::assert_snapshot!("github-step", shell.transcript(&args, &output));
    let summary = fs::read_to_string(shell.here("summary")).unwrap();
    assert!(
        summary.starts_with("what an earlier command wrote\n## copies: 2 of 3 points\n"),
        "{summary}"
    );
    let outputs = fs::read_to_string(shell.here("outputs")).unwrap();
    assert_eq!(outputs, "verdict=partial\npoints=2\nmax-points=3\n");
    // Another format leaves them alone, and so does a summary that is full.
    step(&mut shell.course_command(&["check", "bandwidth", "--workspace", "copies"]));
    assert_eq!(fs::read_to_string(shell.here("outputs")).unwrap(), outputs);
    let full = "x".repeat(1 << 20);
    shell.write("here/summary", &full);
    let output = step(&mut shell.course_command(&args));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("the summary of this step is full"), "{told}");
    assert_eq!(fs::read_to_string(shell.here("summary")).unwrap(), full);
}

#[test]
fn a_submission_to_classroom_50() {
    let shell = failed();
    let mut command = shell.course_command(&["check", "--from", "run", "--format", "classroom50"]);
    command
        .envs([
            ("CLASSROOM", "kernel"),
            ("ASSIGNMENT", "copies"),
            ("OWNER", "al\u{1b}ice"),
        ])
        .envs([
            ("COMMIT_URL", "https://x.example/c"),
            ("RELEASE_URL", "https://x.example/r"),
        ])
        .env("REVIEW_URL", "https://x.example/v");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let output = command
        .env("SUBMISSION_TAG", "submit/2026-06-01T14-32-05Z-a1b2c3d")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["schema"], "classroom50/result/v1");
    assert_eq!(document["owner"], "al\\x1bice");
    assert_eq!(document["datetime"], "2026-06-01T14:32:05Z");
    assert_eq!(document["max-score"], 3);
}
