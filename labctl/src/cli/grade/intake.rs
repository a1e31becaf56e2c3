//! Reading what was handed in: files, seed, and what is to be said about both.

use std::path::Path;

use fs_err as fs;

use super::candidates::Candidate;
use super::folder::Grades;
use super::records::Handed;
use crate::class::{CourseKey, Standing};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::sandbox::{Bubblewrap, SandboxError};
use crate::spec::exercise::LESSON_SEED;
use crate::spec::workspace::{WORKSPACE_FILE, Workspace};
use crate::submission::{Git, Intake, Limits, Refusal, read, save};

/// Where a student's seed comes from.
pub(crate) enum Seeds {
    /// From the course's key: nobody can choose friendlier numbers.
    Key(CourseKey),
    /// From the workspace, as `check` takes it.
    Workspace,
}

impl Seeds {
    /// Says whether two labctls give the same seeds, and nothing about the key.
    pub(crate) fn fingerprint(&self, module: &str) -> String {
        match self {
            // A name with a line break is no student's.
            Self::Key(key) => format!("key {}", key.seed(module, "\nfingerprint")),
            Self::Workspace => "workspace".to_owned(),
        }
    }
}

/// Takes in submissions one by one.
pub(crate) struct Intakes<'a> {
    pub(crate) context: &'a Context,
    pub(crate) grades: &'a Grades,
    pub(crate) module: &'a str,
    pub(crate) seeds: &'a Seeds,
}

impl Intakes<'_> {
    /// Reads what a student handed in and keeps it in the folder of results. Blocking.
    ///
    /// # Errors
    /// Failures of this host; whatever is wrong with the submission is in the record.
    pub(crate) fn take(&self, candidate: &Candidate) -> Result<Handed, Failure> {
        let mut handed = Handed {
            id: candidate.member.id.clone(),
            source: None,
            commit: candidate.commit.clone(),
            standing: Standing::Missing.as_str().to_owned(),
            digest: None,
            seed: self
                .own_seed(&candidate.member.id)
                .unwrap_or_else(|| LESSON_SEED.to_owned()),
            notes: candidate.absent.iter().cloned().collect(),
        };
        match candidate.sources.as_slice() {
            [] => {}
            [source] => {
                handed.source = Some(file_name(source));
                match self.read(source, candidate.commit.as_deref())? {
                    Ok(intake) => self.accept(&mut handed, &intake)?,
                    Err(refusal) => refuse(&mut handed, refusal.reason()),
                }
            }
            [one, other, ..] => {
                let text = format!("handed in twice: {} and {}", file_name(one), file_name(other));
                refuse(&mut handed, text);
            }
        }
        if self.grades.handed(&handed.id).as_ref() != Some(&handed) {
            self.grades.write_handed(&handed)?;
        }
        Ok(handed)
    }

    fn own_seed(&self, student: &str) -> Option<String> {
        match self.seeds {
            Seeds::Key(key) => Some(key.seed(self.module, student)),
            Seeds::Workspace => None,
        }
    }

    fn read(&self, source: &Path, commit: Option<&str>) -> Result<Result<Intake, Refusal>, Failure> {
        let limits = Limits::default();
        let commit = match commit {
            Some(commit) => commit,
            None if Git::is_bare(source) => "HEAD",
            None => return Ok(read(source, &limits)),
        };
        let git = Git {
            bubblewrap: Bubblewrap::find(&self.context.settings.search_path)?,
            cancel: self.context.cancel.clone(),
        };
        git.read(source, commit, &limits).map_err(|error| match error {
            crate::submission::GitError::Sandbox(SandboxError::Cancelled) => {
                Failure::new(Exit::Interrupted, "interrupted")
            }
            crate::submission::GitError::Sandbox(error) => error.into(),
            other => Failure::from_error(Exit::Host, &other),
        })
    }

    /// Decides whose numbers the worksheets have, and keeps the files.
    fn accept(&self, handed: &mut Handed, intake: &Intake) -> Result<(), Failure> {
        handed.notes.extend(intake.notes.iter().cloned());
        let asked = match intake.files.get(WORKSPACE_FILE) {
            None => Err(format!("there is no {WORKSPACE_FILE}")),
            Some(bytes) => Workspace::parse(WORKSPACE_FILE, &String::from_utf8_lossy(bytes))
                .map_err(|error| error.to_string()),
        };
        match asked {
            Ok(workspace) if workspace.module != self.module => {
                refuse(
                    handed,
                    format!(
                        "it is a workspace of {}, not of {}",
                        workspace.module, self.module
                    ),
                );
                return Ok(());
            }
            Ok(workspace) => match self.own_seed(&handed.id) {
                Some(own) if own != workspace.seed => handed.notes.push(format!(
                    "{WORKSPACE_FILE} has the seed `{}`; the course gives this student another",
                    workspace.seed
                )),
                Some(_) => {}
                None => {
                    if workspace.seed != LESSON_SEED {
                        handed
                            .notes
                            .push(format!("with the seed `{}` of {WORKSPACE_FILE}", workspace.seed));
                    }
                    handed.seed = workspace.seed;
                }
            },
            Err(why) => handed.notes.push(why),
        }
        handed.standing = Standing::Graded.as_str().to_owned();
        let digest = intake.digest().to_string();
        let known = self.grades.handed(&handed.id);
        let kept = self.grades.submission(&handed.id);
        let is_kept = known.is_some_and(|known| known.digest.as_ref() == Some(&digest)) && kept.is_dir();
        handed.digest = Some(digest);
        if !is_kept {
            let made = tempfile::tempdir_in(self.grades.staging())?;
            let made = made.path().join("submission");
            save(intake, &made)?;
            self.grades.keep_submission(&handed.id, &made)?;
        }
        Ok(())
    }
}

fn refuse(handed: &mut Handed, why: String) {
    handed.standing = Standing::Refused.as_str().to_owned();
    handed.notes.insert(0, why);
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    lab_kmsg::sanitize::line(name.as_encoded_bytes(), 200)
}

/// The folder of submissions has to be one; what is in it is judged one by one.
pub(crate) fn require_folder(path: &Path, shown: &str) -> Result<(), Failure> {
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => Ok(()),
        Ok(_) => Err(Failure::new(Exit::Usage, format!("{shown} is not a folder"))
            .hint("name the folder that holds the submissions, one for each student")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Failure::new(Exit::Usage, format!("there is no folder {shown}"))
                .hint("name the folder that holds the submissions, one for each student"))
        }
        Err(error) => Err(error.into()),
    }
}
