//! What is to be graded: a student's workspace, or the course's own solution.

use std::collections::BTreeMap;
use std::path::Path;

use fs_err as fs;

use crate::cbuild::{SourceError, SourceSet};
use crate::cli::course::Found;
use crate::cli::failure::Failure;
use crate::grade::evidence::AnswersInput;
use crate::spec::course::Module;
use crate::spec::workspace::{answers_path, solution};

/// An answers file larger than this is not read: the longest worksheet has 2 kB.
const MAX_ANSWERS: u64 = 256 << 10;
const MAX_SCRIPT: u64 = 256 << 10;

/// The files of one submission, read once.
#[derive(Debug, Clone)]
pub(crate) struct Submission {
    pub(crate) seed: String,
    pub(crate) sources: SourceSet,
    /// By path in the workspace.
    answers: BTreeMap<String, String>,
    pub(crate) scripts: BTreeMap<String, String>,
}

impl Submission {
    /// The answers to one exercise, if there are any.
    pub(crate) fn answers(&self, exercise: &str) -> Option<AnswersInput> {
        let file = answers_path(exercise);
        let text = self.answers.get(&file)?.clone();
        Some(AnswersInput { file, text })
    }
}

/// The course's own solution.
pub(crate) fn from_reference(module: &Module, seed: &str) -> Result<Submission, Failure> {
    from_files(solution(module, seed)?, seed)
}

/// The course's own solution after an edit that means nothing: `remark` stands at the end of every C file.
pub(crate) fn from_reference_with(module: &Module, seed: &str, remark: &str) -> Result<Submission, Failure> {
    let mut files = solution(module, seed)?;
    for (path, text) in &mut files {
        if path.ends_with(".c") {
            text.push_str(&format!("\n/* {remark} */\n"));
        }
    }
    from_files(files, seed)
}

/// A workspace that is nowhere on a disk, by path.
pub(crate) fn from_files<T: Into<Vec<u8>>>(
    files: BTreeMap<String, T>,
    seed: &str,
) -> Result<Submission, Failure> {
    let text = |bytes: T| String::from_utf8_lossy(&bytes.into()).into_owned();
    let mut submission = Submission {
        seed: seed.to_owned(),
        sources: SourceSet::default(),
        answers: BTreeMap::new(),
        scripts: BTreeMap::new(),
    };
    for (path, bytes) in files {
        if path.starts_with("src/") {
            submission.sources.insert(&path, bytes)?;
        } else if path.starts_with("answers/") {
            submission.answers.insert(path, text(bytes));
        } else if path.starts_with("commands/") {
            submission.scripts.insert(path, text(bytes));
        }
    }
    Ok(submission)
}

/// A student's workspace. What is missing is judged later, per exercise: an empty folder has no answers and no
/// sources, and that is a verdict.
pub(crate) fn from_workspace(found: &Found, seed: Option<&str>) -> Result<Submission, Failure> {
    let sources = match SourceSet::read(&found.dir, "src") {
        Ok(sources) => sources,
        Err(SourceError::Missing { .. }) => SourceSet::default(),
        Err(error) => return Err(error.into()),
    };
    Ok(Submission {
        seed: seed.unwrap_or(&found.workspace.seed).to_owned(),
        sources,
        answers: texts(&found.dir, "answers", MAX_ANSWERS)?,
        scripts: texts(&found.dir, "commands", MAX_SCRIPT)?,
    })
}

/// The regular files directly in one folder of the workspace. Links are passed over: a submission is not to show
/// its grader's files.
fn texts(dir: &Path, folder: &str, limit: u64) -> Result<BTreeMap<String, String>, Failure> {
    let entries = match fs::read_dir(dir.join(folder)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error.into()),
    };
    let mut texts = BTreeMap::new();
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let meta = entry.path().symlink_metadata()?;
        if meta.is_file() {
            use std::io::Read as _;

            let mut bytes = Vec::new();
            // A larger file is cut, and then does not parse: that is told like any other mistake in it.
            fs::File::open(entry.path())?
                .take(limit)
                .read_to_end(&mut bytes)?;
            texts.insert(
                format!("{folder}/{name}"),
                String::from_utf8_lossy(&bytes).into_owned(),
            );
        }
    }
    Ok(texts)
}
