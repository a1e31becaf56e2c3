//! The repository's course holds what it promises, and a course that does not is told where.

use labctl::lint::report::{Item, Problem, State};
use labctl::lint::symbols::Symbols;
use labctl::lint::{self, seeds};
use labctl::spec::course::Course;
use labctl::spec::files::CourseFiles;

use super::support::files;

const HELLO: &str = "labs/module0/exercises/hello-kprobe.yaml";
const SOURCE: &str = "labs/module0/src/hello.c";
const MAP: &str = "ffffffff81225ad0 t do_sys_openat2\nffffffff81225bd0 t do_sys_open\n";

/// All that is looked at on paper.
fn items(files: &CourseFiles, modules: &[&str], count: u32) -> Vec<Item> {
    let course = match Course::load(files) {
        Ok(course) => course,
        Err(errors) => panic!("{errors}"),
    };
    let seeds = seeds(count);
    let mut items = Vec::new();
    for module in course
        .modules
        .iter()
        .filter(|module| modules.contains(&module.id.as_str()))
    {
        items.extend(lint::module(module, files));
        let symbols = Symbols::parse(MAP);
        if module.id.as_str() == "module0" {
            items.push(lint::probed_functions(module, files, Some(&symbols)));
        }
        for exercise in &module.exercises {
            items.extend(lint::exercise(module, exercise, &seeds));
        }
    }
    items
}

#[test]
fn the_course_has_no_problem() {
    let items = items(&files(), &["module0", "module7"], 25);
    let wrong: Vec<&Item> = items.iter().filter(|item| item.state != State::Right).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(items.len() > 20);
}

/// Changes one text of module 0, and gives the problems that one check then has.
fn broken(check: &str, path: &str, from: &str, to: &str) -> Vec<Problem> {
    let mut files = files();
    let text = files.text(path).unwrap().unwrap().to_owned();
    assert_eq!(text.matches(from).count(), 1, "{from} in {path}");
    files.insert(path, text.replace(from, to).into_bytes());
    problems(&files, check)
}

fn problems(files: &CourseFiles, check: &str) -> Vec<Problem> {
    let items = items(files, &["module0"], 25);
    let of = |item: &Item| item.name == check;
    let found: Vec<&Item> = items.iter().filter(|item| of(item)).collect();
    assert_eq!(found.len(), 1, "{check}");
    assert_eq!(found[0].state == State::Wrong, !found[0].problems.is_empty());
    found[0].problems.clone()
}

/// The place of a text in a file of the course.
fn place(files: &CourseFiles, path: &str, text: &str) -> (u32, u32) {
    let file = files.text(path).unwrap().unwrap();
    let (index, line) = file
        .lines()
        .enumerate()
        .find(|(_, line)| line.contains(text))
        .unwrap();
    let column = line[..line.find(text).unwrap()].chars().count() + 1;
    (u32::try_from(index + 1).unwrap(), u32::try_from(column).unwrap())
}

#[track_caller]
fn one(problems: &[Problem], file: &str, what: &str) -> (u32, u32) {
    let [problem] = problems else {
        panic!("{problems:#?}")
    };
    assert_eq!(problem.file, file);
    assert!(problem.what.contains(what), "{problem:#?}");
    assert!(!problem.help.is_empty(), "{problem:#?}");
    (problem.line, problem.column)
}

#[test]
fn a_right_answer_that_is_a_mistake_for_some_seed() {
    // 2 to 9 files are drawn: the lesson's 3 would not show it.
    let found = broken(
        "no-collision",
        HELLO,
        "answer == 1, help",
        "answer == 1 || answer > 5, help",
    );
    let at = one(&found, HELLO, "is the mistake `counts-probe`");
    assert_eq!(at, place(&files(), HELLO, "answer == 1, help"));
}

#[test]
fn a_predicted_wrong_answer_within_the_tolerance() {
    let found = broken(
        "no-collision",
        HELLO,
        "type: integer\n    key: files\n",
        "type: integer\n    tolerance: 0.45\n    key: files\n    \n",
    );
    assert!(found.is_empty(), "1 is not within 45 % of 2: {found:#?}");
    let found = broken(
        "no-collision",
        HELLO,
        "key: uint(4294967296 - 100)",
        "tolerance: 0.01\n    key: uint(101)",
    );
    one(&found, HELLO, "is within the tolerance of the right one");
}

#[test]
fn a_key_that_is_not_of_its_blanks_type() {
    let found = broken("solution-answers", HELLO, "key: \"'rsi'\"", "key: \"'rsj'\"");
    one(&found, HELLO, "the solution's answers cannot be read");
}

#[test]
fn a_mutant_that_is_told_as_something_else() {
    let path = "labs/module0/mutants/h-counts-probe.yaml";
    let found = broken(
        "mutants-on-paper",
        path,
        "mistake: counts-probe",
        "mistake: counts-close",
    );
    one(&found, path, "told as `counts-probe`, not as `counts-close`");
    let found = broken("mutants-on-paper", path, "points: 9", "points: 8");
    one(&found, path, "9 points are left, not 8");
    let found = broken("mutants-on-paper", path, "verdict: partial", "verdict: invalid");
    one(&found, path, "the answers can be read");
    let found = broken("mutants-on-paper", path, "lines: 1", "lines: 3");
    assert!(
        found
            .iter()
            .any(|problem| problem.what.contains("`lines` is passed, and has to fail")),
        "{found:#?}"
    );
}

#[test]
fn a_file_that_nothing_uses() {
    for path in [
        "labs/module0/src/old.c",
        "labs/module0/mutants/notes.txt",
        "labs/module0/picture.svg",
    ] {
        let mut files = files();
        files.insert(path, b"/* left over */\n".to_vec());
        one(
            &problems(&files, "files-are-used"),
            path,
            "nothing uses this file",
        );
    }
    // A header that a source includes, and a picture that a text shows, are used.
    let mut files = files();
    let source = format!("#include \"shared.h\"\n{}", files.text(SOURCE).unwrap().unwrap());
    files.insert(SOURCE, source.into_bytes());
    files.insert("labs/module0/src/shared.h", b"\n".to_vec());
    files.insert("labs/module0/lesson.md", b"![](pictures/a.svg)\n".to_vec());
    files.insert("labs/module0/pictures/a.svg", b"<svg/>".to_vec());
    assert_eq!(problems(&files, "files-are-used"), []);
}

#[test]
fn a_probe_that_the_kernel_refuses() {
    let mut files = files();
    let text = files
        .text(SOURCE)
        .unwrap()
        .unwrap()
        .replace("\"do_sys_openat2\"", "\"do_sys_openat3\"");
    files.insert(SOURCE, text.into_bytes());
    // The mutant that looks for the name no longer finds it: without it the course loads.
    let files = files
        .paths()
        .filter(|path| !path.contains("h-no-such-function"))
        .map(|path| (path.to_owned(), files.get(path).unwrap().to_vec()))
        .collect();
    let at = one(
        &problems(&files, "probed-functions"),
        SOURCE,
        "did you mean `do_sys_openat2`?",
    );
    assert_eq!(at, place(&files, SOURCE, "symbol_name"));
}

#[test]
fn a_rule_that_has_no_value_when_nothing_was_printed() {
    let rule = "pass: size(program) == 1 &&";
    let found = broken("rules-evaluate", HELLO, rule, "pass: program[0].pid > 0 &&");
    let at = one(&found, HELLO, "cannot be evaluated");
    assert_eq!(at.0, place(&files(), HELLO, rule).0);
}

#[test]
fn a_member_that_no_line_has() {
    let text = "by_cat.filter(o, o.file == path)\" }";
    let found = broken("types", HELLO, text, "by_cat.filter(o, o.flie == path)\" }");
    let at = one(&found, HELLO, "no member `flie`, did you mean `file`?");
    assert_eq!(at.0, place(&files(), HELLO, text).0);
    let found = broken("types", HELLO, "size(by_others) == 0", "size(by_others)");
    one(&found, HELLO, "is no condition");
}

#[test]
fn a_sentence_that_is_missing() {
    let found = broken(
        "words",
        HELLO,
        "help: The exit function undoes what init did.",
        "help: ''",
    );
    one(&found, HELLO, "`help` is empty");
}

#[test]
fn points_that_nobody_gets_and_that_guard_nothing() {
    let mut files = files();
    let text = files
        .text(HELLO)
        .unwrap()
        .unwrap()
        .replace("    fault: laboratory\n", "");
    files.insert(HELLO, text.clone().into_bytes());
    assert_eq!(problems(&files, "points"), [], "it guards another check");
    let alone = text.replace("[hello-loads, cat-has-run]", "[hello-loads]");
    assert_ne!(text, alone);
    files.insert(HELLO, alone.into_bytes());
    one(
        &problems(&files, "points"),
        HELLO,
        "gives no points and guards no other",
    );
}

#[test]
fn a_fresh_workspace_that_is_the_solution() {
    let mut files = files();
    let text = files.text(HELLO).unwrap().unwrap().to_owned();
    let (head, rest) = text.split_once("worksheet:").unwrap();
    let run = rest.split_once("# ---- on the live").unwrap().1;
    files.insert(HELLO, format!("{head}# ----{run}").into_bytes());
    let source = files.text(SOURCE).unwrap().unwrap();
    let solution: String = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//@"))
        .map(|line| format!("{line}\n"))
        .collect();
    files.insert(SOURCE, solution.into_bytes());
    let files: CourseFiles = files
        .paths()
        .filter(|path| !path.starts_with("labs/module0/mutants/"))
        .map(|path| (path.to_owned(), files.get(path).unwrap().to_vec()))
        .collect();
    one(
        &problems(&files, "skeleton-does-not-pass"),
        HELLO,
        "already the solution",
    );
}
