//! `labctl/result/v1`: keys may be added, never renamed.

use schemars::JsonSchema;
use serde::Serialize;

use super::safe;
use crate::grade::results::{Environment, GradedExercise, Results};
use crate::grade::verdict::{CheckResult, Figure, Finding};

/// The name of the schema, in every document's `schema`.
pub const SCHEMA: &str = "labctl/result/v1";

/// The results as one JSON document with a line break at its end.
///
/// # Errors
/// Never in practice: every member has a JSON form.
pub fn render(results: &Results) -> Result<String, serde_json::Error> {
    let mut out = serde_json::to_string_pretty(&Document::from(results))?;
    out.push('\n');
    Ok(out)
}

/// The whole document.
#[derive(Serialize, JsonSchema)]
pub struct Document {
    schema: &'static str,
    course: String,
    module: String,
    seed: String,
    points: u32,
    max_points: u32,
    environment: Option<EnvironmentShape>,
    exercises: Vec<ExerciseShape>,
}

#[derive(Serialize, JsonSchema)]
struct EnvironmentShape {
    labctl: String,
    kernel: String,
    kernel_id: String,
    image_id: String,
    accel: String,
    accel_reason: String,
    qemu: String,
}

#[derive(Serialize, JsonSchema)]
struct ExerciseShape {
    id: String,
    title: String,
    verdict: &'static str,
    points: u32,
    max_points: u32,
    duration_ms: u64,
    run_dir: Option<String>,
    checks: Vec<CheckShape>,
    findings: Vec<FindingShape>,
    figures: Vec<FigureShape>,
}

#[derive(Serialize, JsonSchema)]
struct CheckShape {
    id: String,
    title: String,
    verdict: &'static str,
    points: u32,
    max_points: u32,
    message: String,
    expected: Option<String>,
    actual: Option<String>,
    mistake: Option<String>,
    help: Option<String>,
    blocked_by: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct FindingShape {
    kind: String,
    title: String,
    module: Option<String>,
    symbol: Option<String>,
    source: Option<SourceShape>,
    text: String,
}

#[derive(Serialize, JsonSchema)]
struct FigureShape {
    id: String,
    title: String,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    plot: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct SourceShape {
    file: String,
    line: u32,
}

impl From<&Results> for Document {
    fn from(results: &Results) -> Self {
        Self {
            schema: SCHEMA,
            course: safe::line(&results.course),
            module: safe::line(&results.module),
            seed: safe::line(&results.seed),
            points: results.points(),
            max_points: results.max_points(),
            environment: results.environment.as_ref().map(EnvironmentShape::from),
            exercises: results.exercises.iter().map(ExerciseShape::from).collect(),
        }
    }
}

impl From<&Environment> for EnvironmentShape {
    fn from(environment: &Environment) -> Self {
        Self {
            labctl: safe::line(&environment.labctl),
            kernel: safe::line(&environment.kernel),
            kernel_id: safe::line(&environment.kernel_id),
            image_id: safe::line(&environment.image_id),
            accel: safe::line(&environment.accel),
            accel_reason: safe::line(&environment.accel_reason),
            qemu: safe::line(&environment.qemu),
        }
    }
}

impl From<&GradedExercise> for ExerciseShape {
    fn from(exercise: &GradedExercise) -> Self {
        let result = &exercise.result;
        Self {
            id: safe::line(&result.id),
            title: safe::line(&result.title),
            verdict: result.verdict.as_str(),
            points: result.points,
            max_points: result.max_points,
            duration_ms: exercise.duration_ms,
            run_dir: safe::optional_line(exercise.run_dir.as_deref()),
            checks: result.checks.iter().map(CheckShape::from).collect(),
            findings: result.findings.iter().map(FindingShape::from).collect(),
            figures: result.figures.iter().map(FigureShape::from).collect(),
        }
    }
}

impl From<&Figure> for FigureShape {
    fn from(figure: &Figure) -> Self {
        let all = |cells: &Vec<String>| cells.iter().map(|cell| safe::line(cell)).collect();
        Self {
            id: safe::line(&figure.id),
            title: safe::line(&figure.title),
            columns: all(&figure.columns),
            rows: figure.rows.iter().map(all).collect(),
            plot: figure
                .plot
                .and_then(|plot| figure.columns.get(plot))
                .map(|column| safe::line(column)),
        }
    }
}

impl From<&CheckResult> for CheckShape {
    fn from(check: &CheckResult) -> Self {
        Self {
            id: safe::line(&check.id),
            title: safe::line(&check.title),
            verdict: check.verdict.as_str(),
            points: check.points,
            max_points: check.max_points,
            message: safe::block(&check.message),
            expected: safe::optional_line(check.expected.as_deref()),
            actual: safe::optional_line(check.actual.as_deref()),
            mistake: safe::optional_line(check.mistake.as_deref()),
            help: safe::optional_line(check.help.as_deref()),
            blocked_by: safe::optional_line(check.blocked_by.as_deref()),
        }
    }
}

impl From<&Finding> for FindingShape {
    fn from(finding: &Finding) -> Self {
        Self {
            kind: safe::line(&finding.kind),
            title: safe::line(&finding.title),
            module: safe::optional_line(finding.module.as_deref()),
            symbol: safe::optional_line(finding.symbol.as_deref()),
            source: finding.source.as_ref().map(|source| SourceShape {
                file: safe::line(&source.file),
                line: source.line,
            }),
            text: safe::block(&finding.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use lab_kmsg::sanitize::is_plain;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::{hostile, sample, validator};
    use super::*;
    use crate::spec::schema;

    fn document(results: &Results) -> Value {
        serde_json::from_str(&render(results).unwrap()).unwrap()
    }

    #[test]
    fn the_schema_is_kept() {
        let document = document(&sample::partial());
        assert_eq!(document["schema"], "labctl/result/v1");
        assert_eq!(document["points"], 6);
        assert_eq!(document["max_points"], 10);
        assert_eq!(
            document["environment"]["accel_reason"],
            "/dev/kvm cannot run a guest"
        );
        let exercise = &document["exercises"][0];
        assert_eq!(exercise["verdict"], "partial");
        assert_eq!(exercise["duration_ms"], 2310);
        assert_eq!(
            exercise["checks"][0],
            json!({
                "id": "copy1-is-the-transfer",
                "title": "COPY1 reports this run's transfer",
                "verdict": "failed",
                "points": 0,
                "max_points": 2,
                "message": "COPY1's destination is not where the witness saw the bytes go",
                "expected": "0xffff888004d7c4ac",
                "actual": "0x000000003f1c2a9b",
                "mistake": "hashed-pointer",
                "help": "%p prints a hash; %px prints the address",
                "blocked_by": null,
            })
        );
        assert_eq!(exercise["checks"][1]["blocked_by"], "copy1-is-the-transfer");
        assert_eq!(
            exercise["findings"][0]["source"],
            json!({"file": "src/send_trace.c", "line": 31})
        );
    }

    #[test]
    fn what_is_absent_is_null() {
        let mut results = sample::inconclusive();
        results.environment = None;
        results.exercises[0].run_dir = None;
        let document = document(&results);
        assert_eq!(document["environment"], Value::Null);
        assert_eq!(document["exercises"][0]["run_dir"], Value::Null);
        assert_eq!(document["exercises"][0]["verdict"], "inconclusive");
    }

    #[test]
    fn hostile_text_comes_through_harmless() {
        fn strings<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
            match value {
                Value::String(text) => found.push(text),
                Value::Array(items) => items.iter().for_each(|item| strings(item, found)),
                Value::Object(members) => members.values().for_each(|item| strings(item, found)),
                _ => {}
            }
        }
        let text = render(&sample::hostile()).unwrap();
        assert!(text.chars().all(|c| is_plain(c) || c == '\n'));
        let document: Value = serde_json::from_str(&text).unwrap();
        let mut found = Vec::new();
        strings(&document, &mut found);
        assert!(found.iter().any(|text| text.contains("\\x1b[2J")));
        assert!(
            found
                .iter()
                .all(|text| text.chars().all(|c| is_plain(c) || c == '\n'))
        );
    }

    proptest! {
        #[test]
        fn whatever_was_said_the_schema_is_kept(results in hostile::results()) {
            let text = render(&results).unwrap();
            prop_assert!(text.chars().all(|c| is_plain(c) || c == '\n'));
            let schema = schema::of::<Document>("result").to_string();
            validator::assert_valid(&schema, &serde_json::from_str(&text).unwrap());
        }
    }
}
