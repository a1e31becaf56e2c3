//! `labctl bench`: how quick guests are on this host.

use crate::accel::{self, HostKvm, Kvm};
use crate::cli::args::{AccelChoice, Bench, Format, Shape};
use crate::cli::bench::{Bed, BedPlan, Measured, Surroundings, human, json};
use crate::cli::capacity::memory_available;
use crate::cli::context::Context;
use crate::cli::course::{self, Loaded};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::event::{Stage, Unit};
use crate::spec::course::Module;
use crate::spec::exercise::Exercise;
use crate::vm::{self, Qemu};

pub(super) async fn run(context: &Context, bench: Bench) -> Result<Exit, Failure> {
    context.reap()?;
    let loaded = course::load(context)?;
    let (module, exercise) = choose(context, &loaded, &bench)?;
    let store = context.store()?;
    // Removed when this function ends, however it ends; after a `kill -9`, by the next labctl.
    let folder = store.stage("bench")?;
    let plan = BedPlan {
        loaded: &loaded,
        module,
        exercise,
        clones: carried(context, bench.clones, module.vm.memory_mib),
        folder: folder.path(),
    };
    let (choices, refused) = accelerators(context, bench.accel).await?;
    let mut beds = Vec::new();
    for accel in choices {
        let shape = Shape {
            kernel: bench.kernel.clone(),
            accel,
            no_template: false,
        };
        let name = match accel {
            AccelChoice::Kvm => "kvm",
            AccelChoice::Auto | AccelChoice::Tcg => "tcg",
        };
        context
            .events
            .started(Stage::Bench, format!("{name}: once through"));
        beds.push(Bed::prepare(context, plan, &shape).await?);
    }
    // In turns, so that a busy moment of the host falls on all of them alike.
    for turn in 0..bench.runs {
        let (done, total) = (u64::from(turn), u64::from(bench.runs));
        context
            .events
            .progress(Stage::Bench, done, Some(total), Unit::Steps, "runs");
        for bed in &mut beds {
            bed.turn().await?;
        }
    }
    context
        .events
        .finished(Stage::Bench, format!("{} of {0} runs", bench.runs));
    let around = surroundings(&bench, &plan, &beds).await?;
    let mut measured: Vec<Measured> = beds
        .into_iter()
        .map(|bed| Measured {
            accel: bed.host().accel.kind.to_string(),
            figures: Ok(bed.figures),
        })
        .collect();
    measured.extend(refused);
    let text = match bench.format {
        Format::Human => human(&around, &measured),
        Format::Json => serde_json::to_string_pretty(&json(&around, &measured))? + "\n",
    };
    context.ui.clear();
    output::result(&text)?;
    Ok(Exit::Done)
}

/// The module and the exercise that were asked for, else the first ones that there are.
fn choose<'a>(
    context: &Context,
    loaded: &'a Loaded,
    bench: &Bench,
) -> Result<(&'a Module, &'a Exercise), Failure> {
    let course = &loaded.course;
    let in_workspace = course::workspace(context, None)?.is_some();
    let module = match (&bench.module, course.modules.first()) {
        (None, Some(first)) if !in_workspace => first,
        (asked, _) => course::choose_module(context, course, asked.as_deref())?,
    };
    let exercise = match &bench.exercise {
        Some(name) => module.exercise(name),
        None => module.exercises.iter().find(|exercise| exercise.is_live()),
    };
    let exercise = exercise.ok_or_else(|| {
        let what = match &bench.exercise {
            Some(name) => format!("{} has no exercise `{name}`", module.id),
            None => format!("{} has no exercise that needs a guest", module.id),
        };
        Failure::new(Exit::Usage, what).hint("`labctl list` shows modules and exercises")
    })?;
    Ok((module, exercise))
}

/// As many clones as the host's memory is sure to carry.
fn carried(context: &Context, asked: u32, memory_mib: u32) -> usize {
    let asked = usize::try_from(asked).unwrap_or(usize::MAX);
    let each = u64::from(memory_mib) << 20;
    let fitting = memory_available().map_or(asked, |bytes| {
        usize::try_from(bytes / each.max(1)).unwrap_or(usize::MAX)
    });
    let clones = asked.min(fitting.max(1));
    if clones < asked {
        context.events.warn(format!(
            "{clones} clones at once instead of {asked}: no memory for more"
        ));
    }
    clones
}

/// Which accelerators are to be compared, and which cannot be.
async fn accelerators(
    context: &Context,
    asked: AccelChoice,
) -> Result<(Vec<AccelChoice>, Option<Measured>), Failure> {
    if asked != AccelChoice::Auto {
        return Ok((vec![asked], None));
    }
    let settings = &context.settings;
    let qemu = Qemu::find(vm::PROGRAM, &settings.search_path)?;
    let host = HostKvm::here();
    Ok(
        match accel::kvm(&host, &qemu, &settings.cache_dir, false, &context.cancel).await? {
            Kvm::Proven => (vec![AccelChoice::Tcg, AccelChoice::Kvm], None),
            why => {
                let refused = Measured {
                    accel: "kvm".to_owned(),
                    figures: Err(why.to_string()),
                };
                (vec![AccelChoice::Tcg], Some(refused))
            }
        },
    )
}

async fn surroundings(bench: &Bench, plan: &BedPlan<'_>, beds: &[Bed<'_>]) -> Result<Surroundings, Failure> {
    let first = beds
        .first()
        .ok_or_else(|| Failure::new(Exit::Bug, "nothing was measured"))?;
    let bootable = first.bootable()?;
    Ok(Surroundings {
        module: plan.module.id.to_string(),
        exercise: plan.exercise.id.to_string(),
        kernel: bootable.kernel_release.clone(),
        kernel_id: bootable.kernel_id.clone(),
        image_id: bootable.image_id.clone(),
        qemu: first.host().qemu.version().await?.to_string(),
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        memory: bootable.memory,
        runs: bench.runs,
        clones: plan.clones,
    })
}
