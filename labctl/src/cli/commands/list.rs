//! `labctl list`: what the course has.

use std::fmt::Write as _;

use serde::Serialize;

use super::target::kept;
use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::{course, output};
use crate::spec::course::Course;

#[derive(Serialize)]
struct Listing<'a> {
    schema: &'static str,
    course: &'a str,
    modules: Vec<ListedModule<'a>>,
}

#[derive(Serialize)]
struct ListedModule<'a> {
    id: &'a str,
    title: &'a str,
    kernels: Vec<&'a str>,
    running: bool,
    exercises: Vec<ListedExercise<'a>>,
}

#[derive(Serialize)]
struct ListedExercise<'a> {
    id: &'a str,
    title: &'a str,
    max_points: u32,
    live: bool,
}

pub(super) fn run(context: &Context, format: Format) -> Result<Exit, Failure> {
    context.reap()?;
    let loaded = course::load(context)?;
    let running: Vec<String> = kept(context)?
        .into_iter()
        .filter(|kept| kept.running)
        .map(|kept| kept.name)
        .collect();
    let listing = listing(&loaded.course, &running);
    let text = match format {
        Format::Json => serde_json::to_string_pretty(&listing)? + "\n",
        Format::Human => human(&listing),
    };
    output::result(&text)?;
    Ok(Exit::Done)
}

fn listing<'a>(course: &'a Course, running: &[String]) -> Listing<'a> {
    let modules = course.modules.iter().map(|module| ListedModule {
        id: module.id.as_str(),
        title: &module.title,
        kernels: std::iter::once(&module.kernel)
            .chain(&module.kernels)
            .map(String::as_str)
            .collect(),
        running: running.iter().any(|name| name == module.id.as_str()),
        exercises: module
            .exercises
            .iter()
            .map(|exercise| ListedExercise {
                id: exercise.id.as_str(),
                title: &exercise.title,
                max_points: exercise.max_points(),
                live: exercise.is_live(),
            })
            .collect(),
    });
    Listing {
        schema: "labctl/list/v1",
        course: &course.name,
        modules: modules.collect(),
    }
}

fn human(listing: &Listing<'_>) -> String {
    let mut text = String::new();
    for module in &listing.modules {
        let running = if module.running { ", running" } else { "" };
        let kernels = module.kernels.join(", ");
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{}  {} (on {kernels}{running})", module.id, module.title);
        for exercise in &module.exercises {
            let _ = writeln!(
                text,
                "  {:<16} {:>3} points  {}",
                exercise.id, exercise.max_points, exercise.title
            );
        }
    }
    text
}
