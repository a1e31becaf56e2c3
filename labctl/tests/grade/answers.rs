//! Worksheets: keys, seeds, and files written by people.

use labctl::grade::verdict::Verdict;
use labctl::spec::answers;
use labctl::spec::givens;

use super::support::{check, exercise, grade, module, paper, right, worksheets};

#[test]
fn the_reference_is_right_for_every_seed() {
    for exercise in worksheets() {
        for number in 0..60 {
            let seed = format!("seed {number}");
            let mut evidence = paper(exercise, &seed);
            evidence.answers.as_mut().unwrap().text = answers::reference(exercise, &seed).unwrap();
            let result = grade(exercise, &evidence);
            for blank in &exercise.worksheet {
                let judged = check(&result, blank.id.as_str());
                assert_eq!(
                    judged.verdict,
                    Verdict::Passed,
                    "{} with {seed}: {}",
                    blank.id,
                    judged.message
                );
            }
            if !exercise.is_live() {
                assert_eq!(result.verdict, Verdict::Passed, "{} with {seed}", exercise.id);
            }
        }
    }
}

#[test]
fn no_right_answer_is_a_predicted_mistake() {
    for exercise in worksheets() {
        let id = &exercise.id;
        for seed in (0..300)
            .map(|number| format!("seed {number}"))
            .chain(["lesson".to_owned()])
        {
            let mut scope = labctl::spec::scope::Scope::new();
            for (name, value) in givens::values(exercise, &seed).unwrap() {
                scope.set(&name, value);
            }
            let keys = answers::key(exercise, &mut scope).unwrap();
            for blank in &exercise.worksheet {
                let mut inner = scope.inner();
                inner.set("answer", keys[blank.id.as_str()].clone());
                inner.set("answers", cel::Value::Null);
                for mistake in &blank.mistakes {
                    assert!(
                        !mistake.when.holds(&inner).unwrap(),
                        "{id} {seed}: {} as {}",
                        blank.id,
                        mistake.id
                    );
                }
            }
        }
    }
}

#[test]
fn the_lessons_numbers_are_the_lessons() {
    let text = answers::reference(exercise("complete-test"), "lesson").unwrap();
    assert!(
        text.contains("\ncpu_copies: 2\n") && text.contains("\nmemory_locations: 3\n"),
        "{text}"
    );
    assert!(text.contains("\nbytes_used: 39 bytes\n"), "{text}");
    let text = answers::reference(exercise("exercise-b"), "lesson").unwrap();
    assert!(text.contains("\ncopy1_to: 0xffff888112340050\n"), "{text}");
}

/// Whatever a student writes, each blank is judged: no rule about mistakes may stumble over a value.
#[test]
fn any_readable_answer_is_judged() {
    let numbers = [
        "0",
        "1",
        "2",
        "3",
        "13",
        "100",
        "0.5",
        "18446744073709551615",
        "-1",
    ];
    let words = ["yes", "no", "rax", "rdi", "rsi", "rdx", "0xffff888112340000", "0"];
    for exercise in worksheets() {
        for seed in ["lesson", "another"] {
            for written in numbers.iter().chain(&words) {
                let mut evidence = paper(exercise, seed);
                let mut texts = std::collections::BTreeMap::new();
                for blank in &exercise.worksheet {
                    if blank.kind.parse(written).is_ok() {
                        texts.insert(blank.id.to_string(), (*written).to_owned());
                    }
                }
                evidence.answers.as_mut().unwrap().text =
                    answers::reference_except(exercise, seed, &texts).unwrap();
                let result = grade(exercise, &evidence);
                assert_eq!(check(&result, "answers").verdict, Verdict::Passed, "{written}");
            }
        }
    }
}

#[test]
fn every_word_of_a_choice_is_right_or_explained() {
    for exercise in worksheets() {
        for blank in &exercise.worksheet {
            let labctl::spec::answers::BlankKind::Choice(words) = &blank.kind else {
                continue;
            };
            for word in words {
                let mut evidence = paper(exercise, "lesson");
                let one = [(blank.id.to_string(), word.clone())].into_iter().collect();
                evidence.answers.as_mut().unwrap().text =
                    answers::reference_except(exercise, "lesson", &one).unwrap();
                let result = grade(exercise, &evidence);
                let judged = check(&result, blank.id.as_str());
                assert!(
                    judged.verdict == Verdict::Passed || judged.help.is_some(),
                    "{}: {word}",
                    blank.id
                );
            }
        }
    }
}

#[test]
fn every_prediction_of_the_lesson_is_in_the_catalogue_and_used() {
    let mut used = std::collections::BTreeSet::new();
    for exercise in &module().exercises {
        let blanks = exercise.worksheet.iter().flat_map(|blank| &blank.mistakes);
        let checks = exercise.checks.iter().flat_map(|check| &check.explain);
        used.extend(blanks.chain(checks).map(|explain| explain.id.to_string()));
    }
    for number in 1..=10 {
        let id = format!("failure-{number}");
        assert!(used.contains(&id), "{id} shows nowhere");
        assert!(module().mistakes[&id].hints.len() >= 2, "{id}");
        let shown = module()
            .mutants
            .iter()
            .any(|mutant| mutant.expect.mistake.as_deref() == Some(id.as_str()));
        assert!(shown, "no mutant is diagnosed as {id}");
    }
    for id in module().mistakes.keys() {
        assert!(used.contains(id), "{id} is in the catalogue and shows nowhere");
    }
}

#[test]
fn a_seed_gives_the_same_numbers_every_time_and_others_than_another() {
    let exercise = exercise("exercise-b");
    assert_eq!(
        givens::values(exercise, "a").unwrap(),
        givens::values(exercise, "a").unwrap()
    );
    assert_ne!(
        givens::values(exercise, "a").unwrap(),
        givens::values(exercise, "b").unwrap()
    );
}

#[test]
fn a_fresh_answers_file_is_read_and_empty() {
    for exercise in worksheets() {
        let text = answers::skeleton(exercise, "lesson").unwrap();
        let answers = answers::parse(exercise, "answers.yaml", &text).unwrap();
        assert_eq!(answers.len(), exercise.worksheet.len());
        assert!(answers.values().all(Option::is_none));
    }
}

#[test]
fn every_mistake_in_a_file_is_told_with_its_line() {
    let text = answers::reference(exercise("complete-test"), "lesson").unwrap();
    let text = text
        .replace("cpu_copies: 2", "cpu_copiez: 2")
        .replace("bytes_used: 39 bytes", "bytes_used: lots");
    let line = |what: &str| text.lines().position(|line| line.starts_with(what)).unwrap() + 1;
    let errors = answers::parse(exercise("complete-test"), "answers/complete-test.yaml", &text).unwrap_err();
    let told = errors.to_string();
    let copies = line("cpu_copiez");
    assert!(
        told.contains(&format!("answers/complete-test.yaml:{copies}:1: no blank is called `cpu_copiez`, did you mean `cpu_copies`?")),
        "{told}"
    );
    let bytes = line("bytes_used");
    assert!(
        told.contains(&format!(
            "answers/complete-test.yaml:{bytes}:13: bytes_used: `lots` is not an amount"
        )),
        "{told}"
    );
    assert!(told.contains("`cpu_copies` is missing"), "{told}");
}

#[test]
fn an_unreadable_file_costs_nothing_of_the_run() {
    let exercise = exercise("exercise-b");
    let mut evidence = right(exercise);
    evidence.answers.as_mut().unwrap().text = "copies: [1\n".to_owned();
    let result = grade(exercise, &evidence);
    assert_eq!(result.verdict, Verdict::Invalid);
    assert_eq!(result.checks[0].id, "answers");
    assert!(
        result.checks[0].message.starts_with("answers/exercise-b.yaml:"),
        "{}",
        result.checks[0].message
    );
    assert_eq!(check(&result, "copies").blocked_by.as_deref(), Some("answers"));
    assert_eq!(check(&result, "copy1-is-the-transfer").points, 3);
}

#[test]
fn a_missing_file_is_told() {
    let exercise = exercise("exercise-b");
    let mut evidence = right(exercise);
    evidence.answers = None;
    let result = grade(exercise, &evidence);
    assert_eq!(result.checks[0].message, "answers/exercise-b.yaml is missing");
}

#[test]
fn hostile_files_are_refused() {
    let exercise = exercise("exercise-b");
    let deep = "[".repeat(5_000);
    let many: String = (0..20_000).map(|number| format!("k{number}: 1\n")).collect();
    let huge = format!("copies: '{}'\n", "9".repeat(100_000));
    let lines = [
        "&a [*a]",
        "copies: !!binary aGk=\n",
        "--- \n--- \ncopies: 2\n",
        "\u{0}",
        "copies: 2\ncopies: 3\n",
        "- 1\n",
        "2",
        "<<: 3\n",
    ];
    for text in lines.into_iter().map(str::to_owned).chain([deep, many, huge]) {
        let shown: String = text.chars().take(30).collect();
        let errors = answers::parse(exercise, "a.yaml", &text).unwrap_err();
        assert!(
            errors.as_slice().iter().all(|error| error.what.len() < 400),
            "{shown}"
        );
    }
}

#[test]
fn answers_may_be_written_in_many_ways() {
    let exercise = exercise("complete-test");
    let right = answers::reference(exercise, "lesson").unwrap();
    for (from, to) in [
        ("cpu_copies: 2", "cpu_copies: 0x2"),
        ("cpu_copies: 2", "cpu_copies: '2'"),
        ("bytes_used: 39 bytes", "bytes_used: 39"),
        ("bytes_used: 39 bytes", "bytes_used: 0x27 B"),
        (
            "kernel_buffer: 0xffff888123456000",
            "kernel_buffer: ffff888123456000",
        ),
        (
            "kernel_buffer: 0xffff888123456000",
            "kernel_buffer: 0xFFFF_8881_2345_6000",
        ),
    ] {
        assert!(right.contains(from), "{from}");
        let mut evidence = super::support::right(exercise);
        evidence.answers.as_mut().unwrap().text = right.replace(from, to);
        assert_eq!(grade(exercise, &evidence).verdict, Verdict::Passed, "{to}");
    }
}

#[test]
fn every_blank_has_its_points_and_the_sum_is_the_exercises() {
    for exercise in &module().exercises {
        let result = grade(exercise, &paper(exercise, "lesson"));
        assert_eq!(result.max_points, exercise.max_points());
    }
}

/// The answers file lists what is given; what has to be worked out from a question is not in that list.
#[test]
fn no_given_that_is_listed_is_the_answer_to_a_difference() {
    let text = answers::skeleton(exercise("w-questions"), "lesson").unwrap();
    let given = text.split("\n\n").next().unwrap();
    assert!(given.contains("#   head = 0xffff888112340000\n"), "{given}");
    for hidden in ["headroom", "data_bytes", "tailroom"] {
        assert!(!given.contains(hidden), "{given}");
    }
    let text = answers::skeleton(exercise("exercise-c"), "lesson").unwrap();
    assert!(!text.contains("256") && text.contains("0x100"), "{text}");
}
