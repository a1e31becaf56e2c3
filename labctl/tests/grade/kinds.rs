//! What the grammar offers beyond module 7's use of it, on a course made up here.

use labctl::grade::evidence::{
    AnswersInput, Evidence, MemberLayout, StepKindName, StepRecord, StepStatus, StructLayout,
};
use labctl::grade::verdict::{ExerciseResult, Verdict};
use labctl::spec::answers;
use labctl::spec::course::Course;
use labctl::spec::exercise::{Exercise, Program, StepKind, Until};
use labctl::spec::files::CourseFiles;
use labctl::spec::givens;

use super::support::{check, grade};

const LABS: &str = "course: test
title: Test
modules:
  m:
    title: M
    kernel: k
    image: i
    vm: { cpus: 1, memory: 256 MiB }
    exercises: [x]
";

const SHEET: &str = "id: x
title: X
givens:
  size: { type: bytes_or_so, lesson: 1 }
worksheet: []
";

fn load(exercise: &str) -> Result<Course, String> {
    let mut files = CourseFiles::new();
    files.insert("labs.yaml", LABS);
    files.insert("labs/m/exercises/x.yaml", exercise);
    files.insert(
        "labs/m/mistakes.yaml",
        "failure-5: { title: Half, explanation: a copy reads and writes, hints: [count, double] }\n",
    );
    files.insert(
        "labs/m/commands/trace.sh",
        "#!/bin/sh\n#@ todo\n#@ # TODO\n#@ solution\necho 5\n#@ end\n",
    );
    Course::load(&files).map_err(|errors| errors.to_string())
}

fn one(exercise: &str) -> Exercise {
    load(exercise).unwrap().modules[0].exercises[0].clone()
}

const BANDWIDTH: &str = "id: x
title: Bandwidth
givens:
  transfer: { type: integer, lesson: 1000000000, min: 1000000000, max: 9000000000, step: 1000000000 }
  rate: { type: choice, lesson: 50000000000, values: [25000000000, 50000000000] }
worksheet:
  - { id: operations, ask: 'Operations ___', type: bytes, unit: GB, key: moved * 2, help: each copy reads and writes,
      mistakes: [{ id: failure-5, when: answer == moved, help: a copy is a read and a write }] }
  - { id: moved, ask: 'Moved ___', type: bytes, unit: GB, key: transfer * 2, help: twice }
  - { id: time, ask: 'Time ___', type: seconds, tolerance: 0.01, key: double(operations) / double(rate), help: divide, points: 3 }
  - { id: register, ask: 'Length is in ___', type: register, key: \"'rsi'\", help: the second }
  - { id: who, ask: 'Copied by ___', type: choice, choices: [CPU, NIC], key: \"'CPU'\", help: no card }
";

fn answered(exercise: &Exercise, text: &str) -> ExerciseResult {
    let mut evidence = Evidence::new("m/x", "lesson");
    evidence.answers = Some(AnswersInput {
        file: "answers/x.yaml".to_owned(),
        text: text.to_owned(),
    });
    grade(exercise, &evidence)
}

#[test]
fn every_type_of_blank() {
    let exercise = one(BANDWIDTH);
    let text = "operations: 4 GB\nmoved: 2\ntime: 80 ms\nregister: regs->si\nwho: cpu\n";
    let result = answered(&exercise, text);
    assert_eq!(
        (result.verdict, result.points, result.max_points),
        (Verdict::Passed, 7, 7),
        "{result:#?}"
    );
    let result = answered(
        &exercise,
        &text
            .replace("80 ms", "0.0805")
            .replace("4 GB", "2_000_000_000 bytes"),
    );
    assert_eq!(
        check(&result, "time").verdict,
        Verdict::Passed,
        "within one per cent"
    );
    assert_eq!(check(&result, "operations").mistake.as_deref(), Some("failure-5"));
    assert_eq!((result.verdict, result.points), (Verdict::Partial, 6));
    assert_eq!(
        check(&answered(&exercise, &text.replace("80 ms", "80")), "time").verdict,
        Verdict::Failed
    );
    for wrong in ["regs->sj", "nic or cpu"] {
        let text = text
            .replace("regs->si", wrong)
            .replace("cpu", if wrong == "regs->sj" { "CPU" } else { wrong });
        assert_eq!(answered(&exercise, &text).verdict, Verdict::Invalid, "{wrong}");
    }
}

#[test]
fn references_of_every_type_read_back() {
    let exercise = one(BANDWIDTH);
    for seed in ["lesson", "1", "2", "3", "4", "5"] {
        let text = answers::reference(&exercise, seed).unwrap();
        let mut evidence = Evidence::new("m/x", seed);
        evidence.answers = Some(AnswersInput {
            file: "a".to_owned(),
            text,
        });
        assert_eq!(grade(&exercise, &evidence).verdict, Verdict::Passed, "{seed}");
    }
}

#[test]
fn an_unknown_type_is_told() {
    let told = load(SHEET).unwrap_err();
    assert!(
        told.contains("labs/m/exercises/x.yaml:4:17: no type of given `bytes_or_so`"),
        "{told}"
    );
}

#[test]
fn a_require_that_cannot_be_met_is_an_error_and_no_endless_loop() {
    let exercise = one(&BANDWIDTH.replace("worksheet:", "require: ['transfer < 5']\nworksheet:"));
    let error = givens::values(&exercise, "seed").unwrap_err();
    assert!(
        error
            .to_string()
            .contains("no givens meet this for the seed `seed`"),
        "{error}"
    );
    assert!(
        givens::values(&exercise, "lesson").is_ok(),
        "the lesson's own numbers are not drawn"
    );
}

#[test]
fn a_rule_that_does_not_fit_its_values_is_the_courses_error() {
    let exercise = one(&BANDWIDTH.replace("key: transfer * 2", "key: transfer + 'x'"));
    let error = labctl::grade::grade(&exercise, &Evidence::new("m/x", "lesson")).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.starts_with("labs/m/exercises/x.yaml:9:"), "{cause}");
    assert!(cause.contains("`transfer + 'x'` cannot be evaluated"), "{cause}");
}

const SCRIPT: &str = "id: x
title: A script and a tool
run:
  - { id: server, start: { command: nc, args: ['-l', '{{port}}'], until: { tcp_listening: '{{port}}' } } }
  - { exec: { script: commands/trace.sh, stdin: go } }
  - { stop: server }
draw: { port: port, size: { integer: [5, 5] } }
facts:
  rate: { from: stdout, step: trace, match: 'rate {r:number} GB/s', where: f.r > 1.0 }
  complaints: { from: stderr, step: trace, match: 'warning: {what:text}' }
checks:
  - { id: rate-shown, title: Rate, points: 2, pass: size(rate) == 1 && size(complaints) == 0, passed: fine, message: '{{size(rate)}} rates', help: print one }
";

fn scripted(stdout: &str, stderr: &str) -> ExerciseResult {
    let exercise = one(SCRIPT);
    grade(&exercise, &script_evidence(&exercise, stdout, stderr))
}

fn script_evidence(exercise: &Exercise, stdout: &str, stderr: &str) -> Evidence {
    let mut evidence = Evidence::new("m/x", "lesson");
    evidence.draws = exercise.draw("1");
    for (id, kind, status) in [
        ("server", StepKindName::Start, StepStatus::Started),
        ("trace", StepKindName::Exec, StepStatus::Exited(0)),
        ("stop_server", StepKindName::Stop, StepStatus::Exited(0)),
    ] {
        evidence.steps.push(StepRecord {
            id: id.to_owned(),
            kind,
            status,
            stdout: if id == "trace" {
                stdout.to_owned()
            } else {
                String::new()
            },
            stderr: if id == "trace" {
                stderr.to_owned()
            } else {
                String::new()
            },
            pid: None,
            started_us: None,
            ended_us: None,
        });
    }
    evidence
}

#[test]
fn scripts_and_tools_of_the_image() {
    let exercise = one(SCRIPT);
    let StepKind::Start { program, until, .. } = &exercise.run[0].kind else {
        panic!("{:?}", exercise.run[0])
    };
    assert_eq!(*program, Program::Command("nc".to_owned()));
    assert!(matches!(until, Until::TcpListening(_)));
    let ids: Vec<&str> = exercise.run.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["server", "trace", "stop_server"]);
    assert_eq!(exercise.draw("1")["size"], 5);

    assert_eq!(
        scripted("rate 12.5 GB/s\nrate 0.5 GB/s\n", "").verdict,
        Verdict::Passed
    );
    let result = scripted("rate 12.5 GB/s\n", "warning: slow\n");
    assert_eq!((result.verdict, result.points), (Verdict::Failed, 0));
    assert_eq!(check(&result, "rate-shown").message, "1 rates");
}

#[test]
fn steps_and_arguments_are_checked() {
    for (from, to, why) in [
        ("{ stop: server }", "{ stop: sever }", "did you mean `server`?"),
        (
            "until: { tcp_listening",
            "until: { tcp_listen",
            "unknown variant `tcp_listen`",
        ),
        ("'{{port}}'], until", "'{{prot}}'], until", "no variable `prot`"),
        (
            "stdin: go }",
            "until: started }",
            "only a started program has `until`",
        ),
        (
            "{ stop: server }",
            "{ stop: server, wait: server }",
            "a step is one of load, unload, start, exec, wait, stop",
        ),
        (
            "{ stop: server }",
            "{ stop: server, within: 0 }",
            "1 to 600 seconds",
        ),
        ("integer: [5, 5]", "integer: [6, 5]", "the range is empty"),
        ("where: f.r > 1.0", "where: w.r > 1.0", "no variable `w`"),
        ("points: 2", "points: 0", "no blank and no check gives points"),
    ] {
        assert_eq!(SCRIPT.matches(from).count(), 1, "{from}");
        let told = load(&SCRIPT.replace(from, to)).unwrap_err();
        assert!(told.contains(why), "{to}: {told}");
    }
}

const FIGURE: &str = "figures:
  - id: rates
    title: Rates
    needs: [rate-shown]
    columns: [line, GB/s]
    rows: \"rate.map(r, [r.text, r.r])\"
    plot: GB/s
";

#[test]
fn a_figure_shows_what_was_measured_when_its_checks_passed() {
    let exercise = one(&format!("{SCRIPT}{FIGURE}"));
    let result = grade(&exercise, &script_evidence(&exercise, "rate 12.5 GB/s\n", ""));
    let [figure] = result.figures.as_slice() else {
        panic!("{:?}", result.figures)
    };
    assert_eq!(figure.rows, [["rate 12.5 GB/s", "12.5"]]);
    assert_eq!(
        (figure.plot, figure.bars.as_slice()),
        (Some(1), [12.5].as_slice())
    );
    let failed = grade(
        &exercise,
        &script_evidence(&exercise, "rate 12.5 GB/s\n", "warning: slow\n"),
    );
    assert!(failed.figures.is_empty());
}

#[test]
fn a_figure_that_is_no_table_is_the_courses_error() {
    for (rows, why) in [
        ("rate", "expected a list of rows with 2 values each"),
        (
            "rate.map(r, [r.text])",
            "expected a list of rows with 2 values each",
        ),
        ("rate.map(r, [r.text, r.text])", "cannot be drawn as a bar"),
    ] {
        let text = format!("{SCRIPT}{FIGURE}").replace("rate.map(r, [r.text, r.r])", rows);
        let exercise = one(&text);
        let evidence = script_evidence(&exercise, "rate 12.5 GB/s\n", "");
        let error = labctl::grade::grade(&exercise, &evidence).unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains(why), "{rows}: {cause}");
    }
}

#[test]
fn figures_are_checked() {
    for (from, to, why) in [
        ("plot: GB/s", "plot: GB", "no column `GB`"),
        (
            "needs: [rate-shown]",
            "needs: [rate-show]",
            "no check `rate-show`, did you mean `rate-shown`?",
        ),
        (
            "id: rates",
            "id: rate-shown",
            "there already is a check or figure `rate-shown`",
        ),
        (
            "columns: [line, GB/s]",
            "columns: [GB/s]",
            "a table has at least two columns",
        ),
        ("rate.map(r,", "rats.map(r,", "no variable `rats`"),
    ] {
        assert_eq!(FIGURE.matches(from).count(), 1, "{from}");
        let told = load(&format!("{SCRIPT}{}", FIGURE.replace(from, to))).unwrap_err();
        assert!(told.contains(why), "{to}: {told}");
    }
}

const TYPES: &str = "id: x
title: A structure and a table
run:
  - { id: slabs, exec: { command: cat } }
facts:
  layout: { from: btf, struct: box }
  file: { from: bugs, function: fill }
  row: { from: stdout, step: slabs, squeeze: true, match: '{name:word} {size:int}' }
checks:
  - { id: right, title: Right, needs: [run-completed], points: 1, pass: \"layout != null && layout.order == ['a', 'b'] && row.exists(r, r.size == layout.members.b.offset) && file == 'lib/box.c'\", passed: fine, message: wrong, help: look }
";

#[test]
fn what_the_kernel_says_of_itself_is_a_fact() {
    let exercise = one(TYPES);
    assert_eq!(
        (exercise.structs(), exercise.origins()),
        (vec!["box"], vec!["fill"])
    );
    let mut evidence = Evidence::new("m/x", "lesson");
    evidence.steps.push(StepRecord {
        id: "slabs".to_owned(),
        kind: StepKindName::Exec,
        status: StepStatus::Exited(0),
        stdout: "  b     8  \n".to_owned(),
        stderr: String::new(),
        pid: None,
        started_us: None,
        ended_us: None,
    });
    assert_eq!(grade(&exercise, &evidence).verdict, Verdict::Failed);
    let member = |name: &str, offset| MemberLayout {
        name: name.to_owned(),
        offset,
        size: 8,
    };
    let layout = StructLayout {
        size: 16,
        members: vec![member("a", 0), member("b", 8)],
    };
    evidence.types.insert("box".to_owned(), layout);
    evidence.origins.insert("fill".to_owned(), "lib/box.c".to_owned());
    assert_eq!(grade(&exercise, &evidence).verdict, Verdict::Passed);
    let again = Evidence::from_json(&evidence.to_json().unwrap()).unwrap();
    assert_eq!(again, evidence);
}
