//! Results for the tests of every format.

use lab_kmsg::sanitize::is_plain;
use serde_json::Value;

use super::validator;
use crate::grade::results::{Environment, GradedExercise, Results};
use crate::grade::verdict::{CheckResult, ExerciseResult, Figure, Finding, FindingSource, Verdict};

fn check(id: &str, title: &str, verdict: Verdict, points: u32, max_points: u32) -> CheckResult {
    CheckResult {
        id: id.to_owned(),
        position: 0,
        title: title.to_owned(),
        verdict,
        points,
        max_points,
        message: String::new(),
        expected: None,
        actual: None,
        mistake: None,
        help: None,
        blocked_by: None,
    }
}

fn exercise(id: &str, title: &str, verdict: Verdict, mut checks: Vec<CheckResult>) -> GradedExercise {
    for (position, check) in checks.iter_mut().enumerate() {
        check.position = position;
    }
    GradedExercise {
        result: ExerciseResult {
            id: id.to_owned(),
            title: title.to_owned(),
            verdict,
            points: checks.iter().map(|check| check.points).sum(),
            max_points: checks.iter().map(|check| check.max_points).sum(),
            checks,
            findings: Vec::new(),
            figures: Vec::new(),
        },
        duration_ms: 2310,
        run_dir: Some(format!(".labctl/runs/{id}")),
    }
}

fn results(exercises: Vec<GradedExercise>) -> Results {
    Results {
        course: "linux_training".to_owned(),
        module: "module7".to_owned(),
        seed: "lesson".to_owned(),
        environment: Some(Environment {
            labctl: "0.1.0".to_owned(),
            kernel: "6.12.107-lab".to_owned(),
            kernel_id: "sha256:aa".to_owned(),
            image_id: "sha256:bb".to_owned(),
            accel: "tcg".to_owned(),
            accel_reason: "/dev/kvm cannot run a guest".to_owned(),
            qemu: "7.2.22".to_owned(),
        }),
        exercises,
    }
}

/// A wrong trace, a module that crashed, what was blocked by it, and what was right.
pub(super) fn partial() -> Results {
    let root = CheckResult {
        message: "COPY1's destination is not where the witness saw the bytes go".to_owned(),
        expected: Some("0xffff888004d7c4ac".to_owned()),
        actual: Some("0x000000003f1c2a9b".to_owned()),
        mistake: Some("hashed-pointer".to_owned()),
        help: Some("%p prints a hash; %px prints the address".to_owned()),
        ..check(
            "copy1-is-the-transfer",
            "COPY1 reports this run's transfer",
            Verdict::Failed,
            0,
            2,
        )
    };
    let blocked = CheckResult {
        blocked_by: Some("copy1-is-the-transfer".to_owned()),
        ..check(
            "same-kernel-address",
            "Both probes saw the same kernel address",
            Verdict::Blocked,
            0,
            2,
        )
    };
    let mut first = exercise(
        "exercise-b",
        "Copy address correlation",
        Verdict::Partial,
        vec![
            root,
            blocked,
            check(
                "send_trace-builds",
                "send_trace.c compiles",
                Verdict::Passed,
                1,
                1,
            ),
            check("copies", "Conclusion: ___ copies occurred", Verdict::Passed, 3, 3),
        ],
    );
    first.result.findings.push(Finding {
        kind: "null-dereference".to_owned(),
        title: "NULL pointer dereference at 0x10 in handler_send+0x1f/0x60 [send_trace]".to_owned(),
        module: Some("send_trace".to_owned()),
        symbol: Some("handler_send+0x1f".to_owned()),
        source: Some(FindingSource {
            file: "src/send_trace.c".to_owned(),
            line: 31,
        }),
        text:
            "BUG: kernel NULL pointer dereference, address: 0000000000000010\n#PF: supervisor write access\n"
                .to_owned(),
    });
    let second = exercise(
        "exercise-a",
        "sk_buff size",
        Verdict::Passed,
        vec![check("total", "Total data", Verdict::Passed, 2, 2)],
    );
    results(vec![first, second])
}

/// The laboratory failed before anything could be judged.
pub(super) fn inconclusive() -> Results {
    results(vec![exercise(
        "exercise-b",
        "Copy address correlation",
        Verdict::Inconclusive,
        Vec::new(),
    )])
}

/// A table of two rows, drawn.
pub(super) fn figure(word: &str) -> Figure {
    let row = |number: &str| vec![word.to_owned(), "44".to_owned(), number.to_owned()];
    Figure {
        id: "comparison".to_owned(),
        title: format!("Compared: {word}"),
        columns: ["path", "copies", "MB/s"].map(str::to_owned).to_vec(),
        rows: vec![row("15.4"), row("30.8")],
        plot: Some(2),
        bars: vec![15.4, 30.8],
    }
}

/// Everything that a student can put a string into holds something nasty.
pub(super) fn hostile() -> Results {
    let evil = "\u{1b}[2Jx\u{9b}31m\u{202e}]]><b>&\"'\r\n::error::forged\0\u{fffe}\u{7}".to_owned();
    let bad = CheckResult {
        id: evil.clone(),
        position: 0,
        title: evil.clone(),
        verdict: Verdict::Failed,
        points: 0,
        max_points: 1,
        message: evil.clone(),
        expected: Some(evil.clone()),
        actual: Some(evil.clone()),
        mistake: Some(evil.clone()),
        help: Some(evil.clone()),
        blocked_by: Some(evil.clone()),
    };
    let verdicts = [
        Verdict::Failed,
        Verdict::Partial,
        Verdict::Blocked,
        Verdict::Invalid,
        Verdict::Inconclusive,
        Verdict::Passed,
    ];
    let checks = verdicts
        .into_iter()
        .map(|verdict| CheckResult {
            verdict,
            ..bad.clone()
        })
        .collect();
    let mut graded = exercise("exercise-b", &evil, Verdict::Failed, checks);
    graded.run_dir = Some(evil.clone());
    graded.result.findings.push(Finding {
        kind: evil.clone(),
        title: evil.clone(),
        module: Some(evil.clone()),
        symbol: Some(evil.clone()),
        source: Some(FindingSource {
            file: evil.clone(),
            line: 1,
        }),
        text: evil.clone(),
    });
    graded.result.figures.push(figure(&evil));
    let mut results = results(vec![graded]);
    results.seed = evil;
    results
}

/// Reads a rendered JSON document back: its text is harmless, and it is what its schema says.
pub(super) fn document(text: &str, schema: &str) -> Value {
    assert!(text.chars().all(|letter| is_plain(letter) || letter == '\n'));
    let document = serde_json::from_str(text).unwrap();
    validator::assert_valid(schema, &document);
    document
}
