//! The functions that expressions may call beside the language's own.

use std::sync::Arc;

use cel::{Context, ExecutionError, Value};

use super::value;

/// Names of our own functions.
pub const OWN: &[&str] = &[
    "hex",
    "hex_digits",
    "is_kernel",
    "is_user",
    "hexdump",
    "near_to",
    "grouped",
    "sum",
    "first",
    "last",
    "distinct",
    "canonical",
    "round_to",
    "min",
    "max",
];

/// Names of the language's functions and macros that are available.
pub const STANDARD: &[&str] = &[
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "string",
    "int",
    "uint",
    "double",
    "bool",
    "bytes",
    "type",
    "dyn",
    "has",
    "all",
    "exists",
    "exists_one",
    "map",
    "filter",
    "optional",
];

/// The lowest address of the kernel's half with five-level page tables (Documentation/arch/x86/x86_64/mm.rst); with four
/// levels it starts at `0xffff_8000_0000_0000`, which is above.
const KERNEL_START: u64 = 0xff00_0000_0000_0000;

/// The end of the user half with five-level page tables, same source.
const USER_END: u64 = 0x0100_0000_0000_0000;

/// The first address that `mmap_min_addr` lets a program map; below it lie null pointers with an offset.
const USER_START: u64 = 0x1000;

/// The context in which every expression of a course is evaluated, with our functions and no variables.
#[must_use]
pub fn context() -> Context<'static, 'static> {
    let mut context = Context::default();
    // An address as the lesson prints it: 0xffff888112340050.
    add(&mut context, "hex", |number: Value| {
        Ok(Value::String(Arc::new(format!(
            "{:#x}",
            natural("hex", &number)?
        ))))
    });
    // The same without 0x.
    add(&mut context, "hex_digits", |number: Value| {
        Ok(Value::String(Arc::new(format!(
            "{:x}",
            natural("hex_digits", &number)?
        ))))
    });
    add(&mut context, "is_kernel", |address: Value| {
        Ok(Value::Bool(
            natural("is_kernel", &address)? >= u128::from(KERNEL_START),
        ))
    });
    add(&mut context, "is_user", |address: Value| {
        let address = natural("is_user", &address)?;
        Ok(Value::Bool(
            (u128::from(USER_START)..u128::from(USER_END)).contains(&address),
        ))
    });
    // The bytes of a text in hex, as the witness records them.
    add(&mut context, "hexdump", |text: Value| match text {
        Value::String(text) => Ok(value::text(hex::encode(text.as_bytes()))),
        other => Err(wrong("hexdump", &other)),
    });
    add3(
        &mut context,
        "near_to",
        |left: Value, right: Value, tolerance: Value| {
            let number = |value: &Value| value::as_float(value).ok_or_else(|| wrong("near_to", value));
            Ok(Value::Bool(is_near(
                number(&left)?,
                number(&right)?,
                number(&tolerance)?,
            )))
        },
    );
    // 1048576 as 1 048 576.
    add(&mut context, "grouped", |number: Value| {
        Ok(value::text(grouped(natural("grouped", &number)?)))
    });
    add(&mut context, "sum", |values: Value| {
        let mut total: i128 = 0;
        for item in items("sum", &values)? {
            total += value::as_integer(item).ok_or_else(|| wrong("sum", item))?;
        }
        // Absurd numbers, which a program may print, have the nearest sum that there is: a rule has to have a value.
        let total = total.clamp(i128::from(i64::MIN), i128::from(u64::MAX));
        i64::try_from(total)
            .map(Value::Int)
            .or_else(|_| u64::try_from(total).map(Value::UInt))
            .map_err(|_| ExecutionError::function_error("sum", "the sum does not fit in 64 bits"))
    });
    add(&mut context, "first", |values: Value| {
        Ok(items("first", &values)?.first().cloned().unwrap_or(Value::Null))
    });
    add(&mut context, "last", |values: Value| {
        Ok(items("last", &values)?.last().cloned().unwrap_or(Value::Null))
    });
    add(&mut context, "distinct", |values: Value| {
        let mut seen: Vec<Value> = Vec::new();
        for item in items("distinct", &values)? {
            if !seen.contains(item) {
                seen.push(item.clone());
            }
        }
        Ok(value::list(seen))
    });
    // Lower case, without surrounding blanks: for comparing words.
    add(&mut context, "canonical", |text: Value| match text {
        Value::String(text) => Ok(value::text(text.trim().to_lowercase())),
        other => Err(wrong("canonical", &other)),
    });
    add2(&mut context, "round_to", |number: Value, digits: Value| {
        let float = value::as_float(&number).ok_or_else(|| wrong("round_to", &number))?;
        let digits = value::as_integer(&digits)
            .and_then(|digits| i32::try_from(digits).ok())
            .filter(|digits| (0..=12).contains(digits))
            .ok_or_else(|| wrong("round_to", &digits))?;
        let scale = 10_f64.powi(digits);
        Ok(Value::Float((float * scale).round() / scale))
    });
    // Of a list of numbers; null for an empty one.
    add(&mut context, "min", |values: Value| {
        extreme("min", &values, std::cmp::Ordering::Less)
    });
    add(&mut context, "max", |values: Value| {
        extreme("max", &values, std::cmp::Ordering::Greater)
    });
    context
}

fn extreme(function: &str, values: &Value, wanted: std::cmp::Ordering) -> Outcome {
    let mut found: Option<&Value> = None;
    for item in items(function, values)? {
        let number = value::as_float(item).ok_or_else(|| wrong(function, item))?;
        let order = match found {
            None => Some(wanted),
            // As whole numbers where both are: a float has no room for the last digits of an address.
            Some(best) => match (value::as_integer(item), value::as_integer(best)) {
                (Some(item), Some(best)) => Some(item.cmp(&best)),
                _ => value::as_float(best).and_then(|best| number.partial_cmp(&best)),
            },
        };
        if order == Some(wanted) {
            found = Some(item);
        }
    }
    Ok(found.cloned().unwrap_or(Value::Null))
}

/// Equal within `tolerance`, a fraction of the larger magnitude.
#[must_use]
pub fn is_near(left: f64, right: f64, tolerance: f64) -> bool {
    (left - right).abs() <= tolerance * left.abs().max(right.abs())
}

type Outcome = Result<Value, ExecutionError>;

fn add(context: &mut Context<'static, 'static>, name: &str, function: fn(Value) -> Outcome) {
    declared(name, context.add_function(name, function));
}

fn add2(context: &mut Context<'static, 'static>, name: &str, function: fn(Value, Value) -> Outcome) {
    declared(name, context.add_function(name, function));
}

fn add3(context: &mut Context<'static, 'static>, name: &str, function: fn(Value, Value, Value) -> Outcome) {
    declared(name, context.add_function(name, function));
}

fn declared(name: &str, result: Result<(), cel::DeclarationError>) {
    debug_assert!(result.is_ok(), "{name} is already a function of the language");
}

fn wrong(function: &str, value: &Value) -> ExecutionError {
    ExecutionError::function_error(
        function,
        format!("cannot take {} ({})", value::display(value), value.type_of()),
    )
}

fn natural(function: &str, number: &Value) -> Result<u128, ExecutionError> {
    value::as_integer(number)
        .and_then(|number| u128::try_from(number).ok())
        .ok_or_else(|| wrong(function, number))
}

fn items<'a>(function: &str, values: &'a Value) -> Result<&'a [Value], ExecutionError> {
    match values {
        Value::List(values) => Ok(values),
        other => Err(wrong(function, other)),
    }
}

fn grouped(number: u128) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}
