//! Runs that real guests gave: they pass as they are, and the live checks of worksheets contradict wrong answers.

use std::collections::BTreeMap;

use labctl::grade::evidence::Evidence;
use labctl::grade::verdict::{ExerciseResult, Verdict};
use labctl::spec::answers;

use super::support::{check, exercise, grade};

const KERNELS: [&str; 2] = ["lab-6.12", "debian-6.12"];
const EXERCISES: [&str; 6] = [
    "exercise-a",
    "exercise-c",
    "exercise-d",
    "exercise-1",
    "trace-1",
    "w-questions",
];

fn recorded(id: &str, kernel: &str) -> Evidence {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus/runs")
        .join(format!("{id}-{kernel}.json"));
    Evidence::from_json(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The recorded run of the course kernel with other answers.
fn answered(id: &str, wrong: &[(&str, &str)]) -> ExerciseResult {
    let mut evidence = recorded(id, "lab-6.12");
    let wrong: BTreeMap<String, String> = wrong
        .iter()
        .map(|(blank, answer)| ((*blank).to_owned(), (*answer).to_owned()))
        .collect();
    evidence.answers.as_mut().unwrap().text =
        answers::reference_except(exercise(id), "lesson", &wrong).unwrap();
    grade(exercise(id), &evidence)
}

fn assert_mistake(result: &ExerciseResult, id: &str, mistake: Option<&str>) {
    let judged = check(result, id);
    assert_eq!(judged.verdict, Verdict::Failed, "{}", judged.message);
    assert_eq!(judged.mistake.as_deref(), mistake, "{}", judged.message);
    assert!(judged.help.is_some());
}

#[test]
fn what_guests_gave_passes_on_both_kernels() {
    for kernel in KERNELS {
        for id in EXERCISES {
            let result = grade(exercise(id), &recorded(id, kernel));
            let wrong: Vec<_> = result
                .checks
                .iter()
                .filter(|check| check.verdict != Verdict::Passed || check.mistake.is_some())
                .collect();
            assert!(wrong.is_empty(), "{id} on {kernel}: {wrong:#?}");
        }
    }
}

#[test]
fn every_function_of_a_packets_way_was_probed_on_both_kernels() {
    for kernel in KERNELS {
        let evidence = recorded("trace-1", kernel);
        assert_eq!(evidence.probes.len(), 14);
        for probe in &evidence.probes {
            assert!(probe["error"].is_null(), "{kernel}: {probe}");
        }
        assert_eq!(evidence.witness_dropped, 0);
    }
}

#[test]
fn a_witness_that_missed_a_function_is_the_laboratorys_failure() {
    let mut evidence = recorded("trace-1", "lab-6.12");
    evidence.events.retain(|event| event["event"] != "udp_rcv");
    for probe in &mut evidence.probes {
        if probe["probe"] == "udp_rcv" {
            probe["addr"] = serde_json::Value::Null;
            probe["error"] = 22.into();
        }
    }
    let result = grade(exercise("trace-1"), &evidence);
    assert_eq!(result.verdict, Verdict::Inconclusive);
    let said = &check(&result, "witness-followed").message;
    assert!(
        said.ends_with("this kernel does not let these be probed: udp_rcv"),
        "{said}"
    );
}

#[test]
fn the_kernel_contradicts_wrong_steps_of_data() {
    let keeps_udp = answered("trace-1", &[("n4_data", "0xffff888100020062")]);
    assert_mistake(&keeps_udp, "data-moves", Some("keeps-udp"));
    let hex = answered("trace-1", &[("n3_data_at_ip", "0xffff888100020054")]);
    assert_mistake(&hex, "data-moves", Some("decimal-read-as-hex"));
    let none = answered("trace-1", &[("n3_data_at_ip", "null")]);
    assert_mistake(&none, "data-moves", Some("forgets-ethernet"));
    let copies = answered("trace-1", &[("n4_copies", "1024")]);
    assert_mistake(&copies, "copied-from-there", Some("queue-copies"));
    let object = answered("trace-1", &[("n6_object", "0xffff888100020000")]);
    assert_mistake(&object, "freed-at-the-end", Some("buffer-for-skb"));
}

#[test]
fn the_stack_contradicts_wrong_callers() {
    let path = answered("w-questions", &[("who_send_protocol", "udp_recvmsg")]);
    assert_mistake(&path, "callers-agree", Some("wrong-path"));
    let none = answered("w-questions", &[("who_recv_protocol", "null")]);
    assert_mistake(&none, "callers-agree", None);
    let function = answered("w-questions", &[("which_send", "_copy_to_iter")]);
    assert_mistake(&function, "directions-agree", Some("wrong-function"));
    let process = answered("w-questions", &[("which_comm_recv", "sender")]);
    assert_mistake(&process, "directions-agree", Some("wrong-process"));
}

#[test]
fn the_kernels_count_contradicts_wrong_factors() {
    let once = answered("exercise-d", &[("operations", "2 GB")]);
    assert_mistake(&once, "four-times", Some("failure-5"));
    let one_path = answered("exercise-d", &[("total_moved", "1 GB"), ("operations", "2 GB")]);
    assert_mistake(&one_path, "four-times", Some("forgets-a-path"));
    let huge = answered("exercise-d", &[("total_moved", "9000000000 GB")]);
    assert_mistake(&huge, "four-times", None);
}

#[test]
fn a_student_who_answers_nothing_gets_nothing_from_the_kernel() {
    for id in ["exercise-d", "trace-1", "w-questions"] {
        let mut evidence = recorded(id, "lab-6.12");
        evidence.answers.as_mut().unwrap().text = answers::skeleton(exercise(id), "lesson").unwrap();
        let result = grade(exercise(id), &evidence);
        assert_eq!((result.verdict, result.points), (Verdict::Failed, 0), "{id}");
    }
}
