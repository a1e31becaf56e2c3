//! Mistakes in course files are told with file, line and column, all at once.

use labctl::spec::course::{Course, NotFound};
use labctl::spec::files::CourseFiles;

use super::support::{COURSE, files};

/// The course with one file changed, and the errors of loading it.
fn errors(path: &str, from: &str, to: &str) -> Vec<String> {
    let files = files();
    let text = String::from_utf8(files.get(path).unwrap().to_vec()).unwrap();
    assert_eq!(text.matches(from).count(), 1, "{from} in {path}");
    changed(path, &text.replace(from, to))
}

fn changed(path: &str, text: &str) -> Vec<String> {
    let mut files = files();
    files.insert(path, text.as_bytes().to_vec());
    load(&files)
}

fn load(files: &CourseFiles) -> Vec<String> {
    match Course::load(files) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.as_slice().iter().map(ToString::to_string).collect(),
    }
}

fn place(path: &str, text: &str) -> String {
    let files = files();
    let file = String::from_utf8(files.get(path).unwrap().to_vec()).unwrap();
    let (index, line) = file
        .lines()
        .enumerate()
        .find(|(_, line)| line.contains(text))
        .unwrap();
    let column = line[..line.find(text).unwrap()].chars().count() + 1;
    format!("{path}:{}:{column}: ", index + 1)
}

const B: &str = "labs/module7/exercises/exercise-b.yaml";

#[test]
fn an_unknown_exercise_is_named_with_a_suggestion() {
    let told = errors("labs.yaml", "exercise-b, exercise-c,", "exercise-bb, exercise-c,");
    assert!(
        told[0].contains("exercise-b.yaml is not among the exercises of module7"),
        "{told:#?}"
    );
    let expected = "there is no labs/module7/exercises/exercise-bb.yaml, did you mean `exercise-b`?";
    assert!(
        told[1].starts_with("labs.yaml:") && told[1].ends_with(expected),
        "{told:#?}"
    );
}

#[test]
fn an_unknown_key_of_the_grammar() {
    let told = errors(B, "witness: { comms:", "witnes: { comms:");
    assert!(told[0].starts_with(&place(B, "witness: { comms:")), "{told:#?}");
    assert!(told[0].contains("unknown field `witnes`"), "{told:#?}");
}

#[test]
fn a_bad_expression_has_the_place_of_its_fault() {
    let rule = "pass: hit1[0].dest == hit4[0].src";
    let told = errors(B, rule, "pass: hit1[0].dest === hit4[0].src");
    let start = place(B, rule);
    let expected = start.replace(":5: ", ":26: ");
    assert!(
        told[0].starts_with(&expected) && told[0].contains("not an expression"),
        "{start} {told:#?}"
    );
}

#[test]
fn an_unknown_variable_and_an_unknown_function() {
    let told = errors(
        B,
        "pass: hit1[0].dest == hit4[0].src",
        "pass: hit11[0].dest == hit4[0].src",
    );
    assert!(
        told[0].contains("no variable `hit11`") && told[0].contains("did you mean `hit1`?"),
        "{told:#?}"
    );
    let told = errors(B, "pass: hit1[0].dest == hit4[0].src", "pass: siez(hit1) == 1");
    assert!(
        told[0].contains("no function `siez`, did you mean `size`?"),
        "{told:#?}"
    );
}

#[test]
fn names_that_clash_or_do_not_exist() {
    for (from, to, why) in [
        (
            "- id: same-kernel-address\n    title: Both",
            "- id: witness-saw-both\n    title: Both",
            "there already is a check or blank `witness-saw-both`",
        ),
        (
            "needs: [witness-saw-both]\n    points: 0",
            "needs: [witness-saw-booth]\n    points: 0",
            "no check `witness-saw-booth`, did you mean `witness-saw-both`?",
        ),
        (
            "  - { wait: receiver,",
            "  - { wait: reciever,",
            "no program was started before: `reciever`, did you mean `receiver`?",
        ),
        (
            "- load: [send_trace, recv_trace]",
            "- load: [send_trace, recv_trac]",
            "did you mean `recv_trace`?",
        ),
        (
            "nonce: { hex: 8 }",
            "payload: { hex: 8 }",
            "`payload` is already used at line",
        ),
        (
            "send_trace: [src/send_trace.c]",
            "send_trace: [src/sendtrace.c]",
            "did you mean `src/send_trace.c`?",
        ),
        (
            "step: sender, match: \"Sending",
            "step: sendr, match: \"Sending",
            "no step `sendr`, did you mean `sender`?",
        ),
        (
            "match: \"[COPY1] PID={pid:int}",
            "match: \"[COPY1] PID={pid:integer}",
            "no kind of hole `integer`",
        ),
        (
            "needs: [kprobes,",
            "needs: [CONFIG_KPROBES,",
            "a needed kernel feature is a name like kprobes",
        ),
        (
            "lesson: 13, min: 5",
            "lesson: 3, min: 5",
            "the lesson's value is not a integer that may be drawn",
        ),
        (
            "type: pid, lesson: 1234 }",
            "type: pid, lesson: 1234, min: 5 }",
            "means nothing for a given of type pid",
        ),
        (
            "fault: laboratory\n    pass: size(sent)",
            "fault: nobody\n    pass: size(sent)",
            "no fault `nobody`",
        ),
        (
            "  - exec: { program: sender",
            "  - exec: { program: sendr",
            "did you mean `sender`?",
        ),
    ] {
        let told = errors(B, from, to);
        assert!(
            told.iter().any(|told| told.contains(why) && told.starts_with(B)),
            "{to}: {told:#?}"
        );
    }
}

#[test]
fn what_the_witness_is_not_asked_for_cannot_be_read() {
    let path = "labs/module7/exercises/trace-1.yaml";
    let told = errors(path, ", skbs: true }", " }");
    assert!(
        told[0].contains("the witness follows no packets without `skbs: true`"),
        "{told:#?}"
    );
    let told = errors(
        path,
        "{ from: probes, where: \"p.error != null\" }",
        "{ from: probes }",
    );
    assert!(told[0].contains("a fact from probes needs `where`"), "{told:#?}");
}

#[test]
fn all_mistakes_are_told_at_once_and_in_order() {
    let files = files();
    let text = String::from_utf8(files.get(B).unwrap().to_vec()).unwrap();
    let text = text
        .replace("key: sender_va\n", "key: sender_v\n")
        .replace("pass: log_lost == 0", "pass: log_lots == 0");
    let told = changed(B, &text);
    assert!(told.len() >= 3, "{told:#?}");
}

#[test]
fn checks_and_keys_must_not_need_themselves() {
    let told = errors(
        B,
        "needs: [witness-saw-both]\n    points: 0",
        "needs: [programs-and-witness-agree]\n    points: 0",
    );
    assert!(told[0].contains("needs itself"), "{told:#?}");
    let told = errors(B, "key: copy1_to", "key: kernel_at_copy1");
    assert!(told[0].contains("needs itself"), "{told:#?}");
}

#[test]
fn mutants_are_checked_too() {
    let path = "labs/module7/mutants/b-one-copy.yaml";
    for (from, to, why) in [
        (
            "copies: 1",
            "copis: 1",
            "no blank `copis`, did you mean `copies`?",
        ),
        (
            "check: copies",
            "check: copiez",
            "no check `copiez`, did you mean `copies`?",
        ),
        (
            "verdict: partial",
            "verdict: partal",
            "no verdict `partal`, did you mean `partial`?",
        ),
    ] {
        let told = errors(path, from, to);
        assert!(told[0].starts_with(path) && told[0].contains(why), "{told:#?}");
    }
    let path = "labs/module7/mutants/b-hashed-pointer.yaml";
    let told = errors(path, "search: 'dest=%px'", "search: 'dest=%py'");
    assert!(told[0].contains("occurs 0 times"), "{told:#?}");
}

#[test]
fn exercises_are_found_by_name() {
    let names = |name: &str| {
        COURSE.find(name).map(|found| {
            found
                .iter()
                .map(|(_, exercise)| exercise.id.to_string())
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(names("exercise-b").unwrap(), ["exercise-b"]);
    assert_eq!(names("module7/exercise-b").unwrap(), ["exercise-b"]);
    let all = names("module7").unwrap();
    assert_eq!(all.len(), COURSE.module("module7").unwrap().exercises.len());
    assert!(all.contains(&"complete-test".to_owned()));
    assert_eq!(
        names("exercise_b").unwrap_err().to_string(),
        "no exercise or module `exercise_b`, did you mean `exercise-b`?"
    );
    assert!(matches!(names("lunch"), Err(NotFound::Unknown { hint, .. }) if hint.is_empty()));
}

#[test]
fn a_prediction_that_the_catalogue_does_not_have() {
    let path = "labs/module7/exercises/exercise-d.yaml";
    let id = "- { id: failure-5, when: answer == 1,";
    let told = errors(path, id, &id.replace("failure-5", "failure-55"));
    let expected = format!(
        "{}no mistake in the module's mistakes.yaml: `failure-55`, did you mean `failure-5`?",
        place(path, "failure-5, when: answer == 1,")
    );
    assert_eq!(told, [expected]);
}
