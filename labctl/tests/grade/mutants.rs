//! Every mutant of the course gets the verdict, the check and the mistake that it says it deserves. Those that need a guest are
//! given the evidence that a guest gives for them.

use std::collections::BTreeSet;

use labctl::grade::evidence::{
    BuildOutcome, Diagnostic, Evidence, GuestLost, GuestLostKind, Severity, SourceLine, SplatRecord,
    StepStatus,
};
use labctl::grade::verdict::{ExerciseResult, Verdict};
use labctl::spec::mutant::Mutant;

use super::support::{
    ITER, KERNEL_BUFFER, MADE_UP, RECEIVER_BUFFER, SENDER, SENDER_BUFFER, check, exercise, grade, log,
    message, module, not_run_from, paper, rewrite, right, step, witness,
};

#[test]
fn every_mutant_is_diagnosed() {
    let mut seen = BTreeSet::new();
    for mutant in &module().mutants {
        let exercise = exercise(&mutant.exercise);
        if !MADE_UP.contains(&mutant.exercise.as_str()) {
            if mutant.is_answers_only() {
                seen.insert(mutant.id.clone());
                on_paper(mutant);
            }
            continue;
        }
        let mut evidence = right(exercise);
        evidence.answers.as_mut().unwrap().text = mutant.answers_text(exercise, "lesson").unwrap();
        if !mutant.is_answers_only() {
            happen(&mutant.id, &mut evidence);
        }
        seen.insert(mutant.id.clone());
        expect(mutant, &grade(exercise, &evidence));
    }
    assert!(seen.len() >= 40, "{} mutants", seen.len());
}

/// The blank is judged without a run; the verdict is that of the whole where there is none.
fn on_paper(mutant: &Mutant) {
    let exercise = exercise(&mutant.exercise);
    let mut evidence = paper(exercise, "lesson");
    evidence.answers.as_mut().unwrap().text = mutant.answers_text(exercise, "lesson").unwrap();
    let mut result = grade(exercise, &evidence);
    if exercise.is_live() && mutant.expect.verdict != "invalid" {
        result.verdict = Verdict::from_name(&mutant.expect.verdict).unwrap();
    }
    expect(mutant, &result);
}

#[test]
fn mutants_are_diagnosed_with_other_givens_too() {
    let live = |mutant: &&Mutant| !mutant.is_answers_only() && MADE_UP.contains(&mutant.exercise.as_str());
    for mutant in module().mutants.iter().filter(live) {
        let exercise = exercise(&mutant.exercise);
        let mut evidence = right(exercise);
        evidence.seed = "another".to_owned();
        evidence.answers.as_mut().unwrap().text = mutant.answers_text(exercise, "another").unwrap();
        happen(&mutant.id, &mut evidence);
        expect(mutant, &grade(exercise, &evidence));
    }
}

fn expect(mutant: &Mutant, result: &ExerciseResult) {
    let expected = &mutant.expect;
    assert_eq!(
        result.verdict.as_str(),
        expected.verdict,
        "{}: {result:#?}",
        mutant.id
    );
    let failed = check(result, &expected.check);
    assert!(
        matches!(failed.verdict, Verdict::Failed | Verdict::Invalid),
        "{}: {} is {}: {}",
        mutant.id,
        failed.id,
        failed.verdict,
        failed.message
    );
    assert_eq!(
        failed.mistake, expected.mistake,
        "{}: {}",
        mutant.id, failed.message
    );
    assert!(
        failed.help.is_some() || failed.message == "not answered yet",
        "{}: no help",
        mutant.id
    );
    if let Some(finding) = &expected.finding {
        assert!(
            result.findings.iter().any(|found| found.kind == *finding),
            "{}: no {finding}",
            mutant.id
        );
    }
}

#[test]
fn the_solution_claims_no_mistake() {
    for id in ["exercise-b", "complete-test"] {
        let result = grade(exercise(id), &right(exercise(id)));
        assert!(result.checks.iter().all(|check| check.mistake.is_none()));
    }
}

/// Changes evidence of a right run into that of a mutant's.
fn happen(mutant: &str, evidence: &mut Evidence) {
    let length = message(evidence).len();
    let dest = format!("dest={KERNEL_BUFFER:016x}");
    let src = format!("src={KERNEL_BUFFER:016x}");
    let len = format!("len={length}");
    let only = |tag: &'static str, from: String, to: String| {
        move |text: &str| {
            Some(if text.starts_with(tag) {
                text.replace(&from, &to)
            } else {
                text.to_owned()
            })
        }
    };
    match mutant {
        "b-length-for-address" => rewrite(evidence, only("[COPY1]", dest, format!("dest={length:016x}"))),
        "b-iter-for-address" => rewrite(evidence, only("[COPY4]", src, format!("src={ITER:016x}"))),
        "b-pointer-for-length" => rewrite(evidence, only("[COPY1]", len, format!("len={ITER}"))),
        "b-constant-address" => rewrite(
            evidence,
            only("[COPY1]", dest, "dest=ffff888112340050".to_owned()),
        ),
        "b-constant-length" => rewrite(evidence, only("[COPY4]", len, "len=13".to_owned())),
        "b-constant-pid" => rewrite(
            evidence,
            only("[COPY1]", format!("PID={SENDER}"), "PID=1234".to_owned()),
        ),
        "b-hashed-pointer" => rewrite(
            evidence,
            only("[COPY1]", dest, "dest=00000000c5d2a1b3".to_owned()),
        ),
        "b-log-format" => rewrite(evidence, only("[COPY1]", "PID".to_owned(), "pid".to_owned())),
        "b-hex-length" => rewrite(evidence, |text| {
            let (head, number) = text.split_once("len=").unwrap_or((text, ""));
            Some(match number.parse::<u64>() {
                Ok(number) if text.starts_with("[COPY4]") => format!("{head}len={number:#x}"),
                _ => text.to_owned(),
            })
        }),
        "b-printed-twice" => {
            let line = evidence
                .kernel_log
                .iter()
                .find(|record| record.text.contains(&dest))
                .unwrap()
                .text
                .clone();
            log(evidence, 3_310_001, &line);
        }
        "b-prints-in-init" => {
            rewrite(evidence, |text| {
                (!text.starts_with("[COPY1]")).then(|| text.to_owned())
            });
            log(
                evidence,
                3_000_100,
                "[COPY1] PID=4321 dest=ffff88810a0b0c00 len=22",
            );
        }
        "b-no-copy4" => rewrite(evidence, |text| {
            (!text.starts_with("[COPY4]")).then(|| text.to_owned())
        }),
        "b-wrong-function" => {
            rewrite(evidence, |text| {
                (!text.starts_with("[COPY4]")).then(|| text.to_owned())
            });
            log(evidence, 3_210_000, "[COPY4] PID=174 src=ff256bea90000000 len=48");
        }
        "b-no-comm-filter" => log(
            evidence,
            3_309_000,
            "[COPY1] PID=99 dest=ff256bea12340000 len=300",
        ),
        "b-log-flood" => {
            let line = format!("[COPY1] PID={SENDER} {dest} {len}");
            (0..6_000).for_each(|_| log(evidence, 3_310_002, &line));
            evidence.kernel_log_lost = 14_000;
        }
        "b-swapped-tags" => rewrite(evidence, |text| {
            Some(match text.split_at_checked(7) {
                Some(("[COPY1]", rest)) => format!("[COPY4]{}", rest.replace("dest=", "src=")),
                Some(("[COPY4]", rest)) => format!("[COPY1]{}", rest.replace("src=", "dest=")),
                _ => text.to_owned(),
            })
        }),
        "b-compile-error" => {
            let build = evidence.builds.get_mut("send_trace").unwrap();
            build.outcome = BuildOutcome::Failed;
            build.diagnostics.push(Diagnostic {
                file: "src/send_trace.c".to_owned(),
                line: 23,
                column: 31,
                severity: Severity::Error,
                message: "expected ‘,’ or ‘;’ before ‘if’".to_owned(),
            });
            step(evidence, "load_send_trace").status = StepStatus::NotRun;
            step(evidence, "unload_send_trace").status = StepStatus::NotRun;
            rewrite(evidence, |text| {
                (!text.starts_with("[COPY1]")).then(|| text.to_owned())
            });
        }
        "b-no-such-function" => {
            step(evidence, "load_send_trace").status = StepStatus::Exited(1);
            step(evidence, "load_send_trace").stderr =
                "insmod: can't insert '/lab/modules/send_trace.ko': unknown symbol in module, or unknown parameter\n".to_owned();
            step(evidence, "unload_send_trace").status = StepStatus::NotRun;
            rewrite(evidence, |text| {
                (!text.starts_with("[COPY1]")).then(|| text.to_owned())
            });
        }
        "b-null-dereference" => crash(
            evidence,
            "null-dereference",
            "BUG: kernel NULL pointer dereference, address: 0000000000000068",
        ),
        "b-wild-pointer" => crash(
            evidence,
            "general-protection",
            "Oops: general protection fault, probably for non-canonical address 0xdead000000000100",
        ),
        "b-hang-in-init" => {
            not_run_from(evidence, "load_send_trace");
            step(evidence, "load_send_trace").status = StepStatus::TimedOut;
            evidence.witness.clear();
            evidence.kernel_log.clear();
            evidence.guest_lost = Some(GuestLost {
                kind: GuestLostKind::Hung,
                reason: "the guest stopped answering".to_owned(),
                student_fault: true,
                step: Some("load_send_trace".to_owned()),
            });
        }
        "b-no-exit" => {
            step(evidence, "unload_recv_trace").status = StepStatus::Exited(1);
            step(evidence, "unload_recv_trace").stderr =
                "rmmod: can't unload module 'recv_trace': Device or resource busy\n".to_owned();
        }
        "t-host-byte-order" => {
            step(evidence, "wait_receiver").status = StepStatus::TimedOut;
            step(evidence, "receiver").stdout = format!("Receiving into buffer at {RECEIVER_BUFFER:#x}\n");
            rewrite(evidence, |text| {
                (!text.starts_with("[COPY4]")).then(|| text.to_owned())
            });
            evidence
                .witness
                .retain(|record| record["func"] == "_copy_from_iter");
        }
        "t-sends-terminator" => {
            let mut data = message(evidence).into_bytes();
            data.push(0);
            evidence
                .witness
                .retain(|record| record["addr"] != format!("{KERNEL_BUFFER:#x}"));
            let (from, to) = (Some(SENDER_BUFFER), Some(RECEIVER_BUFFER));
            witness(
                evidence,
                "sender",
                "_copy_from_iter",
                KERNEL_BUFFER,
                data.len(),
                from,
                &data,
            );
            witness(
                evidence,
                "receiver",
                "_copy_to_iter",
                KERNEL_BUFFER,
                data.len(),
                to,
                &data,
            );
        }
        "t-fixed-message" => {
            evidence
                .witness
                .retain(|record| record["addr"] != format!("{KERNEL_BUFFER:#x}"));
            witness(
                evidence,
                "sender",
                "_copy_from_iter",
                KERNEL_BUFFER,
                13,
                Some(SENDER_BUFFER),
                b"HELLO_NETWORK",
            );
        }
        "t-other-address" => {
            step(evidence, "sender").stdout = "Sending from buffer at 0x7fffc9092480\n".to_owned()
        }
        "t-no-bind" => {
            step(evidence, "receiver").status = StepStatus::TimedOut;
            not_run_from(evidence, "sender");
            evidence.witness.clear();
        }
        "t-null-buffer" => {
            step(evidence, "wait_receiver").status = StepStatus::Exited(1);
            step(evidence, "receiver").stdout = format!("Receiving into buffer at {RECEIVER_BUFFER:#x}\n");
            step(evidence, "receiver").stderr = "recv: Bad address\n".to_owned();
        }
        "t-output-format" => {
            let stdout = &mut step(evidence, "receiver").stdout;
            *stdout = stdout.replace("Received ", "Received: ");
        }
        other => panic!("say what a guest shows for the mutant {other}"),
    }
}

fn crash(evidence: &mut Evidence, kind: &str, title: &str) {
    not_run_from(evidence, "sender");
    step(evidence, "sender").status = StepStatus::Lost;
    evidence.witness.clear();
    evidence
        .kernel_log
        .retain(|record| !record.text.starts_with("[COPY"));
    let splat = |kind: &str, title: &str, module: Option<&str>| SplatRecord {
        kind: kind.to_owned(),
        title: title.to_owned(),
        module: module.map(str::to_owned),
        symbol: module.map(|_| "before_copy+0x12/0x60".to_owned()),
        source: module.map(|_| SourceLine {
            file: "src/send_trace.c".to_owned(),
            line: 23,
        }),
        us: 3_310_000,
        text: format!("{title}\nRIP: 0010:before_copy+0x12/0x60 [send_trace]\n"),
    };
    evidence.splats.push(splat(kind, title, Some("send_trace")));
    evidence.splats.push(splat(
        "panic",
        "Kernel panic - not syncing: Fatal exception in interrupt",
        None,
    ));
    evidence.guest_lost = Some(GuestLost {
        kind: GuestLostKind::Panicked,
        reason: "Kernel panic - not syncing: Fatal exception in interrupt".to_owned(),
        student_fault: true,
        step: Some("sender".to_owned()),
    });
}

#[test]
fn a_crash_leads_the_report_and_names_the_line() {
    let exercise = exercise("exercise-b");
    let mut evidence = right(exercise);
    happen("b-null-dereference", &mut evidence);
    let result = grade(exercise, &evidence);
    assert_eq!(result.checks[0].id, "kernel-healthy");
    assert!(
        result.checks[0].message.ends_with("(src/send_trace.c:23)"),
        "{}",
        result.checks[0].message
    );
    assert_eq!(
        check(&result, "run-completed").blocked_by.as_deref(),
        Some("kernel-healthy")
    );
    assert_eq!(
        check(&result, "copy1-is-the-transfer").blocked_by.as_deref(),
        Some("kernel-healthy")
    );
}

#[test]
fn a_watchdogs_complaint_does_not_hide_a_hanging_init() {
    let exercise = exercise("exercise-b");
    let mut evidence = right(exercise);
    happen("b-hang-in-init", &mut evidence);
    // The watchdog may come before the step's deadline, and end the guest.
    step(&mut evidence, "load_send_trace").status = StepStatus::Lost;
    let splat = |kind: &str, title: &str| SplatRecord {
        kind: kind.to_owned(),
        title: title.to_owned(),
        module: Some("send_trace".to_owned()),
        symbol: Some("send_trace_init+0xb".to_owned()),
        source: Some(SourceLine {
            file: "src/send_trace.c".to_owned(),
            line: 36,
        }),
        us: 30_000_000,
        text: String::new(),
    };
    evidence.splats.push(splat(
        "soft-lockup",
        "soft lockup in send_trace_init+0xb/0xff0 [send_trace]",
    ));
    evidence.splats.push(splat(
        "panic",
        "Kernel panic - not syncing: softlockup: hung tasks",
    ));
    let result = grade(exercise, &evidence);
    assert_eq!(result.verdict, Verdict::Failed);
    assert_eq!(result.checks[0].id, "send_trace-loads");
    assert_eq!(result.checks[0].mistake.as_deref(), Some("hang"));
    assert_eq!(result.findings[0].kind, "soft-lockup");
}

#[test]
fn the_first_difference_of_a_line_is_told() {
    let exercise = exercise("exercise-b");
    let mut evidence = right(exercise);
    happen("b-log-format", &mut evidence);
    let result = grade(exercise, &evidence);
    let message = &check(&result, "copy1-is-the-transfer").message;
    assert!(
        message.contains("after `[COPY1] ` it should have `PID=`, but has `pid=176"),
        "{message}"
    );
}
