//! Whatever the evidence holds, grading ends, never panics, and says the same twice.

use labctl::grade::evidence::{Evidence, KernelRecord, StepStatus};
use labctl::grade::verdict::Verdict;
use labctl::spec::ids::ModuleId;
use labctl::spec::validate::{self, Surroundings};
use labctl::spec::yaml::Source;

use proptest::prelude::*;

use super::support::{exercise, files, right};

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,60}",
        (any::<i64>(), any::<u64>(), any::<u64>())
            .prop_map(|(pid, dest, len)| format!("[COPY1] PID={pid} dest={dest:x} len={len}")),
        (0..400_i64, any::<u64>(), 0..70_u64)
            .prop_map(|(pid, src, len)| format!("[COPY4] PID={pid} src={src:x} len={len}")),
        Just("[COPY1] PID=176 dest=(____ptrval____) len=22".to_owned()),
        Just("COPY4".to_owned()),
    ]
}

fn status() -> impl Strategy<Value = StepStatus> {
    prop_oneof![
        4 => Just(StepStatus::Exited(0)),
        2 => Just(StepStatus::Started),
        1 => any::<i32>().prop_map(StepStatus::Exited),
        1 => Just(StepStatus::Signaled("SEGV".to_owned())),
        1 => Just(StepStatus::TimedOut),
        1 => Just(StepStatus::Lost),
        1 => Just(StepStatus::NotRun),
    ]
}

prop_compose! {
    fn evidence()(
        complete in any::<bool>(),
        lines in prop::collection::vec((line(), any::<u64>()), 0..12),
        statuses in prop::collection::vec(status(), 7),
        keep_witness in 0..6_usize,
        lost in prop_oneof![3 => Just(0_u64), 1 => any::<u64>()],
        draws in any::<bool>(),
        answers in prop_oneof![3 => Just(None), 1 => "\\PC{0,80}".prop_map(Some)],
    ) -> Evidence {
        let mut evidence = right(exercise(if complete { "complete-test" } else { "exercise-b" }));
        for (text, us) in lines {
            evidence.kernel_log.push(KernelRecord { seq: 1, level: 6, us, text });
        }
        for (step, status) in evidence.steps.iter_mut().zip(statuses) {
            step.status = status;
        }
        evidence.witness.truncate(keep_witness);
        evidence.kernel_log_lost = lost;
        if !draws {
            evidence.draws.clear();
        }
        if let (Some(text), Some(input)) = (answers, evidence.answers.as_mut()) {
            input.text = text;
        }
        evidence
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn grading_is_a_function(evidence in evidence()) {
        let id = evidence.exercise.split('/').nth(1).unwrap();
        let first = labctl::grade::grade(exercise(id), &evidence).unwrap();
        let stored = Evidence::from_json(&evidence.to_json().unwrap()).unwrap();
        let second = labctl::grade::grade(exercise(id), &stored).unwrap();
        prop_assert_eq!(&first, &second);
        prop_assert!(first.points <= first.max_points);
        prop_assert_eq!(first.verdict == Verdict::Passed, first.points == first.max_points && first.checks.iter().all(|check| check.verdict == Verdict::Passed));
        for check in &first.checks {
            prop_assert_eq!(check.verdict == Verdict::Blocked, check.blocked_by.is_some());
            if let Some(root) = &check.blocked_by {
                let root = first.checks.iter().find(|other| other.id == *root).unwrap();
                prop_assert!(!matches!(root.verdict, Verdict::Passed | Verdict::Blocked), "{} blocked by {}", check.id, root.id);
            }
            prop_assert!(!check.message.is_empty());
        }
    }

    #[test]
    fn a_damaged_exercise_is_refused_with_places_or_still_one(line in 0..400_usize, change in 0..5_u8, at in 0..80_usize) {
        let files = files();
        let path = "labs/module7/exercises/exercise-b.yaml";
        let text = String::from_utf8(files.get(path).unwrap().to_vec()).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let index = line % lines.len();
        let target = lines[index].clone();
        let cut: usize = target.chars().take(at).map(char::len_utf8).sum();
        match change {
            0 => drop(lines.remove(index)),
            1 => lines.insert(index, target),
            2 => lines[index].truncate(cut),
            3 => lines[index].insert(cut, '\''),
            _ => lines[index].insert_str(cut, "{{x: "),
        }
        let around = Surroundings {
            tool_modules: vec!["witness".to_owned()],
            tool_programs: vec!["sender".to_owned(), "receiver".to_owned(), "tracer".to_owned()],
            workspace: vec!["src/send_trace.c".to_owned(), "src/recv_trace.c".to_owned()],
            mistakes: vec!["failure-2".to_owned(), "failure-10".to_owned()],
        };
        let source = Source::new(path, &lines.join("\n"));
        if let Err(errors) = validate::exercise(&source, &ModuleId::new("module7").unwrap(), &around) {
            for error in errors.as_slice() {
                prop_assert!(error.line >= 1 && error.line as usize <= lines.len() + 1 && error.column >= 1, "{error}");
                prop_assert!(!error.what.is_empty() && error.file == path);
            }
        }
    }

    #[test]
    fn a_witness_that_talks_nonsense_is_an_error_and_no_panic(
        addr in prop_oneof![Just(serde_json::json!(null)), Just(serde_json::json!("0xzz")), Just(serde_json::json!(-1)), Just(serde_json::json!([1]))],
        comm in prop_oneof![Just(serde_json::json!("sender")), Just(serde_json::json!(5))],
    ) {
        let mut evidence = right(exercise("exercise-b"));
        for record in &mut evidence.witness {
            record["addr"] = addr.clone();
            record["comm"] = comm.clone();
        }
        if let Ok(result) = labctl::grade::grade(exercise("exercise-b"), &evidence) {
            prop_assert!(result.verdict != Verdict::Passed);
        }
    }
}
