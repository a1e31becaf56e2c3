//! Points: where they come from, and that nothing is judged for its own sake.

use super::report::{Item, Problem};
use crate::spec::exercise::{Exercise, Fault};

pub(super) fn of(exercise: &Exercise) -> Item {
    let mut problems = Vec::new();
    for blank in exercise.worksheet.iter().filter(|blank| blank.points == 0) {
        problems.push(Problem::with(
            blank.key.origin(),
            format!("the blank `{}` gives no points", blank.id),
            "give it a point, or leave it out",
        ));
    }
    for check in &exercise.checks {
        let guards = exercise
            .checks
            .iter()
            .any(|other| other.id != check.id && other.needs.contains(&check.id));
        if check.points == 0 && check.fault == Fault::Student && !guards {
            problems.push(Problem::with(
                check.pass.origin(),
                format!(
                    "the check `{}` gives no points and guards no other check",
                    check.id
                ),
                "give it points, or name it in the `needs` of what it guards",
            ));
        }
    }
    let blanks: u32 = exercise.worksheet.iter().map(|blank| blank.points).sum();
    let rules: u32 = exercise.checks.iter().map(|check| check.points).sum();
    let detail = format!(
        "{blanks} on paper and {rules} for rules are {}",
        exercise.max_points()
    );
    Item::judged("points", exercise.full_name(), detail, problems)
}
