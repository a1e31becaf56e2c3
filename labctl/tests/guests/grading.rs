//! The course under test: the solution passes on every kernel, the skeleton does not, and every mutant gets the
//! verdict, the check and the mistake that it deserves.

use serde_json::Value;

use crate::bed::{Bed, bed, explain};

fn check(bed: &Bed, args: &[&str]) -> (i32, Value) {
    let mut words = vec!["check", "--format", "json"];
    words.extend_from_slice(args);
    let output = bed.labctl(&words);
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("labctl {words:?}: {error}: {}", explain(&output)));
    (output.status.code().unwrap(), report)
}

fn assert_passed(code: i32, report: &Value) {
    let exercises = report["exercises"].as_array().unwrap();
    let unfinished: Vec<_> = exercises.iter().filter_map(what_did_not_pass).collect();
    assert!(
        code == 0 && unfinished.is_empty(),
        "exit code {code}: {unfinished:#?}"
    );
    let environment = report["environment"].as_object().unwrap();
    for field in [
        "labctl",
        "kernel",
        "kernel_id",
        "image_id",
        "accel",
        "accel_reason",
        "qemu",
    ] {
        let value = environment[field].as_str().unwrap();
        assert!(!value.is_empty(), "{field} is empty");
    }
}

/// What is worth reading of an exercise that did not pass: hundreds of passed checks would bury it.
fn what_did_not_pass(exercise: &Value) -> Option<Value> {
    let mut told = exercise.clone();
    told["checks"]
        .as_array_mut()
        .unwrap()
        .retain(|check| check["verdict"] != "passed");
    (exercise["verdict"] != "passed").then_some(told)
}

#[test]
fn the_solution_passes_on_the_packaged_kernel_and_again_from_its_record() {
    let Some(bed) = bed() else { return };
    let (code, report) = check(&bed, &["exercise-b", "--reference", "--kernel", "debian-6.12"]);
    assert_passed(code, &report);
    let run = report["exercises"][0]["run_dir"].as_str().unwrap();
    let (code, again) = check(&bed, &["--from", run]);
    assert_eq!((code, &again), (0, &report), "a recorded run says the same again");
    bed.assert_nothing_left();
}

#[test]
fn every_solution_passes_on_the_course_kernel() {
    let Some(bed) = bed() else { return };
    let (code, report) = check(&bed, &["module7", "--reference"]);
    assert_passed(code, &report);
    bed.assert_nothing_left();
}

/// The solution, a fresh workspace and every mutant of every exercise, as their author would have them proved.
#[test]
fn the_course_holds_what_it_promises() {
    let Some(bed) = bed() else { return };
    let output = bed.labctl(&["lint", "--live", "--format", "json"]);
    let document: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", explain(&output)));
    let checks = document["checks"].as_array().unwrap();
    let wrong: Vec<_> = checks.iter().filter(|check| check["state"] != "ok").collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(output.status.code(), Some(0), "{}", explain(&output));
    let live = |name: &str| checks.iter().filter(|check| check["name"] == name).count();
    assert!(live("solution-passes") >= 3 && live("mutants-live") == live("solution-passes"));
    bed.assert_nothing_left();
}
