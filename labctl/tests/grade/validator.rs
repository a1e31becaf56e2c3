//! JSON Schema, as far as the schemas of this repository use it.

use serde_json::Value;

/// Where `value` is not what `schema` says. A keyword that is not known here fails the test: none is passed over.
pub(crate) fn validate(root: &Value, schema: &Value, value: &Value, at: &str, told: &mut Vec<String>) {
    let Some(keywords) = schema.as_object() else {
        if *schema == Value::Bool(false) {
            told.push(format!("{at}: nothing may be here"));
        }
        return;
    };
    let mut found: Vec<String> = Vec::new();
    let mut wrong = |what: String| found.push(format!("{at}: {what}"));
    let number = |value: &Value| value.as_f64().unwrap();
    for (keyword, says) in keywords {
        match keyword.as_str() {
            "$schema" | "title" | "description" | "default" | "format" | "$defs" => {}
            "$ref" => {
                let path = says.as_str().unwrap().strip_prefix('#').unwrap();
                let target = root.pointer(path).unwrap();
                validate(root, target, value, at, told);
            }
            "type" => {
                let kinds = says.as_array().cloned().unwrap_or_else(|| vec![says.clone()]);
                if !kinds.iter().any(|kind| is(value, kind.as_str().unwrap())) {
                    wrong(format!("{value} is not {says}"));
                }
            }
            "enum" => {
                if !says.as_array().unwrap().contains(value) {
                    wrong(format!("{value} is none of {says}"));
                }
            }
            "const" => {
                if says != value {
                    wrong(format!("{value} is not {says}"));
                }
            }
            "minimum" if value.is_number() && number(value) < number(says) => wrong(format!("below {says}")),
            "maximum" if value.is_number() && number(value) > number(says) => wrong(format!("above {says}")),
            "minItems"
                if value
                    .as_array()
                    .is_some_and(|items| (items.len() as f64) < number(says)) =>
            {
                wrong(format!("fewer than {says}"));
            }
            "maxItems"
                if value
                    .as_array()
                    .is_some_and(|items| items.len() as f64 > number(says)) =>
            {
                wrong(format!("more than {says}"));
            }
            "minimum" | "maximum" | "minItems" | "maxItems" => {}
            "minLength"
                if value
                    .as_str()
                    .is_some_and(|text| (text.chars().count() as f64) < number(says)) =>
            {
                wrong(format!("shorter than {says}"));
            }
            "maxLength"
                if value
                    .as_str()
                    .is_some_and(|text| text.chars().count() as f64 > number(says)) =>
            {
                wrong(format!("longer than {says}"));
            }
            "minLength" | "maxLength" => {}
            "pattern" => {
                if let Some(text) = value.as_str()
                    && !matches(says.as_str().unwrap(), text)
                {
                    wrong(format!("{text:?} does not match {says}"));
                }
            }
            "if" => {
                let mut inner = Vec::new();
                validate(root, says, value, at, &mut inner);
                let branch = if inner.is_empty() { "then" } else { "else" };
                if let Some(says) = keywords.get(branch) {
                    let mut inner = Vec::new();
                    validate(root, says, value, at, &mut inner);
                    inner.into_iter().for_each(&mut wrong);
                }
            }
            "then" | "else" => {}
            "uniqueItems" => {
                let items = value.as_array().unwrap();
                if items
                    .iter()
                    .enumerate()
                    .any(|(index, item)| items[..index].contains(item))
                {
                    wrong("twice the same".to_owned());
                }
            }
            "required" => {
                for name in says.as_array().unwrap() {
                    let is_there = value
                        .as_object()
                        .is_none_or(|object| object.contains_key(name.as_str().unwrap()));
                    if !is_there {
                        wrong(format!("{name} is missing"));
                    }
                }
            }
            "anyOf" | "oneOf" => {
                let fits = says.as_array().unwrap().iter().filter(|one| {
                    let mut inner = Vec::new();
                    validate(root, one, value, at, &mut inner);
                    inner.is_empty()
                });
                let count = fits.count();
                if count == 0 || (keyword == "oneOf" && count > 1) {
                    wrong(format!("{value} fits {count} of {keyword}"));
                }
            }
            "items" | "prefixItems" | "properties" | "additionalProperties" => {}
            other => panic!("the keyword `{other}` at {at}"),
        }
    }
    told.append(&mut found);
    if let Some(items) = value.as_array() {
        let first = keywords.get("prefixItems").and_then(Value::as_array);
        for (index, item) in items.iter().enumerate() {
            let own = first.and_then(|first| first.get(index));
            if let Some(says) = own.or_else(|| keywords.get("items")) {
                validate(root, says, item, &format!("{at}/{index}"), told);
            }
        }
    }
    if let Some(object) = value.as_object() {
        for (name, member) in object {
            let own = keywords.get("properties").and_then(|known| known.get(name));
            if let Some(says) = own.or_else(|| keywords.get("additionalProperties")) {
                validate(root, says, member, &format!("{at}/{name}"), told);
            }
        }
    }
}

fn is(value: &Value, kind: &str) -> bool {
    match kind {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("the type `{other}`"),
    }
}

/// Only what the schemas here use: `^` and literal text, digits as `\\d`.
fn matches(pattern: &str, text: &str) -> bool {
    let mut pattern = pattern.strip_prefix('^').expect("an anchored pattern").chars();
    let mut letters = text.chars();
    while let Some(wanted) = pattern.next() {
        let fits = match wanted {
            '$' => return letters.next().is_none(),
            '\\' => {
                assert_eq!(pattern.next(), Some('d'), "another class than \\d");
                letters.next().is_some_and(|letter| letter.is_ascii_digit())
            }
            _ => {
                assert!(!"([{|*+?.".contains(wanted), "`{wanted}` in a pattern");
                letters.next() == Some(wanted)
            }
        };
        if !fits {
            return false;
        }
    }
    true
}

/// Fails where the document is not what the schema says.
pub(crate) fn assert_valid(schema: &str, document: &Value) {
    let schema: Value = serde_json::from_str(schema).unwrap();
    let mut told = Vec::new();
    validate(&schema, &schema, document, "", &mut told);
    assert!(told.is_empty(), "{told:#?}");
}

#[test]
fn what_is_wrong_is_told() {
    let schema = serde_json::json!({
        "type": "object",
        "required": ["a"],
        "properties": { "a": { "type": "string", "maxLength": 2, "pattern": "^x\\d" }, "b": { "const": 1 } },
        "if": { "properties": { "a": { "const": "x1" } } },
        "then": { "required": ["b"] },
        "else": { "required": ["c"] }
    });
    let count = |document: Value| {
        let mut told = Vec::new();
        validate(&schema, &schema, &document, "", &mut told);
        told.len()
    };
    assert_eq!(count(serde_json::json!({"a": "x1", "b": 1})), 0);
    assert_eq!(count(serde_json::json!({"a": "x1"})), 1);
    assert_eq!(count(serde_json::json!({"a": "x2"})), 1);
    assert_eq!(count(serde_json::json!({"a": "y12", "c": 0})), 2);
}
