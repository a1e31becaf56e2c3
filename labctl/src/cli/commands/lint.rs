//! `labctl lint`: the author's gate. On paper by default, which takes a second and is the same everywhere; with `--live`
//! also what only a guest can show. What was not looked at is said.

mod live;

use fs_err as fs;

use self::live::{in_guests, is_inconclusive};
use crate::cli::args::{Format, Lint};
use crate::cli::context::Context;
use crate::cli::course::{self, Loaded};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::{lab, output};
use crate::lint::report::{Item, Problem, State};
use crate::lint::symbols::Symbols;
use crate::lint::{self, exercise as on_paper};
use crate::report;
use crate::session::{KernelRecipe, Preparation};
use crate::spec::course::{COURSE_FILE, Course, Module};
use crate::spec::exercise::Exercise;
use crate::spec::files::CourseFiles;
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
