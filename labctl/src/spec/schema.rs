//! JSON Schema of the files that authors and students write, made from the types that read them.

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::answers::BlankKind;
use super::exercise::{Exercise, LESSON_SEED};
use super::expr::EvalError;

/// The schema of a type, with a title of our own.
#[must_use]
pub fn of<T: JsonSchema>(title: &str) -> Value {
    let mut schema = SchemaGenerator::default().into_root_schema_for::<T>();
    schema.insert("title".to_owned(), json!(title));
    schema.to_value()
}

/// The schema of any answers file.
#[must_use]
pub fn answers() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "labctl answers",
        "description": "Blank to answer; null for a blank that is still open.",
        "type": "object",
        "additionalProperties": { "type": ["string", "number", "boolean", "null"] },
    })
}

/// The schema of one exercise's answers file: its blanks, each with its question.
///
/// # Errors
/// When an expression of the course does not fit its values.
pub fn answers_of(exercise: &Exercise) -> Result<Value, EvalError> {
    let scope = exercise.variables(LESSON_SEED, &std::collections::BTreeMap::new())?;
    let mut blanks = Map::new();
    let mut required = Vec::new();
    for blank in &exercise.worksheet {
        let mut shape = json!({
            "description": format!("{}\n\n{}", blank.ask.render(&scope)?, blank.kind.describe()),
            "type": ["string", "number", "boolean", "null"],
        });
        if let BlankKind::Choice(words) = &blank.kind {
            let words = words.iter().map(|word| json!(word)).chain([Value::Null]);
            shape["enum"] = words.collect();
        }
        required.push(json!(blank.id.as_str()));
        blanks.insert(blank.id.to_string(), shape);
    }
    let mut schema = answers();
    schema["title"] = json!(format!("labctl answers of {}", exercise.full_name()));
    schema["additionalProperties"] = json!(false);
    schema["properties"] = Value::Object(blanks);
    schema["required"] = Value::Array(required);
    Ok(schema)
}
