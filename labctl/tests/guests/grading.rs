//! The course under test: the solution passes on every kernel, the skeleton does not, and every mutant gets the
//! verdict, the check and the mistake that it deserves.

use std::collections::BTreeMap;

use labctl::spec::course::Course;
use labctl::spec::files::CourseFiles;
use labctl::spec::workspace::mutated;
use serde_json::Value;

use crate::bed::{Bed, bed, explain, write_all};

fn check(bed: &Bed, args: &[&str]) -> (i32, Value) {
    let mut words = vec!["check", "--format", "json"];
    words.extend_from_slice(args);
    let output = bed.labctl(&words);
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("labctl {words:?}: {error}: {}", explain(&output)));
    (output.status.code().unwrap(), report)
}

fn assert_passed(code: i32, report: &Value) {
    assert_eq!(code, 0, "{report:#}");
    for exercise in report["exercises"].as_array().unwrap() {
        assert_eq!(exercise["verdict"], "passed", "{report:#}");
    }
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

#[test]
fn the_skeleton_does_not_pass() {
    let Some(bed) = bed() else { return };
    bed.ok(&["init", "module7", "fresh"]);
    let (code, report) = check(&bed, &["module7", "--workspace", "fresh"]);
    assert_eq!(code, 1, "{report:#}");
    for exercise in report["exercises"].as_array().unwrap() {
        assert_ne!(exercise["verdict"], "passed", "{report:#}");
        assert_ne!(exercise["verdict"], "inconclusive", "{report:#}");
    }
    bed.assert_nothing_left();
}

#[test]
fn every_mutant_gets_what_it_deserves() {
    let Some(bed) = bed() else { return };
    let files: CourseFiles = labctl::embedded::COURSE
        .iter()
        .map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec()))
        .collect();
    let course = Course::load(&files).unwrap();
    let module = course.module("module7").unwrap();
    let mut wrong = BTreeMap::new();
    let live = module.mutants.iter().filter(|mutant| !mutant.is_answers_only());
    let mut graded = 0;
    for mutant in live {
        graded += 1;
        let dir = tempfile::tempdir().unwrap();
        write_all(dir.path(), &mutated(module, mutant, "lesson").unwrap());
        let (_, report) = check(
            &bed,
            &[&mutant.exercise, "--workspace", dir.path().to_str().unwrap()],
        );
        let exercise = &report["exercises"][0];
        let verdict = exercise["verdict"].as_str().unwrap();
        let checks = exercise["checks"].as_array().unwrap();
        let check = checks
            .iter()
            .find(|check| check["id"] == mutant.expect.check.as_str());
        let check_verdict = check.map_or("absent", |check| check["verdict"].as_str().unwrap());
        let mistake = check.and_then(|check| check["mistake"].as_str());
        let findings: Vec<_> = exercise["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| finding["kind"].as_str().unwrap())
            .collect();
        let finding_ok = mutant
            .expect
            .finding
            .as_deref()
            .is_none_or(|kind| findings.contains(&kind));
        let right = verdict == mutant.expect.verdict
            && matches!(check_verdict, "failed" | "partial" | "invalid")
            && mistake == mutant.expect.mistake.as_deref()
            && finding_ok;
        if !right {
            let run = exercise["run_dir"].as_str().unwrap_or_default();
            wrong.insert(
                mutant.id.clone(),
                format!(
                    "expected {:?}; got {verdict}, {} {check_verdict}, mistake {mistake:?}, findings {findings:?}, \
                     message {:?}; see {run}",
                    mutant.expect,
                    mutant.expect.check,
                    check.map(|check| check["message"].to_string()),
                ),
            );
        }
    }
    assert!(graded >= 8, "only {graded} mutants need a guest");
    assert!(wrong.is_empty(), "{wrong:#?}");
    bed.assert_nothing_left();
}

#[test]
fn a_module_of_yaml_and_c_alone_holds_what_it_promises() {
    let Some(bed) = bed() else { return };
    let output = bed.labctl(&["lint", "module0", "--live", "--format", "json"]);
    let document: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", explain(&output)));
    assert_eq!(output.status.code(), Some(0), "{document:#}");
    let summary = &document["summary"];
    assert_eq!(
        (&summary["problems"], &summary["not_run"]),
        (&0.into(), &0.into())
    );
    let live = document["checks"].as_array().unwrap().iter();
    let live: Vec<_> = live
        .filter(|check| check["subject"] == "module0/hello-kprobe")
        .map(|check| check["name"].as_str().unwrap())
        .collect();
    for name in ["solution-passes", "skeleton-fails", "mutants-live"] {
        assert!(live.contains(&name), "{live:?}");
    }
    bed.assert_nothing_left();
}
