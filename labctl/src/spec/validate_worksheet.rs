//! Checking givens and blanks.

use cel::Value;

use super::answers::{Blank, BlankKind};
use super::exercise::Explain;
use super::givens::{Given, GivenKind};
use super::ids::CheckId;
use super::quantity;
use super::raw::{RawBlank, RawExplain, RawGiven};
use super::validate::{Checker, Names};
use super::value;
use super::yaml::Spanned;

pub(super) const GIVEN_TYPES: &[&str] = &[
    "integer",
    "kernel_address",
    "kernel_text",
    "user_address",
    "pid",
    "choice",
    "fixed",
];
pub(super) const BLANK_TYPES: &[&str] = &[
    "integer", "address", "register", "choice", "yes_no", "bytes", "seconds",
];

pub(super) fn given(checker: &mut Checker<'_>, name: &Spanned<String>, raw: &RawGiven) -> Option<Given> {
    let is_address = matches!(raw.r#type.value.as_str(), "kernel_address" | "user_address");
    let lesson = match (is_address, raw.r#type.value.as_str()) {
        (true, _) | (_, "kernel_text") => parsed(checker, &raw.lesson, quantity::address),
        (_, "choice" | "fixed") => Some(number_or_word(&raw.lesson.value)),
        _ => parsed(checker, &raw.lesson, quantity::integer),
    };
    let mut natural = |field: &Option<Spanned<String>>, default: Option<u64>| match field {
        Some(text) => parsed(checker, text, quantity::integer)
            .and_then(|number| value::as_integer(&number))
            .and_then(|number| u64::try_from(number).ok()),
        None => default,
    };
    let (min, max) = (natural(&raw.min, None), natural(&raw.max, None));
    let step = natural(&raw.step, Some(1)).filter(|step| *step > 0);
    let align = natural(&raw.align, Some(16)).filter(|align| align.is_power_of_two() && *align <= 1 << 20);
    let unused = |used: bool, field: &Option<Spanned<String>>, checker: &mut Checker<'_>| {
        if let (false, Some(text)) = (used, field) {
            checker.error(
                text,
                format!("means nothing for a given of type {}", raw.r#type.value),
            );
        }
    };
    let is_integer = raw.r#type.value == "integer";
    unused(is_integer, &raw.min, checker);
    unused(is_integer, &raw.max, checker);
    unused(is_integer, &raw.step, checker);
    unused(is_address, &raw.align, checker);
    let kind = match raw.r#type.value.as_str() {
        "fixed" => GivenKind::Fixed,
        "pid" => GivenKind::Pid,
        "kernel_text" => GivenKind::KernelText,
        "integer" => match (min, max, step) {
            (Some(min), Some(max), Some(step)) if min.div_ceil(step) <= max / step => {
                GivenKind::Integer { min, max, step }
            }
            _ => {
                checker.error(
                    &raw.r#type,
                    "an integer needs `min` and `max`, and a multiple of `step` between them",
                );
                return None;
            }
        },
        "kernel_address" | "user_address" => {
            let Some(align) = align else {
                checker.error(&raw.r#type, "`align` has to be a power of two up to 1 MiB");
                return None;
            };
            if raw.r#type.value == "kernel_address" {
                GivenKind::KernelAddress { align }
            } else {
                GivenKind::UserAddress { align }
            }
        }
        "choice" => GivenKind::Choice(
            raw.values
                .iter()
                .map(|value| number_or_word(&value.value))
                .collect(),
        ),
        _ => {
            checker.unknown(&raw.r#type, "type of given", GIVEN_TYPES.iter().copied());
            return None;
        }
    };
    let lesson = lesson?;
    if !kind.admits(&lesson) {
        checker.error(
            &raw.lesson,
            format!(
                "the lesson's value is not a {} that may be drawn",
                raw.r#type.value
            ),
        );
    }
    Some(Given {
        name: name.value.clone(),
        kind,
        lesson,
        hidden: raw.hidden,
    })
}

fn number_or_word(text: &str) -> Value {
    quantity::integer(text).unwrap_or_else(|_| value::text(text))
}

fn parsed(
    checker: &mut Checker<'_>,
    text: &Spanned<String>,
    parse: fn(&str) -> Result<Value, String>,
) -> Option<Value> {
    match parse(text.value.trim()) {
        Ok(value) => Some(value),
        Err(what) => {
            checker.error(text, what);
            None
        }
    }
}

pub(super) fn blank(checker: &mut Checker<'_>, raw: RawBlank, names: &Names) -> Option<Blank> {
    let kind = kind(checker, &raw);
    let keys: &[&[String]] = &[&names.givens, &names.keys];
    let ask = checker.text(&raw.ask, &[&names.givens], &[]);
    let key = checker.expr(&raw.key, keys, &[]);
    let help = checker.text(&raw.help, keys, &["answer"]);
    let mistakes = explanations(checker, raw.mistakes, keys, &["answer", "answers"]);
    let tolerance = raw.tolerance.as_ref().map_or(0.0, |tolerance| tolerance.value);
    if let Some(written) = raw
        .tolerance
        .as_ref()
        .filter(|tolerance| !(0.0..0.5).contains(&tolerance.value))
    {
        checker.error(
            written,
            "a tolerance is a fraction from 0 to 0.5, 0.01 for one per cent",
        );
    }
    Some(Blank {
        id: CheckId::new(&raw.id.value)?,
        ask: ask?,
        kind: kind?,
        key: key?,
        tolerance,
        points: raw.points.map_or(1, |points| points.value),
        help: help?,
        mistakes,
    })
}

fn kind(checker: &mut Checker<'_>, raw: &RawBlank) -> Option<BlankKind> {
    let unit = raw.unit.as_ref().map(|unit| unit.value.clone());
    let name = raw.r#type.value.as_str();
    if let Some(unit) = &raw.unit {
        let fits = match name {
            "bytes" => quantity::is_byte_unit(&unit.value),
            "seconds" => quantity::is_time_unit(&unit.value),
            _ => false,
        };
        if !fits {
            checker.error(
                unit,
                format!("`{}` is not a unit for a blank of type {name}", unit.value),
            );
        }
    }
    if (name == "choice") == raw.choices.is_empty() {
        checker.error(
            &raw.r#type,
            "a blank of type choice has `choices`, and no other has",
        );
    }
    Some(match name {
        "integer" => BlankKind::Integer,
        "address" => BlankKind::Address,
        "register" => BlankKind::Register,
        "yes_no" => BlankKind::YesNo,
        "choice" => BlankKind::Choice(raw.choices.iter().map(|choice| choice.value.clone()).collect()),
        "bytes" => BlankKind::Bytes(unit),
        "seconds" => BlankKind::Seconds(unit),
        _ => {
            checker.unknown(&raw.r#type, "type of blank", BLANK_TYPES.iter().copied());
            return None;
        }
    })
}

pub(super) fn explanations(
    checker: &mut Checker<'_>,
    raw: Vec<RawExplain>,
    lists: &[&[String]],
    more: &[&str],
) -> Vec<Explain> {
    let mut out = Vec::new();
    for explain in raw {
        let id = checker.mistake_id(&explain.id);
        let when = checker.expr(&explain.when, lists, more);
        let help = checker.text(&explain.help, lists, more);
        let message = explain
            .message
            .as_ref()
            .and_then(|message| checker.text(message, lists, more));
        if let (Some(id), Some(when), Some(help)) = (id, when, help) {
            out.push(Explain {
                id,
                when,
                message,
                help,
            });
        }
    }
    out
}
