//! The student's folder: what `init` writes into it, and what its `workspace.yaml` says.

use std::collections::BTreeMap;

use super::annotate::Annotated;
use super::answers;
use super::course::Module;
use super::error::SpecError;
use super::exercise::{Exercise, LESSON_SEED};
use super::expr::EvalError;
use super::mutant::Mutant;
use super::raw::RawWorkspace;
use super::yaml::Source;

/// Name of the file that marks a workspace.
pub const WORKSPACE_FILE: &str = "workspace.yaml";

/// `workspace.yaml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Id of the module.
    pub module: String,
    /// `lesson`, or the seed of the givens.
    pub seed: String,
}

impl Workspace {
    /// Reads `workspace.yaml`.
    ///
    /// # Errors
    /// Anything unreadable, with its place.
    pub fn parse(file: &str, text: &str) -> Result<Self, SpecError> {
        let source = Source::new(file, text);
        let raw: RawWorkspace = source.read_untrusted()?;
        let seed = raw.seed.map_or_else(|| LESSON_SEED.to_owned(), |seed| seed.value);
        if seed.is_empty() || seed.len() > 64 || seed.chars().any(char::is_control) {
            return Err(source.at(&raw.module, "a seed has 1 to 64 characters"));
        }
        Ok(Self {
            module: raw.module.value,
            seed,
        })
    }

    /// The text of `workspace.yaml`.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        format!(
            "# Marks this folder as a workspace of labctl.\nmodule: {}\n# `{LESSON_SEED}` are the lesson's own numbers; another word gives others.\nseed: {}\n",
            self.module,
            quoted(&self.seed)
        )
    }
}

/// A text that YAML reads as itself, also `null` and `42`.
fn quoted(text: &str) -> String {
    if text == LESSON_SEED {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

/// The files of a fresh workspace: skeletons, empty answers, README. By path in the workspace.
///
/// # Errors
/// When an expression of the course does not fit its values.
pub fn skeleton(module: &Module, seed: &str) -> Result<BTreeMap<String, String>, EvalError> {
    files(module, seed, |source| &source.skeleton, answers::skeleton)
}

/// The files of a workspace in which everything is right.
///
/// # Errors
/// When an expression of the course does not fit its values.
pub fn solution(module: &Module, seed: &str) -> Result<BTreeMap<String, String>, EvalError> {
    files(module, seed, |source| &source.solution, answers::reference)
}

/// The files of a workspace that is right but for a mutant.
///
/// # Errors
/// When an expression of the course does not fit its values.
pub fn mutated(module: &Module, mutant: &Mutant, seed: &str) -> Result<BTreeMap<String, String>, EvalError> {
    let mut files = solution(module, seed)?;
    files.extend(mutant.files.clone());
    if let Some(exercise) = module.exercise(&mutant.exercise)
        && !exercise.worksheet.is_empty()
    {
        files.insert(
            answers_path(&mutant.exercise),
            mutant.answers_text(exercise, seed)?,
        );
    }
    Ok(files)
}

/// Where an exercise's answers are, in the workspace.
#[must_use]
pub fn answers_path(exercise: &str) -> String {
    format!("answers/{exercise}.yaml")
}

fn files(
    module: &Module,
    seed: &str,
    side: impl Fn(&Annotated) -> &String,
    answers: impl Fn(&Exercise, &str) -> Result<String, EvalError>,
) -> Result<BTreeMap<String, String>, EvalError> {
    let mut files = module.template.clone();
    let workspace = Workspace {
        module: module.id.to_string(),
        seed: seed.to_owned(),
    };
    files.insert(WORKSPACE_FILE.to_owned(), workspace.to_yaml());
    for (path, source) in &module.sources {
        files.insert(path.clone(), side(source).clone());
    }
    for exercise in &module.exercises {
        if !exercise.worksheet.is_empty() {
            files.insert(answers_path(exercise.id.as_str()), answers(exercise, seed)?);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_reads_back() {
        for seed in ["lesson", "42", "yes", "it's", "a b", "null"] {
            let workspace = Workspace {
                module: "module7".to_owned(),
                seed: seed.to_owned(),
            };
            assert_eq!(
                Workspace::parse("workspace.yaml", &workspace.to_yaml()),
                Ok(workspace)
            );
        }
    }

    #[test]
    fn an_unknown_key_has_its_place() {
        let error = Workspace::parse("workspace.yaml", "module: module7\nsed: 5\n").unwrap_err();
        assert_eq!((error.line, error.column), (2, 1));
    }
}
