//! Values of the expression language, and the way in and out of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cel::Value;
use cel::objects::{Key, Map};

/// A string.
#[must_use]
pub fn text(value: impl Into<String>) -> Value {
    Value::String(Arc::new(value.into()))
}

/// A list.
#[must_use]
pub fn list(values: Vec<Value>) -> Value {
    Value::List(Arc::new(values))
}

/// A map with string keys.
#[must_use]
pub fn record(members: BTreeMap<String, Value>) -> Value {
    let map: HashMap<Key, Value> = members
        .into_iter()
        .map(|(name, value)| (Key::from(name), value))
        .collect();
    Value::Map(Map { map: Arc::new(map) })
}

/// A number: `int` where it fits, else `uint`. The two compare with each other.
#[must_use]
pub fn unsigned(number: u64) -> Value {
    i64::try_from(number).map_or(Value::UInt(number), Value::Int)
}

/// A value of the evidence. Strings `0x…` are addresses (`uint`), except under the keys `comm` and `func`, which a
/// program may choose.
#[must_use]
pub fn from_json(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(bool) => Value::Bool(*bool),
        serde_json::Value::Number(number) => number
            .as_i64()
            .map(Value::Int)
            .or_else(|| number.as_u64().map(Value::UInt))
            .or_else(|| number.as_f64().map(Value::Float))
            .unwrap_or(Value::Null),
        serde_json::Value::String(string) => {
            hex_address(string).map_or_else(|| text(string.clone()), Value::UInt)
        }
        serde_json::Value::Array(values) => list(values.iter().map(from_json).collect()),
        serde_json::Value::Object(members) => record(
            members
                .iter()
                .map(|(name, value)| {
                    let value = match value {
                        serde_json::Value::String(string) if matches!(name.as_str(), "comm" | "func") => {
                            text(string.clone())
                        }
                        other => from_json(other),
                    };
                    (name.clone(), value)
                })
                .collect(),
        ),
    }
}

fn hex_address(string: &str) -> Option<u64> {
    let digits = string.strip_prefix("0x")?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(digits, 16).ok()
}

/// How a value reads in a sentence. Lists are joined with commas, maps show their members sorted.
#[must_use]
pub fn display(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::String(string) => string.to_string(),
        Value::Bytes(bytes) => hex::encode(bytes.as_slice()),
        Value::List(values) => values.iter().map(display).collect::<Vec<_>>().join(", "),
        Value::Map(map) => {
            let sorted: BTreeMap<String, String> = map
                .map
                .iter()
                .map(|(key, value)| (key.to_string(), display(value)))
                .collect();
            sorted
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect::<Vec<_>>()
                .join(" ")
        }
        other => format!("({})", other.type_of()),
    }
}

/// A number as a float, for comparisons with tolerance.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    reason = "only for comparisons that have a tolerance"
)]
pub fn as_float(value: &Value) -> Option<f64> {
    match value {
        Value::Int(number) => Some(*number as f64),
        Value::UInt(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    }
}

/// Whole numbers compared across `int` and `uint`.
#[must_use]
pub fn as_integer(value: &Value) -> Option<i128> {
    match value {
        Value::Int(number) => Some(i128::from(*number)),
        Value::UInt(number) => Some(i128::from(*number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_unsigned_and_names_are_not() {
        let json = serde_json::json!({"addr": "0xffff888112340050", "comm": "0xff", "len": 13, "user": null});
        let Value::Map(map) = from_json(&json) else {
            panic!("not a map")
        };
        assert_eq!(
            map.get(&Key::from("addr")),
            Some(&Value::UInt(0xffff_8881_1234_0050))
        );
        assert_eq!(map.get(&Key::from("comm")), Some(&text("0xff")));
        assert_eq!(map.get(&Key::from("len")), Some(&Value::Int(13)));
        assert_eq!(map.get(&Key::from("user")), Some(&Value::Null));
    }
}
