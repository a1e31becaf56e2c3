//! The course: the one asked for, the one found upward from here, else the one built in. And the workspace likewise.

use std::path::{Path, PathBuf};

use fs_err as fs;

use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use crate::embedded;
use crate::spec::course::{COURSE_FILE, Course, Module, Wanted};
use crate::spec::files::CourseFiles;
use crate::spec::workspace::{WORKSPACE_FILE, Workspace};

/// A course with its files.
pub(crate) struct Loaded {
    pub(crate) course: Course,
    pub(crate) files: CourseFiles,
    /// Where it lies; absent for the one built in.
    pub(crate) dir: Option<PathBuf>,
}

/// Where the course lies (nowhere for the one built in), and its files, unchecked.
pub(crate) fn files(context: &Context) -> Result<(Option<PathBuf>, CourseFiles), Failure> {
    let dir = match &context.settings.course {
        Some(dir) => {
            let dir = context.settings.absolute(dir);
            if !dir.join(COURSE_FILE).is_file() {
                let what = format!("{} is not a course: it has no {COURSE_FILE}", dir.display());
                return Err(Failure::new(Exit::Invalid, what)
                    .hint("without --course and LABCTL_COURSE, labctl looks upward from here"));
            }
            Some(dir)
        }
        None => upward(&context.settings.current_dir, COURSE_FILE),
    };
    let files = match &dir {
        Some(dir) => read(dir)?,
        None => embedded::COURSE
            .iter()
            .map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec()))
            .collect(),
    };
    Ok((dir, files))
}

/// Finds, reads and checks the course.
pub(crate) fn load(context: &Context) -> Result<Loaded, Failure> {
    check(files(context)?, None)
}

/// The same, without its exercises. A name that is none of its modules' is left to the whole course to explain.
pub(crate) fn load_modules(context: &Context, named: Option<&str>) -> Result<Loaded, Failure> {
    let found = check(files(context)?, Some(&|_, _| false))?;
    if named.is_none_or(|name| found.course.module(name).is_ok()) {
        return Ok(found);
    }
    load(context)
}

/// The same, with no other exercises than those that `names` stand for. A name that stands for none is left to the whole
/// course to explain.
pub(crate) fn load_named(context: &Context, names: &[String]) -> Result<Loaded, Failure> {
    let wanted = |module: &str, exercise: &str| {
        names.iter().any(|name| {
            name == module || name == exercise || name.split_once('/') == Some((module, exercise))
        })
    };
    let found = check(files(context)?, Some(&wanted))?;
    if names.iter().all(|name| found.course.find(name).is_ok()) {
        return Ok(found);
    }
    load(context)
}

fn check(
    (dir, files): (Option<PathBuf>, CourseFiles),
    wanted: Option<&Wanted<'_>>,
) -> Result<Loaded, Failure> {
    let course = Course::load_some(&files, wanted).map_err(|errors| {
        let place = dir
            .as_ref()
            .map_or_else(|| "built in".to_owned(), |dir| dir.display().to_string());
        let failure = Failure::new(Exit::Invalid, format!("the course ({place}) is invalid"));
        failure.excerpt(errors.as_slice().iter().map(ToString::to_string))
    })?;
    Ok(Loaded { course, files, dir })
}

/// The folder at or above `from` that has a file `name`.
fn upward(from: &Path, name: &str) -> Option<PathBuf> {
    from.ancestors()
        .find(|dir| dir.join(name).is_file())
        .map(Path::to_owned)
}

/// The files of a course, and nothing else of what may lie around it.
fn read(dir: &Path) -> Result<CourseFiles, Failure> {
    fn walk(root: &Path, path: &Path, files: &mut CourseFiles) -> std::io::Result<()> {
        if path.is_dir() {
            for entry in fs::read_dir(path)? {
                walk(root, &entry?.path(), files)?;
            }
        } else if let Ok(relative) = path.strip_prefix(root)
            && let Some(relative) = relative.to_str()
        {
            files.insert(relative, fs::read(path)?);
        }
        Ok(())
    }
    let mut files = CourseFiles::new();
    for part in [COURSE_FILE, "labs", "images", "kernels"] {
        let path = dir.join(part);
        if path.exists() {
            walk(dir, &path, &mut files).map_err(|error| {
                Failure::new(
                    Exit::Invalid,
                    format!("the course in {} cannot be read", dir.display()),
                )
                .because(&error)
            })?;
        }
    }
    Ok(files)
}

/// A workspace with its description.
pub(crate) struct Found {
    pub(crate) dir: PathBuf,
    pub(crate) workspace: Workspace,
}

/// The workspace `asked` for, else the one at or above the current folder.
pub(crate) fn workspace(context: &Context, asked: Option<&Path>) -> Result<Option<Found>, Failure> {
    let dir = match asked {
        Some(dir) => {
            let dir = context.settings.absolute(dir);
            if !dir.join(WORKSPACE_FILE).is_file() {
                return Err(Failure::new(
                    Exit::Invalid,
                    format!("{} is not a workspace: it has no {WORKSPACE_FILE}", dir.display()),
                )
                .hint("`labctl init MODULE DIR` makes one"));
            }
            dir
        }
        None => match upward(&context.settings.current_dir, WORKSPACE_FILE) {
            Some(dir) => dir,
            None => return Ok(None),
        },
    };
    let path = dir.join(WORKSPACE_FILE);
    let text = fs::read_to_string(&path)?;
    let workspace = Workspace::parse(&path.display().to_string(), &text)
        .map_err(|error| Failure::from_error(Exit::Invalid, &error))?;
    Ok(Some(Found { dir, workspace }))
}

/// The workspace `asked` for, else the one at or above the current folder, which has to be one of `module`.
pub(crate) fn workspace_of(
    context: &Context,
    asked: Option<&Path>,
    module: &Module,
) -> Result<Found, Failure> {
    let Some(found) = workspace(context, asked)? else {
        return Err(
            Failure::new(Exit::Usage, "there is no workspace here").hint(format!(
                "`labctl init {}` makes one; --workspace DIR names one",
                module.id
            )),
        );
    };
    if found.workspace.module != module.id.as_str() {
        let what = format!(
            "{} is a workspace of {}",
            found.dir.display(),
            found.workspace.module
        );
        return Err(Failure::new(Exit::Usage, what).hint("name the right one with --workspace DIR"));
    }
    Ok(found)
}

/// The module asked for, else the workspace's, else the only one.
pub(crate) fn choose_module<'a>(
    context: &Context,
    course: &'a Course,
    asked: Option<&str>,
) -> Result<&'a Module, Failure> {
    if let Some(name) = asked {
        return Ok(course.module(name)?);
    }
    if let Some(found) = workspace(context, None)? {
        return Ok(course.module(&found.workspace.module)?);
    }
    match course.modules.as_slice() {
        [only] => Ok(only),
        modules => {
            let names: Vec<_> = modules.iter().map(|module| module.id.as_str()).collect();
            Err(
                Failure::new(Exit::Usage, "the course has several modules; name one")
                    .hint(format!("one of: {}", names.join(", "))),
            )
        }
    }
}
