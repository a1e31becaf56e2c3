//! `labctl merge`: the parts of a class, as one.

use std::collections::BTreeSet;

use fs_err as fs;

use crate::class::Partition;
use crate::cli::args::{ClassFormat, Merge};
use crate::cli::context::Context;
use crate::cli::course::{self, Loaded};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::grade::{Class, Grades, conclude, definition, join};

pub(super) fn run(context: &Context, args: &Merge) -> Result<Exit, Failure> {
    let mut parts: Vec<(Grades, Class)> = Vec::new();
    let mut seen = BTreeSet::new();
    for path in &args.parts {
        let full = context.settings.absolute(path);
        // The same folder, named twice, is one part.
        if seen.insert(fs::canonicalize(&full).unwrap_or(full)) {
            parts.push(Grades::existing(context, path)?);
        }
    }
    let loaded = course::load(context)?;
    unite(context, &loaded, &parts, args.format, || {
        Grades::create(context, &args.output)
    })
}

/// Puts `parts` together in the folder that `output` makes or opens, once nothing speaks against it.
pub(super) fn unite(
    context: &Context,
    loaded: &Loaded,
    parts: &[(Grades, Class)],
    format: ClassFormat,
    output: impl FnOnce() -> Result<Grades, Failure>,
) -> Result<Exit, Failure> {
    for (grades, class) in parts {
        let changed = class
            .definitions
            .iter()
            .find(|(id, digest)| definition(&loaded.files, &class.module, id) != **digest);
        if let Some((id, _)) = changed {
            let what = format!("{} was graded with another {id} than this course's", grades.shown);
            return Err(
                Failure::new(Exit::Usage, what).hint("--course DIR names the course that it was graded with")
            );
        }
    }
    let grades = output()?;
    let class = join(&grades, parts)?;
    let concluded = conclude(&grades, &class, loaded)?;
    let exit = concluded.report(context, format)?;
    if concluded.missing.is_empty() {
        return Ok(exit);
    }
    let ids: BTreeSet<&str> = concluded.missing.iter().map(|(id, _)| id.as_str()).collect();
    let mut failure = Failure::new(
        Exit::Inconclusive,
        format!(
            "{} units of {} students are in none of the parts",
            concluded.missing.len(),
            ids.len()
        ),
    )
    .excerpt(
        concluded
            .missing
            .iter()
            .take(20)
            .map(|(id, exercise)| format!("{id} {exercise}")),
    );
    for partition in absent(parts, &class, &ids) {
        failure = failure.hint(format!(
            "grade the part {partition} again: --partition {partition}"
        ));
    }
    Err(failure.hint(format!(
        "or grade what is missing here: labctl grade DIR --resume {}, with the options of the parts",
        grades.shown
    )))
}

/// The parts that the missing ones belong to, where all parts were cut in the same way.
fn absent(parts: &[(Grades, Class)], class: &Class, missing: &BTreeSet<&str>) -> Vec<Partition> {
    let partitions: Vec<Partition> = parts
        .iter()
        .filter_map(|(_, class)| class.partition.as_ref()?.parse().ok())
        .collect();
    let Some(of) = partitions.first().map(|partition| partition.of()) else {
        return Vec::new();
    };
    let all = (1..=of).filter_map(|index| format!("{index}/{of}").parse::<Partition>().ok());
    let ids = || class.students.iter().map(|member| member.id.as_str());
    all.filter(|partition| partition.choose(ids()).iter().any(|id| missing.contains(id)))
        .collect()
}
