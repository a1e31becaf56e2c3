//! `labctl init`: a workspace.

use std::path::Path;

use fs_err as fs;

use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::grade::course_key;
use crate::cli::{course, output};
use crate::spec::exercise::LESSON_SEED;
use crate::spec::workspace::skeleton;

/// What a workspace begins with, where the module has one.
const README: &str = "README.md";

pub(super) fn run(
    context: &Context,
    module: &str,
    dir: Option<&Path>,
    student: Option<&str>,
    course_key: Option<&Path>,
) -> Result<Exit, Failure> {
    let loaded = course::load(context)?;
    let module = loaded.course.module(module)?;
    let name = Path::new(module.id.as_str());
    let dir = context.settings.absolute(dir.unwrap_or(name));
    let is_empty = match fs::read_dir(&dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(error.into()),
    };
    if !is_empty {
        return Err(
            Failure::new(Exit::Usage, format!("{} is not empty", dir.display()))
                .hint(format!("name another folder: labctl init {} DIR", module.id)),
        );
    }
    let seed = match (student, course_key) {
        (Some(student), Some(file)) => course_key::read(context, file)?.seed(module.id.as_str(), student),
        _ => LESSON_SEED.to_owned(),
    };
    let files = skeleton(module, &seed)?;
    let write = || -> std::io::Result<()> {
        for (path, text) in &files {
            let path = dir.join(path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(path, text)?;
        }
        Ok(())
    };
    write()?;
    let shown = dir
        .strip_prefix(&context.settings.current_dir)
        .unwrap_or(&dir)
        .display();
    let first = module
        .exercises
        .first()
        .map_or("EXERCISE", |exercise| exercise.id.as_str());
    let read = if files.contains_key(README) {
        format!("  $EDITOR {README}\n")
    } else {
        String::new()
    };
    output::talk(&format!(
        "{} files in {shown}. Next:\n  cd {shown}\n{read}  labctl check {first}",
        files.len()
    ));
    Ok(Exit::Done)
}
