//! `labctl lint`: the author's gate. On paper by default, which takes a second and is the same everywhere; with `--live`
//! also what only a guest can show. What was not looked at is said.

use std::collections::BTreeMap;

use fs_err as fs;
use futures::{StreamExt as _, TryStreamExt as _};

use crate::cli::args::{Format, Lint};
use crate::cli::capacity::guests_at_once;
use crate::cli::check::{Laboratory, from_files, grade_all};
use crate::cli::context::Context;
use crate::cli::course::{self, Loaded};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::{lab, output};
use crate::grade::results::GradedExercise;
use crate::grade::verdict::Verdict;
use crate::lint::mutants::{live, wrong_live, wrong_skeleton, wrong_solution};
use crate::lint::report::{Item, Problem, State};
use crate::lint::symbols::Symbols;
use crate::lint::{self, exercise as on_paper};
use crate::report;
use crate::session::{KernelRecipe, Preparation};
use crate::spec::course::{COURSE_FILE, Course, Module};
use crate::spec::exercise::{Exercise, LESSON_SEED};
use crate::spec::files::CourseFiles;
use crate::spec::workspace::{mutated, skeleton, solution};
use crate::store::Bucket;

pub(super) async fn run(context: &Context, lint: Lint) -> Result<Exit, Failure> {
    context.reap()?;
    let (dir, files) = course::files(context)?;
    let (items, name) = match Course::load(&files) {
        Ok(course) => {
            let loaded = Loaded { course, files, dir };
            let chosen = choose(&loaded.course, lint.what.as_deref())?;
            let mut items = paper(context, &loaded, &chosen, &lint).await?;
            items.extend(in_guests(context, &loaded, &lint, &chosen).await?);
            (items, loaded.course.name)
        }
        Err(errors) => {
            let problems = errors.as_slice().iter().map(Problem::from).collect();
            (
                vec![Item::judged("course-reads", COURSE_FILE, "", problems)],
                String::new(),
            )
        }
    };
    context.ui.clear();
    let seeds = lint::seeds(lint.seeds).len();
    let text = match lint.format {
        Format::Json => report::lint::json(&name, seeds, lint.live, &items)?,
        Format::Human => report::lint::human(&items, context.settings.width, context.settings.colour),
    };
    output::result(&text)?;
    let any = |state| items.iter().any(|item| item.state == state);
    Ok(if any(State::Wrong) {
        Exit::Invalid
    } else if lint.live && items.iter().any(is_inconclusive) {
        Exit::Inconclusive
    } else {
        Exit::Done
    })
}

/// A module and those of its exercises that were asked for.
struct Chosen<'c> {
    module: &'c Module,
    exercises: Vec<&'c Exercise>,
    /// Whether the module as a whole was asked for.
    whole: bool,
}

fn choose<'c>(course: &'c Course, what: Option<&str>) -> Result<Vec<Chosen<'c>>, Failure> {
    let whole = |module: &'c Module| Chosen {
        module,
        exercises: module.exercises.iter().collect(),
        whole: true,
    };
    let Some(name) = what else {
        return Ok(course.modules.iter().map(whole).collect());
    };
    if let Ok(module) = course.module(name) {
        return Ok(vec![whole(module)]);
    }
    let found = course.find(name)?;
    Ok(found
        .into_iter()
        .map(|(module, exercise)| Chosen {
            module,
            exercises: vec![exercise],
            whole: false,
        })
        .collect())
}

/// Everything that needs no guest.
async fn paper(
    context: &Context,
    loaded: &Loaded,
    chosen: &[Chosen<'_>],
    lint: &Lint,
) -> Result<Vec<Item>, Failure> {
    let seeds = lint::seeds(lint.seeds);
    let count = loaded.files.paths().count();
    let mut items = vec![Item::judged(
        "course-reads",
        COURSE_FILE,
        format!("{count} files, every expression compiles, every name is known"),
        Vec::new(),
    )];
    items.push(lint::course(&loaded.course, &loaded.files));
    for one in chosen {
        if one.whole {
            items.extend(lint::module(one.module, &loaded.files));
            if lint.live {
                // Built now rather than for the first guest: its symbols are asked for here.
                lab::ready(context, loaded, one.module, None, &[]).await?;
            }
            let symbols = symbols(context, &loaded.files, &one.module.kernel);
            items.push(lint::probed_functions(
                one.module,
                &loaded.files,
                symbols.as_ref(),
            ));
        }
        for exercise in &one.exercises {
            items.push(needs(&loaded.files, one.module, exercise));
            items.extend(on_paper(one.module, exercise, &seeds));
        }
    }
    Ok(items)
}

/// Whether the course kernel, and those it may be replaced by, offer what an exercise needs.
fn needs(files: &CourseFiles, module: &Module, exercise: &Exercise) -> Item {
    const NAME: &str = "kernel-features";
    let file = format!("labs/{}/exercises/{}.yaml", module.id, exercise.id);
    let mut problems = Vec::new();
    match KernelRecipe::read(files, &module.kernel) {
        Ok(recipe) => {
            for missing in recipe.spec.missing(&exercise.needs) {
                let what = format!("the course kernel {} does not offer `{missing}`", module.kernel);
                let help =
                    "its features are in kernels/*/kernel.yaml, and in `labctl kernel ls --format json`";
                problems.push(Problem::in_file(&file, what, help));
            }
        }
        Err(error) => {
            let help = "`kernel` names a folder of kernels/";
            problems.push(Problem::in_file(COURSE_FILE, error.to_string(), help));
        }
    }
    let detail = if exercise.needs.is_empty() {
        "none needed".to_owned()
    } else {
        format!("{} offers {}", module.kernel, exercise.needs.join(", "))
    };
    Item::judged(NAME, exercise.full_name(), detail, problems)
}

/// The symbols of a kernel that is built already. A packaged kernel comes without.
fn symbols(context: &Context, files: &CourseFiles, kernel: &str) -> Option<Symbols> {
    let recipe = KernelRecipe::read(files, kernel).ok()?;
    let lock = recipe.lock(files).ok()?;
    let store = context.store().ok()?;
    let id = Preparation::kernel_id(&recipe, &lock, &store).to_string();
    let entry = store.get(Bucket::Kernels, &id).ok()??;
    let text = fs::read_to_string(entry.file("System.map")).ok()?;
    Some(Symbols::parse(&text)).filter(|symbols| !symbols.is_empty())
}

/// Whether guests were to show this, and a failure of the laboratory kept them from it.
fn is_inconclusive(item: &Item) -> bool {
    item.state == State::NotRun && [LIVE, REFERENCE, FRESH].contains(&item.name)
}

const LIVE: &str = "mutants-live";
const REFERENCE: &str = "solution-passes";
const FRESH: &str = "skeleton-fails";

async fn in_guests(
    context: &Context,
    loaded: &Loaded,
    lint: &Lint,
    chosen: &[Chosen<'_>],
) -> Result<Vec<Item>, Failure> {
    let live_ones = chosen.iter().flat_map(|one| {
        let live = one.exercises.iter().filter(|exercise| exercise.is_live());
        live.map(|exercise| (one.module, exercise))
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
    let memory = chosen.iter().map(|one| one.module.vm.memory_mib).max();
    let at_once = guests_at_once(memory.unwrap_or_default());
    let quiet = context.with_warnings_only();
    let quiet = &quiet;
    let runs = live_ones.map(|(module, exercise)| async move {
        let laboratory = Laboratory::prepare(context, loaded, &lint.shape, module, &[exercise]).await?;
        let guests = Guests {
            context,
            quiet,
            module,
            exercise,
            laboratory,
        };
        guests.all().await
    });
    let items: Vec<Vec<Item>> = futures::stream::iter(runs)
        .buffered(at_once)
        .try_collect()
        .await?;
    Ok(items.into_iter().flatten().collect())
}

/// The runs of one exercise.
struct Guests<'a> {
    context: &'a Context,
    /// What the runs themselves are told to.
    quiet: &'a Context,
    module: &'a Module,
    exercise: &'a Exercise,
    laboratory: Option<Laboratory>,
}

impl Guests<'_> {
    /// The solution, a fresh workspace and every mutant that needs a guest, each in one of its own.
    async fn all(&self) -> Result<Vec<Item>, Failure> {
        let exercise = self.exercise;
        let name = exercise.full_name();
        let graded = self
            .grade("the solution", solution(self.module, LESSON_SEED)?)
            .await?;
        let reference = self.item(
            REFERENCE,
            &graded,
            format!("{} of {} points", graded.result.points, graded.result.max_points),
            wrong_solution(exercise, &graded.result, graded.run_dir.as_deref()),
        );

        let graded = self
            .grade("a fresh workspace", skeleton(self.module, LESSON_SEED)?)
            .await?;
        let fresh = self.item(
            FRESH,
            &graded,
            format!("{}, {} points", graded.result.verdict, graded.result.points),
            wrong_skeleton(exercise, &graded.result, graded.run_dir.as_deref()),
        );

        let mutants = live(self.module, exercise);
        let mut problems = Vec::new();
        let mut unjudged = Vec::new();
        for (index, mutant) in mutants.iter().enumerate() {
            let what = format!("{} ({} of {})", mutant.id, index + 1, mutants.len());
            let files = mutated(self.module, mutant, LESSON_SEED)?;
            let graded = self.grade(&what, files).await?;
            let is_expected = mutant.expect.verdict == Verdict::Inconclusive.as_str();
            if graded.result.verdict == Verdict::Inconclusive && !is_expected {
                unjudged.push(mutant.id.as_str());
            } else {
                problems.extend(wrong_live(mutant, &graded.result, graded.run_dir.as_deref()));
            }
        }
        let mutants = if unjudged.is_empty() || !problems.is_empty() {
            let detail = format!("{} wrong programs are told by their ids", mutants.len());
            Item::judged(LIVE, &name, detail, problems)
        } else {
            let why = format!("the laboratory failed for {}: run it again", unjudged.join(", "));
            Item::not_run(LIVE, &name, why)
        };
        Ok(vec![reference, fresh, mutants])
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

    async fn grade(&self, what: &str, files: BTreeMap<String, String>) -> Result<GradedExercise, Failure> {
        let name = self.exercise.full_name();
        self.context.events.note(format!("     lint  {name}: {what}"));
        let submission = from_files(files, LESSON_SEED)?;
        let laboratory = self.laboratory.as_ref();
        let (_, graded) = grade_all(self.quiet, laboratory, &[self.exercise], &submission).await?;
        let nothing = || Failure::new(Exit::Bug, format!("{name} was not graded"));
        graded.into_iter().next().ok_or_else(nothing)
    }
}
