//! `labctl list`: what the course has.

use std::fmt::Write as _;

use lab_kmsg::sanitize::line;
use serde::Serialize;

use super::target::kept;
use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::course::Found;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::progress::{Progress, Score};
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
    /// What the last check of this workspace said; absent outside of one, and before the first.
    progress: Option<ListedProgress>,
}

#[derive(Serialize)]
struct ListedProgress {
    checked_at: String,
    score: Score,
    before: Option<Score>,
    run_dir: Option<String>,
    /// Files that are not what they were at the last check.
    changed: Vec<String>,
}

pub(super) fn run(context: &Context, format: Format) -> Result<Exit, Failure> {
    context.reap()?;
    let loaded = course::load(context)?;
    let running: Vec<String> = kept(context)?
        .into_iter()
        .filter(|kept| kept.running)
        .map(|kept| kept.name)
        .collect();
    let here = match course::workspace(context, None) {
        Ok(found) => found.map(|found| {
            let progress = Progress::read(context, &found.dir);
            (found, progress)
        }),
        Err(failure) => {
            context.events.warn(failure.headline());
            None
        }
    };
    let mut listing = listing(&loaded.course, &running);
    if let Some((found, progress)) = &here {
        add_progress(&mut listing, &loaded.course, found, progress);
    }
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
                progress: None,
            })
            .collect(),
    });
    Listing {
        schema: "labctl/list/v1",
        course: &course.name,
        modules: modules.collect(),
    }
}

fn add_progress(listing: &mut Listing<'_>, course: &Course, found: &Found, progress: &Progress) {
    let Ok(module) = course.module(&found.workspace.module) else {
        return;
    };
    let listed = listing
        .modules
        .iter_mut()
        .filter(|listed| listed.id == module.id.as_str())
        .flat_map(|listed| &mut listed.exercises);
    for exercise in listed {
        let Some(remembered) = progress.exercises.get(exercise.id) else {
            continue;
        };
        let Some(last) = &remembered.last else { continue };
        let changed = module
            .exercise(exercise.id)
            .map(|exercise| last.changed(&found.dir, exercise))
            .unwrap_or_default();
        exercise.progress = Some(ListedProgress {
            checked_at: last.at.clone(),
            score: last.score.clone(),
            before: remembered.before.clone(),
            run_dir: last.run_dir.clone(),
            changed,
        });
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
            if let Some(progress) = &exercise.progress {
                let _ = writeln!(text, "  {:<16} {}", "", told(progress));
            }
        }
    }
    text
}

/// `6/10 → 8/10 partial; changed since: src/send_trace.c`.
fn told(progress: &ListedProgress) -> String {
    let points = |score: &Score| format!("{}/{}", score.points, score.max_points);
    let mut told = String::new();
    if let Some(before) = progress
        .before
        .as_ref()
        .filter(|before| **before != progress.score)
    {
        told.push_str(&format!("{} → ", points(before)));
    }
    told.push_str(&format!("{} {}", points(&progress.score), progress.score.verdict));
    if !progress.changed.is_empty() {
        let changed: Vec<String> = progress
            .changed
            .iter()
            .map(|path| line(path.as_bytes(), 200))
            .collect();
        told.push_str(&format!("; changed since: {}", changed.join(", ")));
    }
    told
}
