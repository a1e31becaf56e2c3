//! Results on their way out: to stdout, into files, to a CI server.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs_err as fs;

use super::args::{ReportFile, ReportFormat, Reporting};
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::output;
use crate::grade::results::Results;
use crate::grade::verdict::Verdict;
use crate::report;
use crate::report::classroom50::Submission;

/// What a result is printed as and where it is written to. Whatever could be wrong with that has been said before anything
/// is run.
pub(crate) struct Reports {
    printed: ReportFormat,
    files: Vec<Destination>,
    submission: Option<Submission>,
}

struct Destination {
    format: ReportFormat,
    /// As the user named it.
    named: PathBuf,
    place: Place,
}

enum Place {
    /// A file that appears whole or not at all.
    File { folder: PathBuf, path: PathBuf },
    /// A pipe or a device, which cannot be replaced.
    Stream(PathBuf),
}

impl Reports {
    pub(crate) fn prepare(context: &Context, reporting: &Reporting) -> Result<Self, Failure> {
        let mut files: Vec<Destination> = Vec::new();
        for file in &reporting.files {
            let destination = Destination::find(context, file)?;
            if let Place::File { path, .. } = &destination.place
                && files
                    .iter()
                    .any(|other| matches!(&other.place, Place::File { path: taken, .. } if taken == path))
            {
                let what = format!("{} is named for two results", file.path.display());
                return Err(Failure::new(Exit::Usage, what).hint("give each --report a file of its own"));
            }
            files.push(destination);
        }
        let mut formats = files.iter().map(|file| file.format).chain([reporting.format]);
        let submission = formats
            .any(|format| format == ReportFormat::Classroom50)
            .then(|| context.settings.ci.submission(SystemTime::now()))
            .transpose()?;
        Ok(Self {
            printed: reporting.format,
            files,
            submission,
        })
    }

    /// Prints, writes, and says how the command is to end. Files appear after all of them could be written.
    pub(crate) fn publish(
        &self,
        context: &Context,
        results: &Results,
        workspace: Option<&Path>,
    ) -> Result<Exit, Failure> {
        let settings = &context.settings;
        let options = report::human::Options {
            width: settings.width,
            colour: settings.colour,
            ..Default::default()
        };
        let in_repository = workspace.and_then(|dir| settings.ci.in_repository(dir, &settings.current_dir));
        let workspace = in_repository.as_deref();
        output::result(&self.render(self.printed, results, &options, workspace)?)?;
        let plain = report::human::Options::default();
        let mut staged = Vec::new();
        for file in &self.files {
            let text = self.render(file.format, results, &plain, workspace)?;
            staged.extend(file.stage(&text)?);
        }
        for (part, path) in staged {
            part.persist(&path).map_err(|error| {
                Failure::new(Exit::Host, format!("cannot write {}", path.display())).because(&error)
            })?;
        }
        if self.printed == ReportFormat::Github {
            tell_github(context, results)?;
        }
        Ok(exit(results.verdict()))
    }

    fn render(
        &self,
        format: ReportFormat,
        results: &Results,
        options: &report::human::Options,
        workspace: Option<&str>,
    ) -> Result<String, Failure> {
        Ok(match format {
            ReportFormat::Human => report::human::render(results, options),
            ReportFormat::Json => report::json::render(results)?,
            ReportFormat::Junit => {
                report::junit::render(results).map_err(|error| Failure::from_error(Exit::Bug, &error))?
            }
            ReportFormat::Ktap => report::ktap::render(results),
            ReportFormat::Csv => report::csv::render(results),
            ReportFormat::Markdown => report::markdown::render(results, usize::MAX),
            ReportFormat::Gradescope => report::gradescope::render(results)?,
            ReportFormat::Classroom50 => {
                let unread = || Failure::new(Exit::Bug, "the environment was not asked about the submission");
                report::classroom50::render(results, self.submission.as_ref().ok_or_else(unread)?)?
            }
            ReportFormat::Classroom => report::classroom::render(results)?,
            ReportFormat::Exercism => report::exercism::render(results)?,
            ReportFormat::Github => {
                let human = report::human::render(results, options);
                human + &report::github::annotations(results, workspace)
            }
        })
    }
}

impl Place {
    /// Nothing for a folder.
    fn of_existing(path: PathBuf) -> Option<Self> {
        if path.is_dir() {
            return None;
        }
        match path.parent() {
            Some(folder) if path.is_file() => Some(Self::File {
                folder: folder.to_owned(),
                path,
            }),
            _ => Some(Self::Stream(path)),
        }
    }
}

impl Destination {
    fn find(context: &Context, file: &ReportFile) -> Result<Self, Failure> {
        let named = file.path.clone();
        let shown = named.display();
        let wanted = context.settings.absolute(&named);
        // A link is followed: what it points to is replaced, not the link.
        if let Ok(path) = wanted.canonicalize() {
            let place = Place::of_existing(path).ok_or_else(|| {
                Failure::new(Exit::Usage, format!("{shown} is a folder, not a file")).hint(format!(
                    "name a file in it: --report {}={shown}/result",
                    file.format.name()
                ))
            })?;
            return Ok(Self {
                format: file.format,
                named,
                place,
            });
        }
        let none = || {
            Failure::new(Exit::Usage, format!("{shown} is not the name of a file"))
                .hint("--report takes FORMAT=FILE, such as junit=report.xml")
        };
        let name = wanted.file_name().ok_or_else(none)?;
        let folder = wanted.parent().ok_or_else(none)?;
        let folder = folder
            .canonicalize()
            .ok()
            .filter(|folder| folder.is_dir())
            .ok_or_else(|| {
                let what = format!(
                    "{shown} cannot be written: there is no folder {}",
                    folder.display()
                );
                Failure::new(Exit::Usage, what).hint(format!("mkdir -p {}", folder.display()))
            })?;
        let path = folder.join(name);
        Ok(Self {
            format: file.format,
            named,
            place: Place::File { folder, path },
        })
    }

    /// Writes beside the file that is to be replaced, or into a stream at once.
    fn stage(&self, text: &str) -> Result<Option<(tempfile::NamedTempFile, PathBuf)>, Failure> {
        let failed = |error: std::io::Error| {
            Failure::new(Exit::Host, format!("cannot write {}", self.named.display()))
                .because(&error)
                .hint("the results above are complete; `labctl check --from RUN` grades a recorded run again")
        };
        match &self.place {
            Place::File { folder, path } => {
                // Like any new file: the umask decides who may read it, as the default for temporary ones does not.
                let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
                let mut part = tempfile::Builder::new()
                    .prefix(".labctl-")
                    .permissions(permissions)
                    .tempfile_in(folder)
                    .map_err(failed)?;
                part.write_all(text.as_bytes()).map_err(failed)?;
                Ok(Some((part, path.clone())))
            }
            Place::Stream(path) => {
                let stream = fs::OpenOptions::new().write(true).open(path);
                stream
                    .and_then(|mut stream| stream.write_all(text.as_bytes()))
                    .map_err(failed)?;
                Ok(None)
            }
        }
    }
}

/// Adds to the files in which a step of GitHub Actions collects its summary and its outputs, where there are any.
fn tell_github(context: &Context, results: &Results) -> Result<(), Failure> {
    let ci = &context.settings.ci;
    let append = |path: &Path, text: &str| {
        let file = fs::OpenOptions::new().append(true).create(true).open(path);
        file.and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| {
                Failure::new(Exit::Host, format!("cannot write {}", path.display())).because(&error)
            })
    };
    if let Some(path) = &ci.outputs {
        append(path, &report::github::outputs(results))?;
    }
    let Some(path) = &ci.summary else { return Ok(()) };
    let written = fs::metadata(path).map_or(0, |found| found.len());
    let written = usize::try_from(written).unwrap_or(usize::MAX);
    let room = report::github::SUMMARY_MAX.saturating_sub(written);
    if room < report::markdown::SMALLEST {
        context
            .events
            .warn("the summary of this step is full: the results were not added");
        return Ok(());
    }
    append(path, &report::markdown::render(results, room))
}

fn exit(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Passed => Exit::Done,
        Verdict::Partial | Verdict::Failed | Verdict::Blocked => Exit::NotPassed,
        Verdict::Inconclusive => Exit::Inconclusive,
        Verdict::Invalid => Exit::Invalid,
    }
}
