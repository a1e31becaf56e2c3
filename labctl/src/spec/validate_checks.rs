//! Checking the author's rules.

use super::builtin::{BuiltinKind, RUN_COMPLETED};
use super::exercise::{Check, Exercise, Fault};
use super::ids::CheckId;
use super::order::by_needs;
use super::raw::RawCheck;
use super::validate::{ALWAYS, Checker, Names};
use super::validate_worksheet::explanations;

pub(super) fn checks(
    checker: &mut Checker<'_>,
    raw: Vec<RawCheck>,
    exercise: &Exercise,
    names: &Names,
) -> Vec<Check> {
    let builtins = exercise.builtins();
    let mut taken: Vec<String> = builtins.iter().map(|builtin| builtin.id.clone()).collect();
    taken.extend(exercise.worksheet.iter().map(|blank| blank.id.to_string()));
    let all: Vec<String> = taken
        .iter()
        .cloned()
        .chain(raw.iter().map(|check| check.id.value.clone()))
        .collect();
    // Without `needs`, a rule about a run needs the student's modules and programs to have worked.
    let default: Vec<CheckId> = builtins
        .iter()
        .filter(|builtin| matches!(builtin.kind, BuiltinKind::Loads { .. } | BuiltinKind::Runs { .. }))
        .filter_map(|builtin| CheckId::new(&builtin.id))
        .collect();
    let lists: &[&[String]] = &[&names.givens, &names.keys, &names.vars, &names.facts];

    let mut checks: Vec<Check> = Vec::new();
    let mut places = Vec::new();
    for check in raw {
        let id = CheckId::new(&check.id.value);
        if id.is_none() {
            checker.error(
                &check.id,
                format!("`{}` is not a name for a check", check.id.value),
            );
        }
        if taken.contains(&check.id.value) {
            checker.error(
                &check.id,
                format!("there already is a check or blank `{}`", check.id.value),
            );
        }
        taken.push(check.id.value.clone());
        let mut needs = match &check.needs {
            None => default.clone(),
            Some(written) => {
                let mut needs = Vec::new();
                for need in written {
                    if all.contains(&need.value) {
                        needs.extend(CheckId::new(&need.value));
                    } else {
                        checker.unknown(need, "check", all.iter().map(String::as_str));
                    }
                }
                needs
            }
        };
        if exercise.is_live() {
            needs.extend(CheckId::new(RUN_COMPLETED));
        }
        let fault = match check.fault.as_ref().map(|fault| (fault, fault.value.as_str())) {
            None | Some((_, "student")) => Fault::Student,
            Some((_, "laboratory")) => Fault::Laboratory,
            Some((fault, _)) => {
                checker.unknown(fault, "fault", ["student", "laboratory"]);
                Fault::Student
            }
        };
        let pass = checker.expr(&check.pass, lists, ALWAYS);
        let mut text = |text| checker.text(text, lists, ALWAYS);
        let (passed, message, help) = (text(&check.passed), text(&check.message), text(&check.help));
        let expected = check.expected.as_ref().and_then(&mut text);
        let actual = check.actual.as_ref().and_then(&mut text);
        let explain = explanations(checker, check.explain, lists, ALWAYS);
        let (Some(id), Some(pass), Some(passed), Some(message), Some(help)) =
            (id, pass, passed, message, help)
        else {
            continue;
        };
        places.push(check.id);
        checks.push(Check {
            id,
            title: check.title,
            needs,
            points: check.points.value,
            fault,
            pass,
            passed,
            message,
            help,
            expected,
            actual,
            explain,
        });
    }
    let position = |id: &CheckId| checks.iter().position(|check| check.id == *id);
    match by_needs(checks.len(), |index| {
        checks[index].needs.iter().filter_map(position).collect()
    }) {
        Ok(order) => order.into_iter().map(|index| checks[index].clone()).collect(),
        Err(index) => {
            checker.error(
                &places[index],
                format!("the check `{}` needs itself", checks[index].id),
            );
            checks
        }
    }
}
