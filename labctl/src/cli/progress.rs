//! What the last checks of a workspace said, and which hints were given: kept with labctl's other state, not in the
//! workspace, so that nothing a student hands in can speak for itself.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::context::Context;
use super::course::Found;
use super::exit::Exit;
use super::failure::Failure;
use crate::digest::Digest;
use crate::grade::results::GradedExercise;
use crate::grade::verdict::Verdict;
use crate::spec::exercise::{Exercise, Program, StepKind};
use crate::spec::workspace::answers_path;

const VERSION: u32 = 1;

/// All that is remembered of one workspace.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Progress {
    version: u32,
    /// For people who look into the file; its name is made of this.
    workspace: PathBuf,
    /// By exercise id.
    #[serde(default)]
    pub(crate) exercises: BTreeMap<String, Remembered>,
}

/// What is remembered of one exercise.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Remembered {
    pub(crate) last: Option<Checked>,
    /// The score of the check before the last.
    pub(crate) before: Option<Score>,
    pub(crate) hint: Option<Given>,
}

/// One check.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Checked {
    /// RFC 3339, UTC.
    pub(crate) at: String,
    pub(crate) score: Score,
    pub(crate) run_dir: Option<String>,
    /// What did not pass, causes first.
    pub(crate) wrong: Vec<Wrong>,
    /// The files that were judged: path to SHA-256.
    inputs: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Score {
    pub(crate) verdict: String,
    pub(crate) points: u32,
    pub(crate) max_points: u32,
}

/// A check that did not pass.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Wrong {
    pub(crate) check: String,
    pub(crate) mistake: Option<String>,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// How far somebody has climbed a ladder of hints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Given {
    /// What the ladder is about; another one begins at its first rung.
    pub(crate) about: String,
    pub(crate) rungs: usize,
}

impl Progress {
    /// What is known of a workspace. A file that cannot be read is as good as none: it is written again.
    pub(crate) fn read(context: &Context, workspace: &Path) -> Self {
        let path = file(context, workspace);
        let known = fs::read(path)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok())
            .filter(|progress| progress.version == VERSION);
        known.unwrap_or_else(|| Self {
            version: VERSION,
            workspace: identity(workspace),
            exercises: BTreeMap::new(),
        })
    }

    /// The last check of `exercise` was passed.
    pub(crate) fn passed(&self, exercise: &Exercise) -> bool {
        let remembered = self.exercises.get(exercise.id.as_str());
        let last = remembered.and_then(|remembered| remembered.last.as_ref());
        last.is_some_and(|last| last.score.verdict == Verdict::Passed.as_str())
    }

    pub(crate) fn write(&self, context: &Context) -> Result<(), Failure> {
        let path = file(context, &self.workspace);
        let folder = path.parent().unwrap_or(&path);
        fs::create_dir_all(folder)?;
        let mut new = tempfile::NamedTempFile::new_in(folder)?;
        new.write_all(&serde_json::to_vec_pretty(self)?)?;
        new.persist(&path)
            .map_err(|error| Failure::new(Exit::Host, "cannot remember this check").because(&error))?;
        Ok(())
    }
}

impl Checked {
    /// The files that are not what they were when they were judged.
    pub(crate) fn changed(&self, workspace: &Path, exercise: &Exercise) -> Vec<String> {
        let now = inputs(workspace, exercise);
        let mut paths: Vec<String> = now
            .iter()
            .filter(|(path, digest)| self.inputs.get(*path) != Some(*digest))
            .map(|(path, _)| path.clone())
            .collect();
        paths.extend(
            self.inputs
                .keys()
                .filter(|path| !now.contains_key(*path))
                .cloned(),
        );
        paths.sort();
        paths
    }
}

/// A check of a workspace that is under way: what it judges is noted before it begins.
pub(crate) struct Ledger {
    progress: Progress,
    inputs: BTreeMap<String, BTreeMap<String, String>>,
}

impl Ledger {
    pub(crate) fn begin(context: &Context, found: &Found, exercises: &[&Exercise]) -> Self {
        Self {
            progress: Progress::read(context, &found.dir),
            inputs: exercises
                .iter()
                .map(|exercise| (exercise.id.to_string(), inputs(&found.dir, exercise)))
                .collect(),
        }
    }

    /// Remembers what was found. What the laboratory failed at says nothing about anybody.
    pub(crate) fn finish(mut self, context: &Context, graded: &[GradedExercise]) {
        let at = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
        for one in graded {
            if one.result.verdict == Verdict::Inconclusive {
                continue;
            }
            let remembered = self.progress.exercises.entry(one.result.id.clone()).or_default();
            remembered.before = remembered.last.take().map(|last| last.score);
            remembered.last = Some(Checked {
                at: at.clone(),
                score: Score {
                    verdict: one.result.verdict.as_str().to_owned(),
                    points: one.result.points,
                    max_points: one.result.max_points,
                },
                run_dir: one.run_dir.clone(),
                wrong: one
                    .result
                    .checks
                    .iter()
                    .filter(|check| !matches!(check.verdict, Verdict::Passed | Verdict::Blocked))
                    .map(|check| Wrong {
                        check: check.id.clone(),
                        mistake: check.mistake.clone(),
                        message: check.message.clone(),
                        help: check.help.clone(),
                    })
                    .collect(),
                inputs: self.inputs.remove(&one.result.id).unwrap_or_default(),
            });
        }
        // The verdict stands without it.
        if let Err(failure) = self.progress.write(context) {
            context.events.warn(failure.headline());
        }
    }
}

/// The files of a workspace that an exercise is judged by: its answers, the sources it builds with all headers, and
/// its scripts. By path; a digest each.
pub(crate) fn inputs(workspace: &Path, exercise: &Exercise) -> BTreeMap<String, String> {
    let mut paths: Vec<String> = exercise
        .build
        .iter()
        .flat_map(|artefact| artefact.sources.clone())
        .collect();
    for step in &exercise.run {
        if let StepKind::Start { program, .. } | StepKind::Exec { program, .. } = &step.kind
            && let Program::Script(path) = program
        {
            paths.push(path.clone());
        }
    }
    if !exercise.worksheet.is_empty() {
        paths.push(answers_path(exercise.id.as_str()));
    }
    if !exercise.build.is_empty()
        && let Ok(entries) = fs::read_dir(workspace.join("src"))
    {
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        paths.extend(
            names
                .filter(|name| name.ends_with(".h"))
                .map(|name| format!("src/{name}")),
        );
    }
    let digest = |path: String| {
        let bytes = fs::read(workspace.join(&path)).ok()?;
        Some((path, Digest::of(&bytes).to_string()))
    };
    paths.into_iter().filter_map(digest).collect()
}

fn identity(workspace: &Path) -> PathBuf {
    fs::canonicalize(workspace).unwrap_or_else(|_| workspace.to_owned())
}

fn file(context: &Context, workspace: &Path) -> PathBuf {
    let name = Digest::of(identity(workspace).as_os_str().as_encoded_bytes());
    let folder = context.settings.state_dir.join("progress");
    folder.join(format!("{}.json", name.short()))
}
