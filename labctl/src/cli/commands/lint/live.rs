//! What only guests can show of a course: the solution, a fresh workspace and every wrong program of every exercise, each in
//! a guest of its own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt as _;

use super::Chosen;
use crate::cli::args::Lint;
use crate::cli::capacity::guests_at_once;
use crate::cli::check::{Laboratory, from_files, grade_all};
use crate::cli::context::Context;
use crate::cli::course::Loaded;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::grade::results::GradedExercise;
use crate::grade::verdict::Verdict;
use crate::lint::mutants::{live, wrong_live, wrong_skeleton, wrong_solution};
use crate::lint::report::{Item, Problem, State};
use crate::spec::course::Module;
use crate::spec::exercise::{Exercise, LESSON_SEED};
use crate::spec::mutant::Mutant;
use crate::spec::workspace::{mutated, skeleton, solution};

const LIVE: &str = "mutants-live";
const REFERENCE: &str = "solution-passes";
const FRESH: &str = "skeleton-fails";

/// Whether guests were to show this, and a failure of the laboratory kept them from it.
pub(super) fn is_inconclusive(item: &Item) -> bool {
    item.state == State::NotRun && [LIVE, REFERENCE, FRESH].contains(&item.name)
}

/// Three items for each exercise that needs a guest; without `--live` one that says so.
///
/// # Errors
/// The first one's that could not be graded at all; the others have ended by then, too.
pub(super) async fn in_guests(
    context: &Context,
    loaded: &Loaded,
    lint: &Lint,
    chosen: &[Chosen<'_>],
) -> Result<Vec<Item>, Failure> {
    let live_ones = chosen.iter().flat_map(|one| {
        let live = one.exercises.iter().filter(|exercise| exercise.is_live());
        live.map(|exercise| (one.module, *exercise))
    });
    if !lint.live {
        return Ok(live_ones
            .map(|(module, exercise)| {
                let count = live(module, exercise).len();
                let why = format!("solution, skeleton and {count} mutants need a guest (--live)");
                Item::not_run(LIVE, exercise.full_name(), why)
            })
            .collect());
    }
    let mut subjects = Vec::new();
    for (module, exercise) in live_ones {
        let laboratory = Laboratory::prepare(context, loaded, &lint.shape, module, &[exercise]).await?;
        subjects.push(Subject {
            module,
            exercise,
            mutants: live(module, exercise),
            laboratory,
        });
    }
    let graded = all(context, &subjects).await?;
    Ok(subjects
        .iter()
        .zip(graded)
        .flat_map(|(subject, graded)| subject.items(&graded))
        .collect())
}

/// The runs of each subject, in the order of its programs.
async fn all(context: &Context, subjects: &[Subject<'_>]) -> Result<Vec<Vec<GradedExercise>>, Failure> {
    let memory = subjects.iter().map(|one| one.module.vm.memory_mib).max();
    let at_once = guests_at_once(memory.unwrap_or_default());
    let quiet = &context.with_warnings_only();
    let failed = &AtomicBool::new(false);
    let programs = subjects
        .iter()
        .enumerate()
        .flat_map(|(at, subject)| subject.programs().map(move |program| (at, program)));
    // One exercise has thirty wrong programs and some of those hang: any run takes the place of any that has ended.
    let runs = futures::stream::iter(programs.enumerate()).map(|(order, (at, program))| async move {
        if failed.load(Ordering::Relaxed) {
            return None;
        }
        let graded = subjects[at].grade(context, quiet, program).await;
        failed.fetch_or(graded.is_err(), Ordering::Relaxed);
        Some(graded.map(|graded| (order, at, graded)))
    });
    // To the end, whatever becomes of one: a future that is dropped cannot take its guest down in order.
    let ended: Vec<_> = runs.buffer_unordered(at_once).collect().await;
    let mut ended = ended.into_iter().flatten().collect::<Result<Vec<_>, Failure>>()?;
    ended.sort_unstable_by_key(|(order, _, _)| *order);
    let mut graded: Vec<Vec<GradedExercise>> = subjects.iter().map(|_| Vec::new()).collect();
    for (_, at, one) in ended {
        graded[at].push(one);
    }
    Ok(graded)
}

/// What is run of an exercise.
#[derive(Clone, Copy)]
enum Program<'a> {
    Solution,
    Fresh,
    /// The number is its place among the exercise's.
    Mutant(usize, &'a Mutant),
}

/// An exercise that needs guests.
struct Subject<'a> {
    module: &'a Module,
    exercise: &'a Exercise,
    /// Those that need a guest.
    mutants: Vec<&'a Mutant>,
    laboratory: Option<Laboratory>,
}

impl Subject<'_> {
    fn programs(&self) -> impl Iterator<Item = Program<'_>> {
        let mutants = self.mutants.iter().enumerate();
        [Program::Solution, Program::Fresh]
            .into_iter()
            .chain(mutants.map(|(at, mutant)| Program::Mutant(at + 1, mutant)))
    }

    /// In a guest of its own.
    async fn grade(
        &self,
        context: &Context,
        quiet: &Context,
        program: Program<'_>,
    ) -> Result<GradedExercise, Failure> {
        let (what, files): (_, BTreeMap<_, _>) = match program {
            Program::Solution => ("the solution".to_owned(), solution(self.module, LESSON_SEED)?),
            Program::Fresh => (
                "a fresh workspace".to_owned(),
                skeleton(self.module, LESSON_SEED)?,
            ),
            Program::Mutant(at, mutant) => (
                format!("{} ({at} of {})", mutant.id, self.mutants.len()),
                mutated(self.module, mutant, LESSON_SEED)?,
            ),
        };
        let name = self.exercise.full_name();
        context.events.note(format!("     lint  {name}: {what}"));
        let submission = from_files(files, LESSON_SEED)?;
        let laboratory = self.laboratory.as_ref();
        let (_, graded) = grade_all(quiet, laboratory, &[self.exercise], &submission).await?;
        let nothing = || Failure::new(Exit::Bug, format!("{name} was not graded"));
        graded.into_iter().next().ok_or_else(nothing)
    }

    /// What the runs say, in the order of the programs.
    fn items(&self, graded: &[GradedExercise]) -> Vec<Item> {
        let mut items = Vec::new();
        let mut problems = Vec::new();
        let mut unjudged = Vec::new();
        for (program, graded) in self.programs().zip(graded) {
            let (result, run_dir) = (&graded.result, graded.run_dir.as_deref());
            match program {
                Program::Solution => items.push(self.item(
                    REFERENCE,
                    graded,
                    format!("{} of {} points", result.points, result.max_points),
                    wrong_solution(self.exercise, result, run_dir),
                )),
                Program::Fresh => items.push(self.item(
                    FRESH,
                    graded,
                    format!("{}, {} points", result.verdict, result.points),
                    wrong_skeleton(self.exercise, result, run_dir),
                )),
                Program::Mutant(_, mutant) => {
                    let is_expected = mutant.expect.verdict == Verdict::Inconclusive.as_str();
                    if result.verdict == Verdict::Inconclusive && !is_expected {
                        unjudged.push(mutant.id.as_str());
                    } else {
                        problems.extend(wrong_live(mutant, result, run_dir));
                    }
                }
            }
        }
        let name = self.exercise.full_name();
        items.push(if unjudged.is_empty() || !problems.is_empty() {
            let detail = format!("{} wrong programs are told by their ids", self.mutants.len());
            Item::judged(LIVE, name, detail, problems)
        } else {
            let why = format!("the laboratory failed for {}: run it again", unjudged.join(", "));
            Item::not_run(LIVE, name, why)
        });
        items
    }

    /// A run that is inconclusive says nothing about the course.
    fn item(
        &self,
        name: &'static str,
        graded: &GradedExercise,
        detail: String,
        problems: Vec<Problem>,
    ) -> Item {
        let subject = self.exercise.full_name();
        if graded.result.verdict != Verdict::Inconclusive {
            return Item::judged(name, subject, detail, problems);
        }
        let cause = graded
            .result
            .root_cause()
            .map_or("", |check| check.message.as_str());
        let run = graded.run_dir.as_deref().unwrap_or_default();
        Item::not_run(name, subject, format!("the laboratory failed: {cause} ({run})"))
    }
}
