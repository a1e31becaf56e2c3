//! From a folder of results to its tables: every row is made of recorded evidence, never of what happens to be in
//! memory.

use fs_err as fs;

use super::folder::Grades;
use super::records::{Class, Member};
use super::similarity;
use crate::class::{ClassExercise, ClassResults, Row, Standing};
use crate::cli::args::ClassFormat;
use crate::cli::check::read_environment;
use crate::cli::context::Context;
use crate::cli::course::Loaded;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::grade::evidence::{Evidence, GuestLost, GuestLostKind};
use crate::grade::grade;
use crate::grade::results::{GradedExercise, Results};
use crate::grade::verdict::Verdict;
use crate::report;
use crate::similar::Pair;
use crate::spec::exercise::Exercise;

/// A class that is graded as far as it goes.
pub(crate) struct Concluded {
    pub(crate) results: ClassResults,
    /// Students and exercises of which there is no record.
    pub(crate) missing: Vec<(String, String)>,
    /// For a person to look at.
    pairs: Vec<Pair>,
}

/// Judges all evidence in the folder, and writes the tables into it.
pub(crate) fn conclude(grades: &Grades, class: &Class, loaded: &Loaded) -> Result<Concluded, Failure> {
    let module = loaded.course.module(&class.module)?;
    let mut exercises = Vec::new();
    for id in &class.exercises {
        let exercise = module
            .exercises
            .iter()
            .find(|exercise| exercise.id.as_str() == id);
        exercises.push(exercise.ok_or_else(|| {
            let what = format!(
                "{} was graded in {}, and is no exercise of this course",
                id, grades.shown
            );
            Failure::new(Exit::Invalid, what).hint("--course DIR names the course that it was graded with")
        })?);
    }
    let mut missing = Vec::new();
    let mut rows = Vec::new();
    for member in class.part() {
        rows.push(row(grades, class, &exercises, member, &mut missing)?);
    }
    let results = ClassResults {
        course: class.course.clone(),
        module: class.module.clone(),
        exercises: exercises
            .iter()
            .map(|exercise| ClassExercise {
                id: exercise.id.to_string(),
                title: exercise.title.clone(),
                max_points: exercise.max_points(),
            })
            .collect(),
        rows,
    };
    grades.write("results.json", report::class::json::render(&results)?.as_bytes())?;
    grades.write("results.csv", report::class::csv::render(&results).as_bytes())?;
    let pairs = similarity::pairs(grades, module, &results)?;
    grades.write(
        "similarity.json",
        report::class::similarity::json(&pairs)?.as_bytes(),
    )?;
    Ok(Concluded {
        results,
        missing,
        pairs,
    })
}

fn row(
    grades: &Grades,
    class: &Class,
    exercises: &[&Exercise],
    member: &Member,
    missing: &mut Vec<(String, String)>,
) -> Result<Row, Failure> {
    let handed = grades.handed(&member.id);
    let standing = handed
        .as_ref()
        .map_or(Standing::Graded, |handed| handed.standing());
    let seed = handed
        .as_ref()
        .map(|handed| handed.seed.clone())
        .unwrap_or_default();
    let results = if standing == Standing::Graded {
        let mut results = Results {
            course: class.course.clone(),
            module: class.module.clone(),
            seed,
            environment: None,
            exercises: Vec::new(),
        };
        for exercise in exercises {
            let id = exercise.id.as_str();
            let run = grades.unit(&member.id, id);
            let record = grades.unit_record(&member.id, id);
            let text = record
                .as_ref()
                .and_then(|_| fs::read_to_string(run.evidence()).ok());
            let evidence = text.and_then(|text| Evidence::from_json(&text).ok());
            if evidence.is_none() {
                missing.push((member.id.clone(), id.to_owned()));
            }
            let is_lost = evidence.is_none()
                || record.is_some_and(|record| record.verdict == Verdict::Inconclusive.as_str());
            let mut result = grade(
                exercise,
                &evidence.unwrap_or_else(|| not_graded(exercise, &results.seed)),
            )?;
            if is_lost {
                // A file that could not be read would outrank what our laboratory could not do.
                result.verdict = Verdict::Inconclusive;
            }
            let recorded = read_environment(&run);
            results.exercises.push(GradedExercise {
                result,
                duration_ms: recorded.as_ref().map_or(0, |(_, duration)| *duration),
                run_dir: Some(Grades::unit_shown(&member.id, id)),
            });
            results.environment = results
                .environment
                .or(recorded.map(|(environment, _)| environment));
        }
        Some(results)
    } else {
        None
    };
    Ok(Row {
        id: member.id.clone(),
        name: member.name.clone(),
        email: member.email.clone(),
        section: member.section.clone(),
        standing,
        listed: member.listed,
        notes: handed.map(|handed| handed.notes).unwrap_or_default(),
        results,
    })
}

fn not_graded(exercise: &Exercise, seed: &str) -> Evidence {
    let mut evidence = Evidence::new(&exercise.full_name(), seed);
    evidence.guest_lost = Some(GuestLost {
        kind: GuestLostKind::NeverReady,
        reason: "it was not graded yet".to_owned(),
        student_fault: false,
        step: None,
    });
    evidence
}

impl Concluded {
    /// Prints the table and decides the exit status.
    pub(crate) fn report(&self, context: &Context, format: ClassFormat) -> Result<Exit, Failure> {
        context.ui.clear();
        let text = match format {
            ClassFormat::Human => {
                let settings = &context.settings;
                let mut text = report::class::human::render(&self.results, settings.width, settings.colour);
                text.push_str(&report::class::similarity::human(&self.pairs));
                text
            }
            ClassFormat::Json => report::class::json::render(&self.results)?,
            ClassFormat::Csv => report::class::csv::render(&self.results),
            ClassFormat::Markdown => report::class::markdown::render(&self.results),
        };
        output::result(&text)?;
        Ok(if self.results.inconclusive().is_empty() {
            Exit::Done
        } else {
            Exit::Inconclusive
        })
    }
}
