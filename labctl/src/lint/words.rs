//! Nobody is left without a word: every check, blank and mistake says something.

use super::report::{Item, Problem};
use super::worksheet::file_of;
use crate::spec::exercise::Exercise;
use crate::spec::text::Text;
use crate::spec::yaml::Origin;

pub(super) fn of(exercise: &Exercise) -> Item {
    let mut problems = Vec::new();
    let mut count = 0;
    let mut need = |text: &Text, what: &str, at: &Origin| {
        count += 1;
        if text.is_blank() {
            let help = "a student reads this: say what was seen, or what to try next";
            problems.push(Problem::with(at, format!("{what} is empty"), help));
        }
    };
    for blank in &exercise.worksheet {
        let at = blank.key.origin();
        need(&blank.ask, "`ask`", at);
        need(&blank.help, "`help`", at);
        for mistake in &blank.mistakes {
            need(&mistake.help, "the mistake's `help`", mistake.when.origin());
        }
    }
    for check in &exercise.checks {
        let at = check.pass.origin();
        need(&Text::literal(&check.title), "`title`", at);
        need(&check.passed, "`passed`", at);
        need(&check.message, "`message`", at);
        need(&check.help, "`help`", at);
        for mistake in &check.explain {
            need(&mistake.help, "the mistake's `help`", mistake.when.origin());
        }
    }
    if exercise.title.trim().is_empty() {
        problems.push(Problem::in_file(
            &file_of(exercise),
            "`title` is empty",
            "one line for people",
        ));
    }
    Item::judged(
        "words",
        exercise.full_name(),
        format!("{count} sentences for students"),
        problems,
    )
}
