//! `labctl schema`: what an editor needs to know of a file.

use std::path::Path;

use clap::ValueEnum as _;
use fs_err as fs;
use serde_json::Value;

use crate::cli::args::SchemaKind;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::{course, output};
use crate::image::RawImageSpec;
use crate::kernel::spec::RawKernelSpec;
use crate::report;
use crate::spec::raw::{RawCourse, RawExercise, RawMistake, RawMutant, RawWorkspace};
use crate::spec::schema;
use crate::spec::yaml::Mapping;

pub(super) fn run(
    context: &Context,
    kind: Option<SchemaKind>,
    exercise: Option<&str>,
    write: Option<&Path>,
) -> Result<Exit, Failure> {
    if let Some(dir) = write {
        let dir = context.settings.absolute(dir);
        fs::create_dir_all(&dir)?;
        for kind in SchemaKind::value_variants() {
            fs::write(dir.join(format!("{}.json", name(*kind))), text(&of(*kind))?)?;
        }
        let exercise = dir.join("exercise.json");
        output::talk(&format!(
            "{} files in {}. At the top of an exercise:\n  # yaml-language-server: $schema={}",
            SchemaKind::value_variants().len(),
            dir.display(),
            exercise.display()
        ));
        return Ok(Exit::Done);
    }
    let Some(kind) = kind else {
        let names: String = SchemaKind::value_variants()
            .iter()
            .map(|kind| format!("{}\n", name(*kind)))
            .collect();
        output::result(&names)?;
        return Ok(Exit::Done);
    };
    let schema = match (kind, exercise) {
        (SchemaKind::Answers, Some(name)) => {
            let loaded = course::load(context)?;
            let found = loaded.course.find(name)?;
            let [(_, exercise)] = found.as_slice() else {
                return Err(Failure::new(
                    Exit::Usage,
                    format!("{name} has several exercises; name one"),
                ));
            };
            schema::answers_of(exercise)?
        }
        (_, Some(_)) => {
            return Err(Failure::new(
                Exit::Usage,
                format!("the schema `{}` belongs to no exercise", name(kind)),
            )
            .hint("only `labctl schema answers EXERCISE` takes one"));
        }
        (kind, None) => of(kind),
    };
    output::result(&text(&schema)?)?;
    Ok(Exit::Done)
}

fn of(kind: SchemaKind) -> Value {
    match kind {
        SchemaKind::Course => schema::of::<RawCourse>("labctl course"),
        SchemaKind::Exercise => schema::of::<RawExercise>("labctl exercise"),
        SchemaKind::Mutant => schema::of::<RawMutant>("labctl mutant"),
        SchemaKind::Mistakes => schema::of::<Mapping<RawMistake>>("labctl mistakes"),
        SchemaKind::Kernel => schema::of::<RawKernelSpec>("labctl kernel"),
        SchemaKind::Image => schema::of::<RawImageSpec>("labctl image"),
        SchemaKind::Answers => schema::answers(),
        SchemaKind::Workspace => schema::of::<RawWorkspace>("labctl workspace"),
        SchemaKind::Result => schema::of::<report::json::Document>("labctl result"),
        SchemaKind::Class => schema::of::<report::class::json::Document>("labctl class"),
    }
}

fn text(schema: &Value) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(schema)? + "\n")
}

fn name(kind: SchemaKind) -> String {
    kind.to_possible_value()
        .map_or_else(String::new, |value| value.get_name().to_owned())
}
