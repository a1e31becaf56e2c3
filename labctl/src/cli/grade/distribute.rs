//! A class on a cluster: an engine runs the parts, and what they leave is put together here.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;

use super::folder::Grades;
use super::records::Class;
use crate::cli::args::{AccelChoice, Grade};
use crate::cli::capacity::bound;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::settings;
use crate::event::{Stage, Unit};
use crate::slurm::{ArrayJob, submit};
use crate::spec::course::Module;

/// How often it is looked whether another part has ended. Nothing tells across the nodes of a cluster.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Memory of a part besides its guests: labctl, and the compiler's cache of files.
const BESIDES_MIB: u64 = 512;

/// Has Slurm grade the parts of a class of `students`, and returns what they have left.
pub(crate) async fn by_slurm(
    context: &Context,
    args: &Grade,
    module: &Module,
    students: usize,
) -> Result<Vec<(Grades, Class)>, Failure> {
    let output = args.resume.as_deref().unwrap_or(&args.output);
    let folder = parts_of(&context.settings.absolute(output));
    let parts = args
        .parts
        .map_or(students, |parts| usize::try_from(parts).unwrap_or(usize::MAX))
        .min(students)
        .max(1);
    let jobs = args.jobs.unwrap_or(1);
    let each = bound(module.vm.memory_mib, Some(1)).each_mib;
    let job = ArrayJob {
        name: format!("labctl-{}", module.id),
        parts,
        cpus: usize::try_from(jobs).unwrap_or(1),
        memory_mib: u64::from(jobs) * each + BESIDES_MIB,
        command: command(context, args)?,
        folder: folder.clone(),
        options: args.engine_options.clone(),
    };
    let shown = folder.display().to_string();
    let told = |number: &str| {
        context.events.note(format!(
            "job {number}, in {parts} parts; `squeue --job {number}` shows it; what they say is in {shown}"
        ));
    };
    let environment = settings::environment();
    let ended = {
        let work = submit(
            &job,
            &context.settings.search_path,
            &environment,
            &context.cancel,
            told,
        );
        tokio::pin!(work);
        loop {
            tokio::select! {
                ended = &mut work => break ended,
                () = tokio::time::sleep(LOOK_EVERY) => {
                    let done = finished(&folder, parts) as u64;
                    context.events.progress(Stage::Grade, done, Some(parts as u64), Unit::Steps, "parts");
                }
            }
        }
    };
    let ended = ended.map_err(|error| {
        let failure = Failure::from(error);
        failure.logs(&folder)
    })?;
    if ended.status != 0 {
        let mut text = format!("a part ended with the status {}", ended.status);
        if !ended.message.is_empty() {
            text.push_str(&format!(": {}", ended.message));
        }
        context.events.warn(text);
    }
    let mut left = Vec::new();
    for part in 1..=parts {
        let path = folder.join(part.to_string());
        if Grades::is_one(&path) {
            left.push(Grades::existing(context, &path)?);
        }
    }
    if left.is_empty() {
        let what = format!("none of the {parts} parts of job {} has left results", ended.job);
        return Err(Failure::new(Exit::Inconclusive, what)
            .excerpt(last_words(&folder))
            .logs(&folder));
    }
    Ok(left)
}

/// The parts lie beside the folder of results, which is made of them.
fn parts_of(output: &Path) -> PathBuf {
    let mut path = output.as_os_str().to_owned();
    path.push(".parts");
    path.into()
}

fn finished(folder: &Path, parts: usize) -> usize {
    (1..=parts)
        .filter(|part| fs::metadata(folder.join(part.to_string()).join("results.json")).is_ok())
        .count()
}

/// The end of what the first part said: where all have failed, they have mostly failed alike.
fn last_words(folder: &Path) -> Vec<String> {
    let log = fs::read(folder.join("1.log")).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let mut lines: Vec<String> = log.lines().rev().take(8).map(str::to_owned).collect();
    lines.reverse();
    lines
}

/// What each part is graded with: all that was asked for here, with every path as it is from anywhere.
fn command(context: &Context, args: &Grade) -> Result<Vec<OsString>, Failure> {
    let settings = &context.settings;
    let mut words: Vec<OsString> = vec![settings::program()?.into(), "grade".into()];
    if let Some(submissions) = &args.submissions {
        words.push(settings.absolute(submissions).into());
    }
    let mut option = |name: &str, value: OsString| words.extend([name.into(), value]);
    if let Some(course) = &settings.course {
        option("--course", settings.absolute(course).into());
    }
    if let Some(mirror) = &settings.mirror {
        option("--mirror", mirror.into());
    }
    for place in &settings.substitutes {
        option("--substitute", place.into());
    }
    if let Some(roster) = &args.roster {
        option("--roster", settings.absolute(roster).into());
    }
    if let Some(key) = &args.course_key {
        option("--course-key", settings.absolute(key).into());
    }
    if let Some(kernel) = &args.shape.kernel {
        option("--kernel", kernel.into());
    }
    for exercise in &args.exercises {
        option("--exercise", exercise.into());
    }
    option("--jobs", args.jobs.unwrap_or(1).to_string().into());
    let accel = match args.shape.accel {
        AccelChoice::Auto => "auto",
        AccelChoice::Kvm => "kvm",
        AccelChoice::Tcg => "tcg",
    };
    option("--accel", accel.into());
    for (asked, flag) in [
        (settings.locked, "--locked"),
        (settings.no_substitutes, "--no-substitutes"),
        (args.shape.no_template, "--no-template"),
    ] {
        if asked {
            words.push(flag.into());
        }
    }
    Ok(words)
}
