//! The worksheet: its blanks, the answers file, and the key that is computed and never stored.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use cel::Value;

use super::error::{SpecError, SpecErrors};
use super::exercise::{Exercise, Explain};
use super::expr::{EvalError, Expr};
use super::functions::is_near;
use super::ids::CheckId;
use super::quantity;
use super::scope::Scope;
use super::suggest::{did_you_mean, nearest};
use super::text::Text;
use super::value;
use super::yaml::{Mapping, Source, Spanned};

/// One blank to fill in.
#[derive(Debug, Clone, PartialEq)]
pub struct Blank {
    /// Key in the answers file, variable in expressions, and id of the check.
    pub id: CheckId,
    /// The question.
    pub ask: Text,
    /// What an answer looks like.
    pub kind: BlankKind,
    /// The right answer, from the givens and other keys.
    pub key: Expr,
    /// Fraction by which a number may be off; 0 for exact.
    pub tolerance: f64,
    /// Points for the right answer.
    pub points: u32,
    /// What to try when the answer is wrong and no mistake is recognised.
    pub help: Text,
    /// Predicted wrong answers (over `answer`, the givens and the keys), first match wins.
    pub mistakes: Vec<Explain>,
}

/// The types of answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlankKind {
    /// A whole number.
    Integer,
    /// A 64-bit address.
    Address,
    /// A register of x86-64.
    Register,
    /// One of these words.
    Choice(Vec<String>),
    /// Yes or no.
    YesNo,
    /// An amount of data in bytes; the unit of a bare number.
    Bytes(Option<String>),
    /// A time in seconds; the unit of a bare number.
    Seconds(Option<String>),
}

/// The largest answers file that is read, in bytes.
pub const MAX_ANSWERS: usize = 64 * 1024;

impl BlankKind {
    /// Reads an answer.
    ///
    /// # Errors
    /// A lowercase fragment that says what is wrong.
    pub fn parse(&self, text: &str) -> Result<Value, String> {
        let text = text.trim();
        match self {
            Self::Integer => quantity::integer(text),
            Self::Address => quantity::address(text),
            Self::Register => quantity::register(text),
            Self::YesNo => quantity::yes_no(text),
            Self::Bytes(unit) => quantity::bytes(text, unit.as_deref()),
            Self::Seconds(unit) => quantity::seconds(text, unit.as_deref()),
            Self::Choice(words) => {
                let found = words.iter().find(|word| word.eq_ignore_ascii_case(text));
                found.map(|word| value::text(word.clone())).ok_or_else(|| {
                    let hint = did_you_mean(text, words.iter().map(String::as_str));
                    format!("`{text}` is none of {}{hint}", words.join(", "))
                })
            }
        }
    }

    /// Writes a value so that [`BlankKind::parse`] reads it back.
    #[must_use]
    pub fn show(&self, value: &Value) -> String {
        match self {
            Self::Address => value::as_integer(value)
                .map_or_else(|| value::display(value), |number| format!("{number:#x}")),
            Self::Bytes(_) => format!("{} bytes", value::display(value)),
            // An answer has at most 18 decimals; a quotient may have more. A femtosecond is near enough.
            Self::Seconds(_) => match value {
                Value::Float(seconds) => {
                    let text = format!("{seconds:.15}");
                    format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
                }
                other => format!("{} s", value::display(other)),
            },
            _ => value::display(value),
        }
    }

    /// What to write, for the comment in the answers file.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Integer => "a whole number, decimal or 0x…".to_owned(),
            Self::Address => "an address, 0x…".to_owned(),
            Self::Register => "a register, like rax".to_owned(),
            Self::YesNo => "yes or no".to_owned(),
            Self::Bytes(unit) => format!(
                "an amount of data (a bare number is in {})",
                unit.as_deref().unwrap_or("bytes")
            ),
            Self::Seconds(unit) => format!(
                "a time (a bare number is in {})",
                unit.as_deref().unwrap_or("seconds")
            ),
            Self::Choice(words) => format!("one of: {}", words.join(", ")),
        }
    }
}

impl Blank {
    /// Whether an answer is the key, within the tolerance.
    #[must_use]
    pub fn accepts(&self, answer: &Value, key: &Value) -> bool {
        if let (Some(answer), Some(key)) = (value::as_integer(answer), value::as_integer(key))
            && self.tolerance == 0.0
        {
            return answer == key;
        }
        match (value::as_float(answer), value::as_float(key)) {
            // A fraction such as 80 ms has no exact binary form: allow the last digits.
            (Some(answer), Some(key)) => is_near(answer, key, self.tolerance.max(1e-9)),
            _ => answer == key,
        }
    }
}

/// Answers by blank; `None` for a blank left empty.
pub type Answers = BTreeMap<String, Option<Value>>;

/// Reads an answers file.
///
/// # Errors
/// Every unknown key, missing key and unreadable value, with its line; or the first reason why it is not YAML.
pub fn parse(exercise: &Exercise, file: &str, text: &str) -> Result<Answers, SpecErrors> {
    let source = Source::new(file, text);
    if text.len() > MAX_ANSWERS {
        return Err(source
            .error(1, 1, format!("is larger than {MAX_ANSWERS} bytes"))
            .into());
    }
    let Mapping(pairs) = source.read_untrusted::<Mapping<Spanned<Option<String>>>>()?;
    let mut errors: Vec<SpecError> = Vec::new();
    let mut answers = Answers::new();
    for (key, written) in &pairs {
        let Some(blank) = exercise
            .worksheet
            .iter()
            .find(|blank| blank.id.as_str() == key.value)
        else {
            let missing: Vec<&str> = exercise
                .worksheet
                .iter()
                .map(|blank| blank.id.as_str())
                .filter(|id| !pairs.iter().any(|(key, _)| key.value == *id))
                .collect();
            let hint = nearest(&key.value, missing.iter().copied())
                .map(|near| format!(", did you mean `{near}`?"))
                .unwrap_or_default();
            errors.push(source.at(key, format!("no blank is called `{}`{hint}", shorten(&key.value))));
            continue;
        };
        let value = match written.value.as_deref().map(str::trim) {
            None | Some("") => None,
            Some(text) => match blank.kind.parse(text) {
                Ok(value) => Some(value),
                Err(what) => {
                    errors.push(source.at(written, format!("{}: {}", key.value, shorten(&what))));
                    continue;
                }
            },
        };
        answers.insert(key.value.clone(), value);
    }
    let end = u64::try_from(text.lines().count().max(1)).unwrap_or(u64::MAX);
    for blank in &exercise.worksheet {
        if !pairs.iter().any(|(key, _)| key.value == blank.id.as_str()) {
            errors.push(source.error(
                end,
                1,
                format!("`{}` is missing; leave a blank you cannot fill as null", blank.id),
            ));
        }
    }
    SpecErrors::check(errors, answers)
}

/// A stranger's text in a message.
fn shorten(text: &str) -> String {
    const MOST: usize = 160;
    let mut short: String = text
        .chars()
        .take(MOST)
        .map(|c| if c.is_control() { '·' } else { c })
        .collect();
    if text.chars().count() > MOST {
        short.push('…');
    }
    short
}

/// The key for a seed: the value of every blank, with the scope (givens and keys) in which mistakes are evaluated.
///
/// # Errors
/// When an expression of the course does not fit its values.
pub fn key(exercise: &Exercise, scope: &mut Scope<'_>) -> Result<BTreeMap<String, Value>, EvalError> {
    let mut keys = BTreeMap::new();
    for blank in &exercise.worksheet {
        // The keys were sorted by `validate`; a blank that needs a later one asks again below.
        resolve(exercise, blank, scope, &mut keys)?;
    }
    Ok(keys)
}

fn resolve(
    exercise: &Exercise,
    blank: &Blank,
    scope: &mut Scope<'_>,
    keys: &mut BTreeMap<String, Value>,
) -> Result<(), EvalError> {
    if keys.contains_key(blank.id.as_str()) {
        return Ok(());
    }
    for other in &exercise.worksheet {
        if other.id != blank.id && blank.key.free().contains(other.id.as_str()) {
            resolve(exercise, other, scope, keys)?;
        }
    }
    let value = blank.key.eval(scope)?;
    scope.set(blank.id.as_str(), value.clone());
    keys.insert(blank.id.as_str().to_owned(), value);
    Ok(())
}

fn scope_of_givens(exercise: &Exercise, seed: &str) -> Result<Scope<'static>, EvalError> {
    let mut scope = Scope::new();
    for (name, value) in super::givens::values(exercise, seed)? {
        scope.set(&name, value);
    }
    Ok(scope)
}

/// The answers file of a fresh workspace: every question as a comment, every blank null.
///
/// # Errors
/// When an expression of the course does not fit its values.
pub fn skeleton(exercise: &Exercise, seed: &str) -> Result<String, EvalError> {
    write_file(exercise, seed, |_| "null".to_owned())
}

/// The answers file with every blank right.
///
/// # Errors
/// When an expression of the course does not fit its values.
pub fn reference(exercise: &Exercise, seed: &str) -> Result<String, EvalError> {
    let keys = key(exercise, &mut scope_of_givens(exercise, seed)?)?;
    write_file(exercise, seed, |blank| {
        keys.get(blank.id.as_str())
            .map_or_else(|| "null".to_owned(), |value| blank.kind.show(value))
    })
}

/// The reference answers with some replaced by the given texts (`null` for a blank).
///
/// # Errors
/// When an expression of the course does not fit its values.
pub fn reference_except(
    exercise: &Exercise,
    seed: &str,
    replaced: &BTreeMap<String, String>,
) -> Result<String, EvalError> {
    let keys = key(exercise, &mut scope_of_givens(exercise, seed)?)?;
    write_file(exercise, seed, |blank| {
        let shown = || {
            keys.get(blank.id.as_str())
                .map_or_else(|| "null".to_owned(), |value| blank.kind.show(value))
        };
        replaced.get(blank.id.as_str()).cloned().unwrap_or_else(shown)
    })
}

fn write_file(
    exercise: &Exercise,
    seed: &str,
    answer: impl Fn(&Blank) -> String,
) -> Result<String, EvalError> {
    let scope = scope_of_givens(exercise, seed)?;
    let mut out = format!("# {}: {}\n", exercise.full_name(), exercise.title);
    if seed != super::exercise::LESSON_SEED {
        let _ = writeln!(out, "# Numbers of the seed `{seed}`.");
    }
    out.push_str("# Replace each null by your answer. Numbers: 42, 0x2a, 1_000, 4 GB, 80 ms.\n");
    let givens: Vec<String> = exercise
        .givens
        .iter()
        .filter(|given| !given.hidden)
        .map(|given| {
            let shown = scope
                .get(&given.name)
                .map_or_else(String::new, |value| show_given(given, &value));
            format!("#   {} = {shown}", given.name)
        })
        .collect();
    if !givens.is_empty() {
        let _ = writeln!(out, "#\n# Given:\n{}", givens.join("\n"));
    }
    for blank in &exercise.worksheet {
        out.push('\n');
        for line in blank.ask.render(&scope)?.lines() {
            let _ = writeln!(out, "# {line}");
        }
        let _ = writeln!(
            out,
            "#   {}\n{}: {}",
            blank.kind.describe(),
            blank.id,
            answer(blank)
        );
    }
    Ok(out)
}

fn show_given(given: &super::givens::Given, value: &Value) -> String {
    use super::givens::GivenKind;
    match given.kind {
        GivenKind::KernelAddress { .. } | GivenKind::KernelText | GivenKind::UserAddress { .. } => {
            BlankKind::Address.show(value)
        }
        _ => value::display(value),
    }
}
