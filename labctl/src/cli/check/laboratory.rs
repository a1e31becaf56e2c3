//! What live exercises of one module share, and how many of them run at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::StreamExt as _;

use super::live::{Bench, grade_live};
use super::submission::Submission;
use crate::cbuild::Compiler;
use crate::cli::args::Shape;
use crate::cli::capacity::guests_at_once;
use crate::cli::context::Context;
use crate::cli::course::Loaded;
use crate::cli::failure::Failure;
use crate::cli::lab::{self, Ready};
use crate::event::{Stage, Unit};
use crate::grade::evidence::Evidence;
use crate::grade::grade;
use crate::grade::results::{Environment, GradedExercise};
use crate::session::Host;
use crate::spec::course::Module;
use crate::spec::exercise::Exercise;

/// Host, compiler, and what guests start from, by the tool layers that they have.
pub(crate) struct Laboratory {
    host: Host,
    compiler: Compiler,
    by_layers: BTreeMap<Vec<String>, Ready>,
    at_once: usize,
}

impl Laboratory {
    /// Finds or makes everything that the live ones of `exercises` need; `None` when there is no such.
    pub(crate) async fn prepare(
        context: &Context,
        loaded: &Loaded,
        shape: &Shape,
        module: &Module,
        exercises: &[&Exercise],
    ) -> Result<Option<Self>, Failure> {
        let live: Vec<_> = exercises.iter().filter(|exercise| exercise.is_live()).collect();
        if live.is_empty() {
            return Ok(None);
        }
        let host = lab::host(context, shape).await?;
        let mut plain = lab::ready(context, loaded, module, shape.kernel.as_deref(), &[]).await?;
        for exercise in &live {
            lab::refuse_unfit(exercise, &plain.kernel.kernel)?;
        }
        let compiler = lab::equip(&mut plain, &loaded.course.tool_modules).await?;
        let mut by_layers = BTreeMap::new();
        for exercise in live {
            if !exercise.layers.is_empty() && !by_layers.contains_key(&exercise.layers) {
                let ready = lab::with_layers(loaded, module, &plain, &exercise.layers).await?;
                by_layers.insert(exercise.layers.clone(), ready);
            }
        }
        by_layers.insert(Vec::new(), plain);
        Ok(Some(Self {
            host,
            compiler,
            by_layers,
            at_once: guests_at_once(module.vm.memory_mib),
        }))
    }

    fn bench<'a>(
        &'a self,
        context: &'a Context,
        exercise: &Exercise,
        submission: &'a Submission,
    ) -> Option<Bench<'a>> {
        Some(Bench {
            context,
            host: &self.host,
            ready: self.by_layers.get(&exercise.layers)?,
            compiler: &self.compiler,
            submission,
        })
    }
}

/// Grades `exercises` in their order, live ones each in a guest of its own, as many at once as the host carries.
///
/// # Errors
/// The first one's that could not be graded at all; the others have ended by then, too.
pub(crate) async fn grade_all(
    context: &Context,
    laboratory: Option<&Laboratory>,
    exercises: &[&Exercise],
    submission: &Submission,
) -> Result<(Option<Environment>, Vec<GradedExercise>), Failure> {
    let at_once = laboratory.map_or(1, |laboratory| laboratory.at_once);
    // Of several guests at once, each one's stages would only get in the others' way.
    let together = exercises.len() > 1;
    let quiet = context.with_warnings_only();
    let (total, done) = (exercises.len() as u64, AtomicU64::new(0));
    if together {
        let guests = at_once.min(exercises.len());
        let detail = format!("{total} exercises, up to {guests} at once");
        context.events.started(Stage::Grade, detail);
    }
    let runs = exercises.iter().map(|exercise| {
        let (quiet, done) = (&quiet, &done);
        async move {
            let inner = if together { quiet } else { context };
            let bench = laboratory
                .filter(|_| exercise.is_live())
                .and_then(|laboratory| laboratory.bench(inner, exercise, submission));
            let graded = match bench {
                Some(bench) => grade_live(&bench, exercise).await?,
                None => (on_paper(exercise, submission)?, None),
            };
            if together {
                let count = done.fetch_add(1, Ordering::Relaxed) + 1;
                let note = format!("{} {}", exercise.id, graded.0.result.verdict);
                context
                    .events
                    .progress(Stage::Grade, count, Some(total), Unit::Steps, note);
            }
            Ok(graded)
        }
    });
    // All of them, whatever becomes of one: a future that is dropped cannot take its guest down in order.
    let graded: Vec<Result<_, Failure>> = futures::stream::iter(runs).buffered(at_once).collect().await;
    let graded: Vec<(GradedExercise, Option<Environment>)> = graded.into_iter().collect::<Result<_, _>>()?;
    if together {
        context
            .events
            .finished(Stage::Grade, format!("{total} exercises"));
    }
    let environment = graded.iter().find_map(|(_, environment)| environment.clone());
    Ok((environment, graded.into_iter().map(|(one, _)| one).collect()))
}

fn on_paper(exercise: &Exercise, submission: &Submission) -> Result<GradedExercise, Failure> {
    let mut evidence = Evidence::new(&exercise.full_name(), &submission.seed);
    evidence.answers = submission.answers(exercise.id.as_str());
    Ok(GradedExercise {
        result: grade(exercise, &evidence)?,
        duration_ms: 0,
        run_dir: None,
    })
}
