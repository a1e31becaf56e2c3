//! Whole runs: right ones, interrupted ones, and whose fault is whose.

use labctl::grade::evidence::{
    BuildOutcome, Diagnostic, Evidence, GuestLost, GuestLostKind, Severity, StepStatus,
};
use labctl::grade::verdict::Verdict;
use labctl::spec::workspace;

use super::support::{check, exercise, grade, log, not_run_from, right, step};

const BOTH: [&str; 2] = ["exercise-b", "complete-test"];

#[test]
fn a_right_run_passes_with_all_points() {
    for id in BOTH {
        let result = grade(exercise(id), &right(exercise(id)));
        let wrong: Vec<_> = result
            .checks
            .iter()
            .filter(|check| check.verdict != Verdict::Passed)
            .collect();
        assert!(wrong.is_empty(), "{id}: {wrong:#?}");
        assert_eq!(
            (result.verdict, result.points),
            (Verdict::Passed, result.max_points)
        );
        assert!(result.findings.is_empty());
    }
}

#[test]
fn the_skeleton_earns_nothing() {
    for id in BOTH {
        let exercise = exercise(id);
        let mut evidence = right(exercise);
        let files = workspace::skeleton(super::support::module(), "lesson").unwrap();
        evidence.answers.as_mut().unwrap().text = files[&workspace::answers_path(id)].clone();
        evidence
            .kernel_log
            .retain(|record| !record.text.starts_with("[COPY"));
        if id == "complete-test" {
            step(&mut evidence, "receiver").status = StepStatus::Exited(1);
            not_run_from(&mut evidence, "sender");
            evidence.witness.clear();
        }
        let result = grade(exercise, &evidence);
        assert_eq!((result.verdict, result.points), (Verdict::Failed, 0), "{id}");
    }
}

#[test]
fn a_compile_error_blocks_only_what_needs_the_module() {
    let exercise = exercise("exercise-b");
    let mut evidence = right(exercise);
    let build = evidence.builds.get_mut("send_trace").unwrap();
    build.outcome = BuildOutcome::Failed;
    build.diagnostics.push(Diagnostic {
        file: "src/send_trace.c".to_owned(),
        line: 23,
        column: 31,
        severity: Severity::Error,
        message: "expected ‘;’ before ‘if’".to_owned(),
    });
    step(&mut evidence, "load_send_trace").status = StepStatus::NotRun;
    step(&mut evidence, "unload_send_trace").status = StepStatus::NotRun;
    evidence
        .kernel_log
        .retain(|record| !record.text.contains("COPY1"));
    let result = grade(exercise, &evidence);
    assert_eq!(result.checks[0].id, "send_trace-builds");
    assert_eq!(
        result.checks[0].message,
        "src/send_trace.c:23:31: expected ‘;’ before ‘if’"
    );
    assert_eq!(
        check(&result, "copy1-is-the-transfer").blocked_by.as_deref(),
        Some("send_trace-builds")
    );
    assert_eq!(
        check(&result, "send_trace-unloads").blocked_by.as_deref(),
        Some("send_trace-builds")
    );
    assert_eq!(check(&result, "copy4-is-the-transfer").verdict, Verdict::Passed);
    assert_eq!(result.verdict, Verdict::Partial);
    assert_eq!(result.findings[0].kind, "compile-error");
    assert_eq!(result.findings[0].source.as_ref().unwrap().line, 23);
}

#[test]
fn a_lost_qemu_is_nobodys_mistake() {
    for id in BOTH {
        let exercise = exercise(id);
        for at in exercise.run.iter().map(|step| step.id.clone()) {
            let mut evidence = right(exercise);
            not_run_from(&mut evidence, &at);
            step(&mut evidence, &at).status = StepStatus::Lost;
            evidence.kernel_log.clear();
            evidence.witness.clear();
            evidence.guest_lost = Some(GuestLost {
                kind: GuestLostKind::QemuExited,
                reason: "QEMU was killed by signal 9".to_owned(),
                student_fault: false,
                step: Some(at.clone()),
            });
            let result = grade(exercise, &evidence);
            assert_eq!(result.verdict, Verdict::Inconclusive, "{id} at {at}");
            let failed: Vec<_> = result
                .checks
                .iter()
                .filter(|check| check.verdict == Verdict::Failed)
                .collect();
            assert!(failed.is_empty(), "{id} at {at}: {failed:#?}");
            assert!(check(&result, "run-completed").message.contains("signal 9"));
        }
    }
}

#[test]
fn a_witness_that_saw_nothing_is_the_laboratorys_failure() {
    let exercise = exercise("exercise-b");
    let mut evidence = right(exercise);
    evidence.witness.clear();
    let result = grade(exercise, &evidence);
    assert_eq!(result.verdict, Verdict::Inconclusive);
    assert_eq!(
        check(&result, "copy1-is-the-transfer").blocked_by.as_deref(),
        Some("witness-saw-both")
    );
}

#[test]
fn a_build_environment_that_fails_is_inconclusive() {
    let exercise = exercise("exercise-b");
    let mut evidence = right(exercise);
    evidence.builds.get_mut("send_trace").unwrap().outcome =
        BuildOutcome::Broken("bwrap: no space left".to_owned());
    step(&mut evidence, "load_send_trace").status = StepStatus::NotRun;
    let result = grade(exercise, &evidence);
    assert_eq!(result.verdict, Verdict::Inconclusive);
    assert_eq!(result.checks[0].id, "send_trace-builds");
}

#[test]
fn our_tool_that_fails_is_inconclusive() {
    let exercise = exercise("exercise-b");
    let mut evidence = right(exercise);
    step(&mut evidence, "sender").status = StepStatus::Exited(1);
    step(&mut evidence, "sender").stderr = "sender: sendto: Network is unreachable\n".to_owned();
    step(&mut evidence, "wait_receiver").status = StepStatus::NotRun;
    let result = grade(exercise, &evidence);
    assert_eq!(result.verdict, Verdict::Inconclusive);
    assert!(
        check(&result, "run-completed")
            .message
            .contains("Network is unreachable")
    );
}

#[test]
fn evidence_of_nothing_is_inconclusive() {
    for id in BOTH {
        let exercise = exercise(id);
        let mut evidence = Evidence::new(&exercise.full_name(), "lesson");
        evidence.answers = right(exercise).answers;
        assert_eq!(grade(exercise, &evidence).verdict, Verdict::Inconclusive);
    }
}

#[test]
fn another_exercises_evidence_is_refused() {
    assert!(labctl::grade::grade(exercise("exercise-b"), &right(exercise("complete-test"))).is_err());
}

#[test]
fn a_line_with_the_modules_name_in_front_counts() {
    let exercise = exercise("exercise-b");
    let mut evidence = right(exercise);
    super::support::rewrite(&mut evidence, |text| {
        Some(if text.starts_with("[COPY1]") {
            format!("send_trace: {text}")
        } else {
            text.to_owned()
        })
    });
    assert_eq!(grade(exercise, &evidence).verdict, Verdict::Passed);
}

#[test]
fn lines_of_strangers_never_matter() {
    let exercise = exercise("exercise-b");
    let mut evidence = right(exercise);
    for noise in [
        "random: crng init done",
        "[COPY2] PID=1 dest=0 len=0",
        "audit: type=1400",
        "COPY1",
        "",
    ] {
        log(&mut evidence, 3_320_000, noise);
    }
    assert_eq!(grade(exercise, &evidence).verdict, Verdict::Passed);
}

#[test]
fn a_program_that_was_waited_for_is_quoted() {
    let exercise = exercise("complete-test");
    let mut evidence = right(exercise);
    step(&mut evidence, "wait_receiver").status = StepStatus::Exited(1);
    step(&mut evidence, "receiver").stderr = "recv: Bad address\n".to_owned();
    let result = grade(exercise, &evidence);
    assert_eq!(
        check(&result, "receiver-finishes").message,
        "`receiver` ended with status 1: recv: Bad address"
    );
}
