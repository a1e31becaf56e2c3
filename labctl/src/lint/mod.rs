//! What an author is told about a course before a class sees it. Pure: files, expressions and the symbols of a kernel in,
//! problems with their places out. What needs a guest is run by the command line and judged here.

mod files;
pub mod mutants;
mod points;
mod probes;
pub mod report;
mod rules;
pub mod symbols;
mod types;
mod words;
mod worksheet;

use crate::spec::course::{Course, Module};
use crate::spec::exercise::{Exercise, LESSON_SEED};
use crate::spec::files::CourseFiles;
use report::Item;

/// The seeds that are tried: the lesson's numbers, and `count - 1` others.
#[must_use]
pub fn seeds(count: u32) -> Vec<String> {
    let others = (1..count.max(1)).map(|number| format!("lint-{number}"));
    std::iter::once(LESSON_SEED.to_owned()).chain(others).collect()
}

/// Everything about one exercise that needs neither a kernel nor a guest.
#[must_use]
pub fn exercise(module: &Module, exercise: &Exercise, seeds: &[String]) -> Vec<Item> {
    let mut items = Vec::new();
    if !exercise.worksheet.is_empty() {
        items.push(worksheet::solution(exercise, seeds));
        items.push(worksheet::collisions(exercise, seeds));
    }
    items.push(worksheet::skeleton(module, exercise, seeds));
    items.push(types::of(exercise));
    items.push(rules::evaluate(exercise));
    items.push(words::of(exercise));
    items.push(points::of(exercise));
    items.push(mutants::on_paper(module, exercise));
    items
}

/// What concerns no single module.
#[must_use]
pub fn course(course: &Course, files: &CourseFiles) -> Item {
    files::belong(course, files)
}

/// Everything about one module's files that needs neither a kernel nor a guest.
#[must_use]
pub fn module(module: &Module, files: &CourseFiles) -> Vec<Item> {
    vec![files::referenced(module, files), mutants::coverage(module)]
}

/// Whether the functions that the module's solution and commands probe can be probed.
#[must_use]
pub fn probed_functions(module: &Module, files: &CourseFiles, symbols: Option<&symbols::Symbols>) -> Item {
    probes::of(module, files, symbols)
}
