//! What `labs/<module>/COVERAGE.md` names exists, and what exists is named there.

use std::collections::BTreeSet;

use super::support::{files, module};

/// The words in code style of the tables' last column.
fn named() -> BTreeSet<String> {
    let files = files();
    let text = files.text("labs/module7/COVERAGE.md").unwrap().unwrap();
    let mut names = BTreeSet::new();
    for row in text.lines().filter(|line| line.starts_with("| ")) {
        let last = row.trim_end_matches('|').rsplit(" | ").next().unwrap();
        names.extend(last.split('`').skip(1).step_by(2).map(str::to_owned));
    }
    assert!(names.len() > 100, "{names:?}");
    names
}

#[test]
fn everything_named_exists() {
    let mut known = BTreeSet::new();
    for exercise in &module().exercises {
        let id = &exercise.id;
        known.insert(id.to_string());
        let builtins = exercise.builtins();
        let checks = builtins
            .iter()
            .map(|builtin| builtin.id.as_str())
            .chain(exercise.worksheet.iter().map(|blank| blank.id.as_str()))
            .chain(exercise.checks.iter().map(|check| check.id.as_str()));
        known.extend(checks.map(|check| format!("{id}/{check}")));
    }
    let unknown: Vec<_> = named().into_iter().filter(|name| !known.contains(name)).collect();
    assert!(
        unknown.is_empty(),
        "COVERAGE.md names what is not there: {unknown:#?}"
    );
}

#[test]
fn every_exercise_and_every_blank_is_named() {
    let named = named();
    for exercise in &module().exercises {
        let id = exercise.id.as_str();
        if named.contains(id) {
            continue;
        }
        for blank in &exercise.worksheet {
            assert!(
                named.contains(&format!("{id}/{}", blank.id)),
                "COVERAGE.md does not name {id}/{}",
                blank.id
            );
        }
        assert!(
            named.iter().any(|name| name.starts_with(&format!("{id}/"))),
            "COVERAGE.md does not name {id}"
        );
    }
}
