//! What rules can see: givens, keys, draws, variables, steps and facts, as values of the expression language.

use std::borrow::Cow;
use std::collections::BTreeMap;

use cel::Value;

use super::evidence::{Evidence, KernelRecord, StepRecord, StepStatus, StructLayout};
use crate::spec::answers::{self, Answers};
use crate::spec::exercise::{Exercise, Fact, FactKind};
use crate::spec::expr::{EvalError, Expr};
use crate::spec::pattern::Pattern;
use crate::spec::scope::Scope;
use crate::spec::value::{from_json, list, record, text, unsigned};

/// Matches that one fact keeps. A log flood must not make grading slow, and no exercise counts so far.
const MOST_MATCHES: usize = 5_000;

/// Lines that a fact reports as "meant to match, but does not".
const MOST_NEAR: usize = 20;

/// Everything in reach of the rules of an exercise, with the worksheet's key.
///
/// # Errors
/// When an expression of the course does not fit its values.
pub(super) fn of<'p>(
    exercise: &Exercise,
    evidence: &Evidence,
    answers: Option<&Answers>,
) -> Result<(Scope<'p>, BTreeMap<String, Value>), EvalError> {
    let mut scope: Scope<'p> = exercise.variables(&evidence.seed, &evidence.draws)?;
    let keys = answers::key(exercise, &mut scope)?;
    scope.set("answers", answers_value(exercise, answers));
    scope.set("log_lost", unsigned(evidence.kernel_log_lost));
    scope.set("witness_lost", unsigned(evidence.witness_dropped));
    scope.set("steps", steps_value(exercise, evidence));
    scope.set("near", near_value(exercise, evidence));
    let values = |records: &[serde_json::Value]| records.iter().map(from_json).collect();
    let testimony = Testimony {
        copies: values(&evidence.witness),
        events: values(&evidence.events),
        probes: values(&evidence.probes),
    };
    for fact in &exercise.facts {
        let value = fact_value(fact, evidence, &testimony, &scope)?;
        scope.set(&fact.name, value);
    }
    Ok((scope, keys))
}

fn answers_value(exercise: &Exercise, answers: Option<&Answers>) -> Value {
    let answer = |id: &str| {
        answers
            .and_then(|answers| answers.get(id))
            .cloned()
            .flatten()
            .unwrap_or(Value::Null)
    };
    record(
        exercise
            .worksheet
            .iter()
            .map(|blank| (blank.id.to_string(), answer(blank.id.as_str())))
            .collect(),
    )
}

fn steps_value(exercise: &Exercise, evidence: &Evidence) -> Value {
    record(
        exercise
            .run
            .iter()
            .map(|step| (step.id.clone(), step_value(evidence.step(&step.id))))
            .collect(),
    )
}

fn step_value(step: Option<&StepRecord>) -> Value {
    let optional = |number: Option<u64>| number.map_or(Value::Null, unsigned);
    let (status, code, signal) = match step.map(|step| &step.status) {
        None | Some(StepStatus::NotRun) => ("not_run", Value::Null, Value::Null),
        Some(StepStatus::Exited(code)) => ("exited", Value::Int(i64::from(*code)), Value::Null),
        Some(StepStatus::Signaled(signal)) => ("signaled", Value::Null, text(signal.clone())),
        Some(StepStatus::Started) => ("started", Value::Null, Value::Null),
        Some(StepStatus::TimedOut) => ("timed_out", Value::Null, Value::Null),
        Some(StepStatus::Lost) => ("lost", Value::Null, Value::Null),
    };
    let output = |pick: fn(&StepRecord) -> &String| text(step.map(pick).cloned().unwrap_or_default());
    record(BTreeMap::from([
        ("status".to_owned(), text(status)),
        ("code".to_owned(), code),
        ("signal".to_owned(), signal),
        ("stdout".to_owned(), output(|step| &step.stdout)),
        ("stderr".to_owned(), output(|step| &step.stderr)),
        (
            "pid".to_owned(),
            optional(step.and_then(|step| step.pid).map(u64::from)),
        ),
        (
            "started_us".to_owned(),
            optional(step.and_then(|step| step.started_us)),
        ),
        (
            "ended_us".to_owned(),
            optional(step.and_then(|step| step.ended_us)),
        ),
    ]))
}

/// By fact: lines that resemble its pattern and do not match, each with the first difference in words.
fn near_value(exercise: &Exercise, evidence: &Evidence) -> Value {
    let mut near = BTreeMap::new();
    for fact in &exercise.facts {
        let misses: Vec<Value> = match &fact.kind {
            FactKind::Dmesg { pattern, prefix, .. } => misses(
                pattern,
                prefix.as_deref(),
                evidence.kernel_log.iter().map(|record| record.text.as_str()),
            ),
            FactKind::Output {
                step,
                stderr,
                squeeze,
                pattern,
                ..
            } => {
                let lines = output_lines(evidence, step, *stderr, *squeeze);
                misses(pattern, None, lines.iter().map(|line| line.as_ref()))
            }
            FactKind::Witness(_)
            | FactKind::Events(_)
            | FactKind::Probes(_)
            | FactKind::Struct(_)
            | FactKind::Origin(_)
            | FactKind::Value(_) => continue,
        };
        near.insert(fact.name.clone(), list(misses));
    }
    record(near)
}

fn misses<'e>(pattern: &Pattern, prefix: Option<&str>, lines: impl Iterator<Item = &'e str>) -> Vec<Value> {
    let mut found = Vec::new();
    for line in lines {
        if found.len() == MOST_NEAR {
            break;
        }
        if !pattern.resembles(line) {
            continue;
        }
        if let Err(difference) = pattern.matches(unprefixed(line, prefix)) {
            let shown: String = line.chars().take(120).collect();
            found.push(record(BTreeMap::from([
                ("text".to_owned(), text(shown)),
                ("why".to_owned(), text(difference.to_string())),
            ])));
        }
    }
    found
}

fn unprefixed<'l>(line: &'l str, prefix: Option<&str>) -> &'l str {
    prefix
        .and_then(|prefix| line.strip_prefix(prefix))
        .unwrap_or(line)
}

fn output_lines<'e>(evidence: &'e Evidence, step: &str, stderr: bool, squeeze: bool) -> Vec<Cow<'e, str>> {
    let output = evidence
        .step(step)
        .map_or("", |step| if stderr { &step.stderr } else { &step.stdout });
    let line = |line: &'e str| {
        if squeeze {
            Cow::Owned(line.split_whitespace().collect::<Vec<_>>().join(" "))
        } else {
            Cow::Borrowed(line.trim_end())
        }
    };
    output.lines().map(line).collect()
}

/// What the witness said, as values.
struct Testimony {
    copies: Vec<Value>,
    events: Vec<Value>,
    probes: Vec<Value>,
}

fn fact_value(
    fact: &Fact,
    evidence: &Evidence,
    testimony: &Testimony,
    scope: &Scope<'_>,
) -> Result<Value, EvalError> {
    match &fact.kind {
        FactKind::Value(expr) => expr.eval(scope),
        FactKind::Origin(name) => Ok(evidence
            .origins
            .get(name)
            .map_or(Value::Null, |file| text(file.clone()))),
        FactKind::Struct(name) => Ok(evidence.types.get(name).map_or(Value::Null, layout_value)),
        FactKind::Witness(filter) => filtered(testimony.copies.iter().cloned(), "w", Some(filter), scope),
        FactKind::Events(filter) => filtered(testimony.events.iter().cloned(), "e", Some(filter), scope),
        FactKind::Probes(filter) => filtered(testimony.probes.iter().cloned(), "p", Some(filter), scope),
        FactKind::Dmesg {
            pattern,
            prefix,
            filter,
        } => {
            let matching = evidence
                .kernel_log
                .iter()
                .filter_map(|record| dmesg_match(record, pattern, prefix.as_deref()));
            filtered(matching, "f", filter.as_ref(), scope)
        }
        FactKind::Output {
            step,
            stderr,
            squeeze,
            pattern,
            filter,
        } => {
            let lines = output_lines(evidence, step, *stderr, *squeeze);
            let matching = lines.iter().filter_map(|line| {
                let mut members = pattern.matches(line).ok()?;
                members.insert("text".to_owned(), text(line.as_ref()));
                Some(record(members))
            });
            filtered(matching, "f", filter.as_ref(), scope)
        }
    }
}

/// `{size, order: [name…], members: {name: {offset, size}}}`.
fn layout_value(layout: &StructLayout) -> Value {
    let number = |name: &str, number: u64| (name.to_owned(), unsigned(number));
    let members = layout.members.iter().map(|member| {
        let place = BTreeMap::from([number("offset", member.offset), number("size", member.size)]);
        (member.name.clone(), record(place))
    });
    let order = layout.members.iter().map(|member| text(member.name.clone()));
    record(BTreeMap::from([
        number("size", layout.size),
        ("order".to_owned(), list(order.collect())),
        ("members".to_owned(), record(members.collect())),
    ]))
}

fn dmesg_match(line: &KernelRecord, pattern: &Pattern, prefix: Option<&str>) -> Option<Value> {
    let mut members = pattern.matches(unprefixed(&line.text, prefix)).ok()?;
    members.insert("text".to_owned(), text(line.text.clone()));
    members.insert("us".to_owned(), unsigned(line.us));
    members.insert("seq".to_owned(), unsigned(line.seq));
    members.insert("level".to_owned(), Value::Int(i64::from(line.level)));
    Some(record(members))
}

fn filtered(
    values: impl Iterator<Item = Value>,
    name: &str,
    filter: Option<&Expr>,
    scope: &Scope<'_>,
) -> Result<Value, EvalError> {
    let mut kept = Vec::new();
    let mut inner = scope.inner();
    for value in values {
        if kept.len() == MOST_MATCHES {
            break;
        }
        if let Some(filter) = filter {
            inner.set(name, value.clone());
            if !filter.holds(&inner)? {
                continue;
            }
        }
        kept.push(value);
    }
    Ok(list(kept))
}
