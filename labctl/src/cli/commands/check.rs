//! `labctl check`: run, grade, report.

use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::cli::args::Check;
use crate::cli::check::{Laboratory, from_reference, from_workspace, grade_all, read_environment, select};
use crate::cli::context::Context;
use crate::cli::course::{self, Loaded};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::progress::Ledger;
use crate::cli::reporting::Reports;
use crate::grade::evidence::Evidence;
use crate::grade::grade;
use crate::grade::results::{GradedExercise, Results};
use crate::run_dir::RunDir;
use crate::spec::exercise::LESSON_SEED;

pub(super) async fn run(context: &Context, check: Check) -> Result<Exit, Failure> {
    let reports = Reports::prepare(context, &check.reporting)?;
    context.reap()?;
    let loaded = if check.from.is_some() || check.exercises.is_empty() {
        course::load(context)?
    } else {
        course::load_named(context, &check.exercises)?
    };
    let (results, workspace) = match &check.from {
        Some(run) => (again(context, &loaded, run)?, None),
        None => anew(context, &loaded, &check).await?,
    };
    context.ui.clear();
    let done = reports.publish(context, &results, workspace.as_deref())?;
    Ok(
        if check.reporting.exit_zero && matches!(done, Exit::NotPassed | Exit::Invalid) {
            Exit::Done
        } else {
            done
        },
    )
}

/// Grades a recorded run again.
fn again(context: &Context, loaded: &Loaded, run: &Path) -> Result<Results, Failure> {
    let run_dir = RunDir::existing(&context.settings.absolute(run));
    let unreadable = |error: &(dyn std::error::Error + 'static)| {
        let runs = &context.settings.runs_dir;
        Failure::new(Exit::Usage, format!("{} is not a recorded run", run.display()))
            .because(error)
            .hint(format!("runs are kept in {}", runs.display()))
    };
    let text = fs::read_to_string(run_dir.evidence()).map_err(|error| unreadable(&error))?;
    let evidence = Evidence::from_json(&text).map_err(|error| unreadable(&error))?;
    let found = loaded.course.find(&evidence.exercise).unwrap_or_default();
    let [(module, exercise)] = found.as_slice() else {
        let what = format!(
            "the run is of `{}`, which is no exercise of this course",
            evidence.exercise
        );
        return Err(
            Failure::new(Exit::Invalid, what).hint("--course DIR names the course that it was made with")
        );
    };
    let recorded = read_environment(&run_dir);
    let graded = GradedExercise {
        result: grade(exercise, &evidence)?,
        duration_ms: recorded.as_ref().map_or(0, |(_, duration)| *duration),
        run_dir: Some(run_dir.path().display().to_string()),
    };
    Ok(Results {
        course: loaded.course.name.clone(),
        module: module.id.to_string(),
        seed: evidence.seed,
        environment: recorded.map(|(environment, _)| environment),
        exercises: vec![graded],
    })
}

/// Runs and grades a submission; with the folder that it is in, unless it is the course's own.
async fn anew(
    context: &Context,
    loaded: &Loaded,
    check: &Check,
) -> Result<(Results, Option<PathBuf>), Failure> {
    let found = if check.reference {
        None
    } else {
        course::workspace(context, check.workspace.as_deref())?
    };
    let names: Vec<&str> = match (&check.exercises, &found) {
        (names, _) if !names.is_empty() => names.iter().map(String::as_str).collect(),
        (_, Some(found)) => vec![found.workspace.module.as_str()],
        _ => {
            return Err(Failure::new(Exit::Usage, "no exercise was named")
                .hint("`labctl list` shows them; in a workspace, all of its module are checked"));
        }
    };
    let (module, exercises) = select(loaded, &names)?;
    let submission = match &found {
        Some(found) => {
            if found.workspace.module != module.id.as_str() {
                let what = format!(
                    "{} is a workspace of {}, not of {}",
                    found.dir.display(),
                    found.workspace.module,
                    module.id
                );
                return Err(Failure::new(Exit::Usage, what).hint("name the right one with --workspace DIR"));
            }
            from_workspace(found, check.seed.as_deref())?
        }
        None if check.reference => from_reference(module, check.seed.as_deref().unwrap_or(LESSON_SEED))?,
        None => {
            return Err(Failure::new(Exit::Usage, "there is no workspace here").hint(format!(
                "`labctl init {}` makes one; --workspace DIR names one; --reference grades the course's solution",
                module.id
            )));
        }
    };
    let ledger = found
        .as_ref()
        .map(|found| Ledger::begin(context, found, &exercises));
    let laboratory = Laboratory::prepare(context, loaded, &check.shape, module, &exercises).await?;
    let (environment, graded) = grade_all(context, laboratory.as_ref(), &exercises, &submission).await?;
    if let Some(ledger) = ledger {
        ledger.finish(context, &graded);
    }
    let results = Results {
        course: loaded.course.name.clone(),
        module: module.id.to_string(),
        seed: submission.seed,
        environment,
        exercises: graded,
    };
    Ok((results, found.map(|found| found.dir)))
}
