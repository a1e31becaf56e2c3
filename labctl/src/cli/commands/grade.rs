//! `labctl grade`: a folder of submissions, and a row for everybody.

use std::collections::BTreeMap;
use std::path::Path;

use fs_err as fs;

use crate::class::{Roster, Standing};
use crate::cli::args::Grade;
use crate::cli::capacity::bound;
use crate::cli::check::{Laboratory, select};
use crate::cli::context::Context;
use crate::cli::course::{self, Loaded};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::grade::{
    Batch, Candidate, Class, Grades, Handed, Intakes, Member, Seeds, candidates, conclude, course_key,
    definition, require_folder,
};
use crate::spec::course::Module;
use crate::spec::exercise::Exercise;

pub(super) async fn run(context: &Context, args: &Grade) -> Result<Exit, Failure> {
    if let Some(folder) = &args.regrade {
        let (grades, class) = Grades::existing(context, folder)?;
        let loaded = course::load(context)?;
        return conclude(&grades, &class, &loaded)?.report(context, args.format);
    }
    let Some(folder) = &args.submissions else {
        return Err(Failure::new(Exit::Usage, "no folder of submissions was named"));
    };
    context.reap()?;
    let shown = folder.display().to_string();
    let dir = context.settings.absolute(folder);
    require_folder(&dir, &shown)?;
    let roster = roster(context, args.roster.as_deref())?;
    let seeds = match &args.course_key {
        Some(file) => Seeds::Key(course_key::read(context, file)?),
        None => Seeds::Workspace,
    };
    let loaded = if args.exercises.is_empty() {
        course::load(context)?
    } else {
        course::load_named(context, &args.exercises)?
    };
    let (module, exercises) = chosen(&loaded, &args.exercises)?;
    let output = context
        .settings
        .absolute(args.resume.as_deref().unwrap_or(&args.output));
    let list_file = args.roster.as_deref().map(|file| context.settings.absolute(file));
    let besides: Vec<&Path> = list_file
        .iter()
        .map(|file| file.as_path())
        .chain([output.as_path()])
        .collect();
    let everybody = candidates(&dir, &shown, roster.as_ref(), &besides)?;

    let grades = match &args.resume {
        Some(folder) => {
            let (grades, before) = Grades::existing(context, folder)?;
            if before.module != module.id.as_str() {
                let what = format!(
                    "{} has results of {}, not of {}",
                    grades.shown, before.module, module.id
                );
                return Err(Failure::new(Exit::Usage, what).hint("--output names a new folder"));
            }
            grades
        }
        None => Grades::create(context, &args.output)?,
    };
    let laboratory = Laboratory::prepare(context, &loaded, &args.shape, module, &exercises).await?;
    let class = class(
        args,
        &loaded,
        module,
        &exercises,
        laboratory.as_ref(),
        &seeds,
        &everybody,
    );
    grades.write_class(&class)?;

    let handed = take_in(context, &grades, module, &seeds, &class, &everybody).await?;
    let jobs = args.jobs.and_then(|jobs| usize::try_from(jobs).ok());
    let batch = Batch {
        context,
        grades: &grades,
        class: &class,
        laboratory: laboratory.as_ref(),
        exercises: &exercises,
        bound: bound(module.vm.memory_mib, jobs),
    };
    batch.run(&handed).await?;
    let concluded = conclude(&grades, &class, &loaded)?;
    let exit = concluded.report(context, args.format)?;
    context.events.note(format!(
        "results.csv, results.json and all evidence are in {}",
        grades.shown
    ));
    Ok(exit)
}

fn roster(context: &Context, file: Option<&Path>) -> Result<Option<Roster>, Failure> {
    let Some(file) = file else { return Ok(None) };
    let shown = file.display().to_string();
    let bytes = fs::read(context.settings.absolute(file)).map_err(|error| {
        Failure::new(
            Exit::Usage,
            format!("the list of the class {shown} cannot be read"),
        )
        .because(&error)
    })?;
    let roster = Roster::parse(&shown, &bytes).map_err(|error| Failure::from_error(Exit::Usage, &error))?;
    Ok(Some(roster))
}

/// The exercises asked for, else all of the only module.
fn chosen<'a>(loaded: &'a Loaded, asked: &[String]) -> Result<(&'a Module, Vec<&'a Exercise>), Failure> {
    if !asked.is_empty() {
        let names: Vec<&str> = asked.iter().map(String::as_str).collect();
        return select(loaded, &names);
    }
    match loaded.course.modules.as_slice() {
        [only] => select(loaded, &[only.id.as_str()]),
        modules => {
            let names: Vec<_> = modules.iter().map(|module| module.id.as_str()).collect();
            let what = "the course has several modules; name one";
            Err(Failure::new(Exit::Usage, what)
                .hint(format!("--exercise NAME, one of: {}", names.join(", "))))
        }
    }
}

fn class(
    args: &Grade,
    loaded: &Loaded,
    module: &Module,
    exercises: &[&Exercise],
    laboratory: Option<&Laboratory>,
    seeds: &Seeds,
    everybody: &[Candidate],
) -> Class {
    let name = module.id.as_str();
    let ids: Vec<String> = exercises.iter().map(|exercise| exercise.id.to_string()).collect();
    let definitions: BTreeMap<String, String> = ids
        .iter()
        .map(|id| (id.clone(), definition(&loaded.files, name, id)))
        .collect();
    let bootable = laboratory
        .and_then(Laboratory::plain)
        .map(|ready| &ready.bootable);
    Class {
        version: 1,
        labctl: env!("CARGO_PKG_VERSION").to_owned(),
        course: loaded.course.name.clone(),
        module: name.to_owned(),
        exercises: ids,
        definitions,
        kernel: bootable.map(|bootable| bootable.kernel_id.clone()),
        image: bootable.map(|bootable| bootable.image_id.clone()),
        seeds: seeds.fingerprint(name),
        partition: args.partition.map(|partition| partition.to_string()),
        students: everybody
            .iter()
            .map(|one| one.member.clone())
            .collect::<Vec<Member>>(),
    }
}

/// Reads all submissions of this part, one after the other: none is in memory longer than it is read.
async fn take_in(
    context: &Context,
    grades: &Grades,
    module: &Module,
    seeds: &Seeds,
    class: &Class,
    everybody: &[Candidate],
) -> Result<Vec<Handed>, Failure> {
    let ours: std::collections::BTreeSet<&str> =
        class.part().iter().map(|member| member.id.as_str()).collect();
    let intakes = Intakes {
        context,
        grades,
        module: module.id.as_str(),
        seeds,
    };
    let mut handed = Vec::new();
    for one in everybody
        .iter()
        .filter(|one| ours.contains(one.member.id.as_str()))
    {
        context.cancel.check()?;
        handed.push(tokio::task::block_in_place(|| intakes.take(one))?);
    }
    let count = |standing: Standing| handed.iter().filter(|one| one.standing() == standing).count();
    let (refused, missing) = (count(Standing::Refused), count(Standing::Missing));
    let mut text = format!("grade  {} students", handed.len());
    if let Some(partition) = &class.partition {
        text.push_str(&format!(" (part {partition} of {})", everybody.len()));
    }
    for (count, what) in [(missing, "handed in nothing"), (refused, "cannot be read")] {
        if count > 0 {
            text.push_str(&format!(", {count} {what}"));
        }
    }
    context.events.note(text);
    Ok(handed)
}
