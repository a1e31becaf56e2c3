//! The files of a course, wherever they came from.

use std::collections::BTreeMap;

use super::error::SpecError;

/// Relative path (with `/`) to contents, of everything under the folder that holds `labs.yaml`.
#[derive(Debug, Clone, Default)]
pub struct CourseFiles(BTreeMap<String, Vec<u8>>);

impl CourseFiles {
    /// No files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a file.
    pub fn insert(&mut self, path: impl Into<String>, contents: impl Into<Vec<u8>>) {
        self.0.insert(path.into(), contents.into());
    }

    /// The contents of a file.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.0.get(path).map(Vec::as_slice)
    }

    /// A file as text.
    ///
    /// # Errors
    /// When it is not UTF-8, with the line of the first wrong byte. A missing file is `None`.
    pub fn text(&self, path: &str) -> Result<Option<&str>, SpecError> {
        let Some(bytes) = self.get(path) else {
            return Ok(None);
        };
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(error) => {
                let line = bytes[..error.valid_up_to()]
                    .iter()
                    .filter(|byte| **byte == b'\n')
                    .count()
                    + 1;
                Err(SpecError {
                    file: path.to_owned(),
                    line: u32::try_from(line).unwrap_or(u32::MAX),
                    column: 1,
                    what: "is not UTF-8 text".to_owned(),
                })
            }
        }
    }

    /// Paths under a folder (given with its final `/`), sorted.
    pub fn under<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .keys()
            .map(String::as_str)
            .filter(move |path| path.starts_with(folder))
    }

    /// Every path, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl FromIterator<(String, Vec<u8>)> for CourseFiles {
    fn from_iter<I: IntoIterator<Item = (String, Vec<u8>)>>(files: I) -> Self {
        Self(files.into_iter().collect())
    }
}
