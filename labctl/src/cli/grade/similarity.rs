//! Whose work looks like whose: from what is kept of it in the folder of results.

use std::collections::BTreeMap;

use super::folder::Grades;
use crate::class::{ClassResults, Row};
use crate::cli::failure::Failure;
use crate::similar::{self, Answer, Pair, Work};
use crate::spec::course::Module;
use crate::spec::exercise::LESSON_SEED;
use crate::spec::workspace::skeleton;
use crate::submission::load;

/// All pairs that stand out; of fewer than two students there are none.
pub(super) fn pairs(grades: &Grades, module: &Module, class: &ClassResults) -> Result<Vec<Pair>, Failure> {
    let mut works = Vec::new();
    for row in class.rows.iter().filter(|row| row.results.is_some()) {
        // What cannot be read was not graded, and is told there.
        if let Ok(intake) = load(&grades.submission(&row.id)) {
            works.push(work(module, row, intake.texts()));
        }
    }
    let mut given = skeleton(module, LESSON_SEED)?;
    given.retain(|path, _| is_source(path));
    Ok(similar::pairs(&works, &given))
}

fn is_source(path: &str) -> bool {
    path.starts_with("src/")
}

fn work(module: &Module, row: &Row, mut files: BTreeMap<String, String>) -> Work {
    files.retain(|path, _| is_source(path));
    let mut answers = Vec::new();
    for exercise in row.results.iter().flat_map(|results| &results.exercises) {
        let result = &exercise.result;
        let Some(definition) = module.exercise(&result.id) else {
            continue;
        };
        for check in &result.checks {
            let is_answer = definition
                .worksheet
                .iter()
                .any(|blank| blank.id.as_str() == check.id);
            if let Some(value) = check.actual.as_ref().filter(|_| is_answer) {
                answers.push(Answer {
                    check: format!("{}/{}", result.id, check.id),
                    value: value.clone(),
                    right: check.points == check.max_points,
                });
            }
        }
    }
    Work {
        id: row.id.clone(),
        seed: row
            .results
            .as_ref()
            .map(|results| results.seed.clone())
            .unwrap_or_default(),
        sources: files,
        answers,
    }
}
