//! What an author gets: `lint` and `schema`.

use fs_err as fs;

use super::shell::{Shell, names};

#[test]
fn a_course_that_is_whole() {
    let shell = Shell::new();
    insta::assert_snapshot!("lint-whole", shell.run_course(&["lint"]));
    insta::assert_snapshot!(
        "lint-exercise",
        shell.run_course(&["lint", "bandwidth", "--seeds", "3"])
    );
    let output = shell
        .course_command(&["lint", "--format", "json"])
        .output()
        .unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["schema"], "labctl/lint/v1");
    assert_eq!(document["live"], false);
    let checks = document["checks"].as_array().unwrap();
    let count = |state: &str| checks.iter().filter(|check| check["state"] == state).count();
    assert_eq!(document["summary"]["ok"], count("ok"));
    // No guest was asked for: that is told, and counted.
    assert_eq!(document["summary"]["not_run"], 1);
    assert_eq!(count("not-run"), 1);
}

#[test]
fn problems_have_their_place_and_end_with_3() {
    let shell = Shell::new();
    let exercise = "course/labs/copies/exercises/bandwidth.yaml";
    shell.edit(
        exercise,
        "when: answer == transfer,",
        "when: answer == transfer * 2,",
    );
    shell.write(
        "course/labs/copies/src/left-over.c",
        "int main(void) { return 0; }\n",
    );
    shell.write(
        "course/labs/copies/mutants/other.yaml",
        "id: other\ntitle: the wrong register\nexercise: bandwidth\nanswers: { register: rdi }\n\
         expect: { verdict: partial, check: register, mistake: failure-5, points: 2 }\n",
    );
    insta::assert_snapshot!("lint-problems", shell.run_course(&["lint", "copies"]));
}

#[test]
fn a_course_that_cannot_be_read() {
    let shell = Shell::new();
    shell.edit("course/labs.yaml", "cpus: 1", "cpus: none");
    insta::assert_snapshot!("lint-unreadable", shell.run_course(&["lint"]));
    let output = shell
        .course_command(&["lint", "--format", "json"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let problem = &document["checks"][0]["problems"][0];
    assert_eq!(
        (&problem["file"], &problem["line"], &problem["column"]),
        (&"labs.yaml".into(), &9.into(), &17.into())
    );
}

#[test]
fn what_is_asked_for_has_to_exist() {
    let shell = Shell::new();
    let said = [
        shell.run_course(&["lint", "bandwith"]),
        shell.run_course(&["lint", "--seeds", "0"]),
        shell.run_course(&["schema", "exercises"]),
        shell.run_course(&["schema", "mutant", "bandwidth"]),
        shell.run_course(&["schema", "answers", "copies"]),
    ];
    insta::assert_snapshot!("authors-unknown", said.join("\n"));
}

#[test]
fn schemas_for_editors() {
    let shell = Shell::new();
    let said = [
        shell.run_course(&["schema"]),
        shell.run_course(&["schema", "workspace"]),
        shell.run_course(&["schema", "answers", "bandwidth"]),
        shell.run_course(&["schema", "--write", "schemas"]),
    ];
    insta::assert_snapshot!("schema", said.join("\n"));
    let kinds = String::from_utf8(shell.command(&["schema"]).output().unwrap().stdout).unwrap();
    let mut files: Vec<String> = kinds.lines().map(|kind| format!("{kind}.json")).collect();
    files.sort();
    assert_eq!(names(&shell.here("schemas")), files);
    for kind in kinds.lines() {
        let output = shell.command(&["schema", kind]).output().unwrap();
        let written = fs::read(shell.here("schemas").join(format!("{kind}.json"))).unwrap();
        assert_eq!(output.stdout, written, "{kind}");
        let schema: serde_json::Value = serde_json::from_slice(&written).unwrap();
        assert!(schema["title"].as_str().unwrap().starts_with("labctl "), "{kind}");
    }
}
