//! Names on the command line, and the exercises that they stand for.

use crate::cli::course::Loaded;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::spec::course::Module;
use crate::spec::exercise::Exercise;

/// The exercises of one module that `names` stand for, each once, in the order of the module.
pub(crate) fn select<'a>(
    loaded: &'a Loaded,
    names: &[&str],
) -> Result<(&'a Module, Vec<&'a Exercise>), Failure> {
    let mut chosen: Vec<(&Module, &Exercise)> = Vec::new();
    for name in names {
        for (module, exercise) in loaded.course.find(name)? {
            if !chosen
                .iter()
                .any(|(_, other)| other.full_name() == exercise.full_name())
            {
                chosen.push((module, exercise));
            }
        }
    }
    let Some((module, _)) = chosen.first().copied() else {
        return Err(Failure::new(Exit::Usage, "that module has no exercises"));
    };
    if let Some((other, _)) = chosen.iter().find(|(other, _)| other.id != module.id) {
        return Err(Failure::new(
            Exit::Usage,
            format!("{} and {} are different modules", module.id, other.id),
        )
        .hint("check one module at a time"));
    }
    let order = |exercise: &Exercise| module.exercises.iter().position(|other| other.id == exercise.id);
    let mut exercises: Vec<_> = chosen.into_iter().map(|(_, exercise)| exercise).collect();
    exercises.sort_by_key(|exercise| order(exercise));
    Ok((module, exercises))
}
