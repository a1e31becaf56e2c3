//! The course's secret, as a file.

use std::path::Path;

use fs_err as fs;

use crate::class::CourseKey;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;

/// Reads the key.
pub(crate) fn read(context: &Context, file: &Path) -> Result<CourseKey, Failure> {
    let path = context.settings.absolute(file);
    let bytes = fs::read(&path).map_err(|error| {
        Failure::new(
            Exit::Usage,
            format!("the course key {} cannot be read", file.display()),
        )
        .because(
            error
                .get_ref()
                .map_or(&error as &dyn std::error::Error, |inner| inner),
        )
        .hint("make one with: head -c 32 /dev/urandom | base64 > course.key; keep it from students")
    })?;
    CourseKey::new(&bytes).map_err(|error| {
        Failure::new(Exit::Usage, format!("{} is no course key", file.display()))
            .because(&error)
            .hint("make one with: head -c 32 /dev/urandom | base64 > course.key; keep it from students")
    })
}
