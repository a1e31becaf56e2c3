//! What live exercises of one module share, and how many of them run at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::{FutureExt as _, StreamExt as _};

use super::live::{Arriving, Bench, Graded, grade_live};
use super::submission::Submission;
use crate::cbuild::Compiler;
use crate::cli::args::Shape;
use crate::cli::capacity::guests_at_once;
use crate::cli::context::Context;
use crate::cli::course::Loaded;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::lab::{self, Ready};
use crate::cli::output;
use crate::event::{Stage, Unit};
use crate::grade::evidence::Evidence;
use crate::grade::grade;
use crate::grade::results::{Environment, GradedExercise};
use crate::session::{Host, Lab};
use crate::spec::course::Module;
use crate::spec::exercise::Exercise;
use crate::store::Store;

/// Host, compiler, and what guests start from, by the tool layers that they have.
pub(crate) struct Laboratory {
    pub(crate) host: Host,
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

    /// What guests without tool layers start from.
    pub(crate) fn plain(&self) -> Option<&Ready> {
        self.by_layers.get(&Vec::new())
    }

    /// From here on what is compiled is looked for, and kept, in `store`.
    pub(crate) fn compile_into(&mut self, store: Store) {
        self.compiler.store = store;
    }

    /// What guests for `exercise` start from; `None` for one that nothing was prepared for.
    fn ready(&self, exercise: &Exercise) -> Option<&Ready> {
        self.by_layers
            .get(&exercise.layers)
            .filter(|_| exercise.is_live())
    }

    /// Starts a guest for `exercise`.
    pub(crate) async fn guest(&self, context: &Context, exercise: &Exercise) -> Result<Lab, Failure> {
        let ready = self
            .ready(exercise)
            .ok_or_else(|| Failure::new(Exit::Bug, format!("{} was not prepared", exercise.id)))?;
        lab::boot(context, &self.host, &ready.bootable, exercise.id.as_str()).await
    }
}

/// Grades one exercise: a live one in `guest`, or in one that is started for it.
pub(crate) async fn grade_one(
    context: &Context,
    laboratory: Option<&Laboratory>,
    exercise: &Exercise,
    submission: &Submission,
    guest: Option<Arriving<'_>>,
) -> Result<Graded, Failure> {
    let prepared = laboratory.and_then(|laboratory| Some((laboratory, laboratory.ready(exercise)?)));
    let Some((laboratory, ready)) = prepared else {
        return on_paper(exercise, submission);
    };
    let bench = Bench {
        context,
        host: &laboratory.host,
        ready,
        compiler: &laboratory.compiler,
        submission,
    };
    let guest = guest.unwrap_or_else(|| laboratory.guest(context, exercise).boxed_local());
    grade_live(&bench, exercise, guest).await
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
    let runs = exercises.iter().enumerate().map(|(order, exercise)| {
        let (quiet, done) = (&quiet, &done);
        async move {
            let inner = if together { quiet } else { context };
            let graded = grade_one(inner, laboratory, exercise, submission, None).await?;
            if let Some(failure) = &graded.failure {
                context.ui.clear();
                output::error(failure, context.settings.colour);
            }
            if together {
                let count = done.fetch_add(1, Ordering::Relaxed) + 1;
                let note = format!("{} {}", exercise.id, graded.exercise.result.verdict);
                context
                    .events
                    .progress(Stage::Grade, count, Some(total), Unit::Steps, note);
            }
            Ok((order, graded))
        }
    });
    // All of them, whatever becomes of one: a future that is dropped cannot take its guest down in order. And as they end: in
    // their order, one that takes long would keep the next ones from starting.
    let ended: Vec<Result<_, Failure>> = futures::stream::iter(runs)
        .buffer_unordered(at_once)
        .collect()
        .await;
    let mut ended: Vec<(usize, Graded)> = ended.into_iter().collect::<Result<_, _>>()?;
    ended.sort_unstable_by_key(|(order, _)| *order);
    let graded: Vec<Graded> = ended.into_iter().map(|(_, graded)| graded).collect();
    if together {
        context
            .events
            .finished(Stage::Grade, format!("{total} exercises"));
    }
    let environment = graded.iter().find_map(|graded| graded.environment.clone());
    Ok((
        environment,
        graded.into_iter().map(|graded| graded.exercise).collect(),
    ))
}

fn on_paper(exercise: &Exercise, submission: &Submission) -> Result<Graded, Failure> {
    Ok(Graded {
        exercise: GradedExercise {
            result: grade(exercise, &paper(exercise, submission))?,
            duration_ms: 0,
            run_dir: None,
        },
        environment: None,
        failure: None,
    })
}

/// What is known of an exercise before anything has run.
pub(crate) fn paper(exercise: &Exercise, submission: &Submission) -> Evidence {
    let mut evidence = Evidence::new(&exercise.full_name(), &submission.seed);
    evidence.answers = submission.answers(exercise.id.as_str());
    evidence
}
