//! Grading what real kernels printed: the lesson's experiment, recorded on two of them.

use labctl::grade::evidence::{Evidence, KernelRecord};
use labctl::grade::verdict::Verdict;
use labctl::spec::course::Course;
use labctl::spec::exercise::Exercise;

use super::support::{check, files, grade, log, right, step};

const KERNELS: [&str; 2] = ["lab-6.12", "debian-6.12"];

/// Exercise B as it was when the recordings were made: with the lesson's own message.
fn exercise() -> Exercise {
    let path = "labs/module7/exercises/exercise-b.yaml";
    let mut files = files();
    let text = String::from_utf8(files.get(path).unwrap().to_vec()).unwrap();
    let drawn = "message: \"'HELLO_NETWORK-' + nonce\"";
    assert!(text.contains(drawn));
    files.insert(path, text.replace(drawn, "message: \"'HELLO_NETWORK'\""));
    Course::load(&files)
        .unwrap()
        .module("module7")
        .unwrap()
        .exercise("exercise-b")
        .unwrap()
        .clone()
}

fn recorded(name: &str) -> String {
    let path = format!("{}/tests/corpus/exercise-b-{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The run of a recording, from the line where the modules were loaded.
fn evidence(kernel: &str, exercise: &Exercise) -> Evidence {
    let mut evidence = right(exercise);
    evidence.kernel_log.clear();
    evidence.witness.clear();
    for line in recorded(&format!("{kernel}.kmsg")).lines() {
        let Some((head, text)) = line.split_once(';') else {
            continue;
        };
        let fields: Vec<u64> = head
            .split(',')
            .take(3)
            .filter_map(|field| field.parse().ok())
            .collect();
        let &[priority, seq, us] = fields.as_slice() else {
            continue;
        };
        let level = u8::try_from(priority & 7).unwrap();
        evidence.kernel_log.push(KernelRecord {
            seq,
            level,
            us,
            text: text.to_owned(),
        });
    }
    for line in recorded(&format!("{kernel}.witness.jsonl")).lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        if record.get("func").is_some() {
            evidence.witness.push(record);
        }
    }
    let output = recorded(&format!("{kernel}.stdout"));
    let lines = |who: &str| {
        output
            .lines()
            .filter(|line| line.starts_with(who))
            .collect::<Vec<_>>()
            .join("\n")
    };
    step(&mut evidence, "sender").stdout = lines("Sending");
    step(&mut evidence, "receiver").stdout = lines("Rece");
    for step in &mut evidence.steps {
        (step.started_us, step.ended_us) = (None, None);
    }
    evidence
}

#[test]
fn a_real_run_passes() {
    let exercise = exercise();
    for kernel in KERNELS {
        let result = grade(&exercise, &evidence(kernel, &exercise));
        assert_eq!(result.verdict, Verdict::Passed, "{kernel}: {result:#?}");
        assert!(
            check(&result, "same-kernel-address")
                .message
                .contains("one skb, two copies")
        );
    }
}

#[test]
fn a_real_run_without_the_line_of_the_transfer_fails() {
    let exercise = exercise();
    for kernel in KERNELS {
        let mut evidence = evidence(kernel, &exercise);
        // The other copies of the sender are still reported.
        evidence
            .kernel_log
            .retain(|record| !(record.text.starts_with("[COPY1]") && record.text.ends_with("len=13")));
        let result = grade(&exercise, &evidence);
        assert_eq!(
            check(&result, "copy1-is-the-transfer").verdict,
            Verdict::Failed,
            "{kernel}"
        );
        assert_eq!(result.verdict, Verdict::Partial);
        // And a made-up line does not bring it back.
        log(
            &mut evidence,
            12_000_000,
            "[COPY1] PID=74 dest=ffff888112340050 len=13",
        );
        let result = grade(&exercise, &evidence);
        assert_eq!(
            check(&result, "copy1-is-the-transfer").mistake.as_deref(),
            Some("constant-address"),
            "{kernel}"
        );
    }
}
