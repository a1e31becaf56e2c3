//! `labctl/class/v1`: every row with its whole `labctl/result/v1`. Keys may be added, never renamed.

use schemars::JsonSchema;
use serde::Serialize;

use super::super::{json, safe};
use crate::class::{ClassResults, Row};

/// The name of the schema, in every document's `schema`.
pub const SCHEMA: &str = "labctl/class/v1";

/// The class as one JSON document with a line break at its end.
///
/// # Errors
/// Never in practice: every member has a JSON form.
pub fn render(class: &ClassResults) -> Result<String, serde_json::Error> {
    let mut out = serde_json::to_string_pretty(&Document::from(class))?;
    out.push('\n');
    Ok(out)
}

/// The whole document.
#[derive(Serialize, JsonSchema)]
pub struct Document {
    schema: &'static str,
    course: String,
    module: String,
    max_points: u32,
    exercises: Vec<ExerciseShape>,
    students: Vec<RowShape>,
}

#[derive(Serialize, JsonSchema)]
struct ExerciseShape {
    id: String,
    title: String,
    max_points: u32,
}

#[derive(Serialize, JsonSchema)]
struct RowShape {
    id: String,
    name: String,
    email: String,
    section: String,
    /// `graded`, `refused`, `missing`.
    standing: &'static str,
    /// Whether the class's list has this student.
    listed: bool,
    /// Null while an exercise is inconclusive.
    points: Option<u32>,
    notes: Vec<String>,
    /// `labctl/result/v1`; null where nothing could be graded.
    result: Option<json::Document>,
}

impl From<&ClassResults> for Document {
    fn from(class: &ClassResults) -> Self {
        let exercises = class.exercises.iter().map(|exercise| ExerciseShape {
            id: safe::line(&exercise.id),
            title: safe::line(&exercise.title),
            max_points: exercise.max_points,
        });
        Self {
            schema: SCHEMA,
            course: safe::line(&class.course),
            module: safe::line(&class.module),
            max_points: class.max_points(),
            exercises: exercises.collect(),
            students: class.rows.iter().map(RowShape::from).collect(),
        }
    }
}

impl From<&Row> for RowShape {
    fn from(row: &Row) -> Self {
        Self {
            id: safe::line(&row.id),
            name: safe::line(&row.name),
            email: safe::line(&row.email),
            section: safe::line(&row.section),
            standing: row.standing.as_str(),
            listed: row.listed,
            points: row.points(),
            notes: row.notes.iter().map(|note| safe::line(note)).collect(),
            result: row.results.as_ref().map(json::Document::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::sample::document;
    use super::super::sample;
    use super::*;
    use crate::spec::schema;

    #[test]
    fn rows_embed_results() {
        let text = render(&sample::class()).unwrap();
        let document = document(&text, &schema::of::<Document>("class").to_string());
        assert_eq!(document["schema"], "labctl/class/v1");
        let students = document["students"].as_array().unwrap();
        assert_eq!(students[0]["result"]["schema"], "labctl/result/v1");
        assert_eq!(students[0]["points"], students[0]["result"]["points"]);
        assert_eq!(students[1]["points"], serde_json::Value::Null, "inconclusive");
        assert_eq!(students[2]["standing"], "refused");
        assert_eq!(students[3]["points"], 0);
        assert_eq!(students[3]["result"], serde_json::Value::Null);
        assert_eq!(students[4]["listed"], false);
    }
}
