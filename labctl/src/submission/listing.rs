//! Which submissions a folder holds.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use lab_kmsg::sanitize;

/// One thing that was handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its file name, and so the student's, without `.zip` and the like. Escaped where it is no plain text.
    pub name: String,
    pub path: PathBuf,
}

/// The submissions in `dir`, by their names' bytes. What is hidden (`.DS_Store`) is not one.
///
/// # Errors
/// When `dir` cannot be read.
pub fn list(dir: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let bytes = name.as_encoded_bytes();
        if !bytes.starts_with(b".") {
            let is_dir = entry.file_type()?.is_dir();
            let name = sanitize::lossless(bytes);
            let name = if is_dir {
                name
            } else {
                plain_name(&name).to_owned()
            };
            entries.push(Entry {
                name,
                path: entry.path(),
            });
        }
    }
    entries.sort_by(|one, other| (&one.name, &one.path).cmp(&(&other.name, &other.path)));
    Ok(entries)
}

/// A file name without the ending of an archive.
pub fn plain_name(name: &str) -> &str {
    const ENDINGS: [&str; 4] = [".zip", ".tar.gz", ".tgz", ".tar"];
    let stem = ENDINGS.iter().find_map(|ending| {
        let at = name.len().checked_sub(ending.len())?;
        let (stem, end) = name.split_at_checked(at)?;
        end.eq_ignore_ascii_case(ending).then_some(stem)
    });
    stem.filter(|stem| !stem.is_empty()).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn students_are_named_by_their_files() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["bob.zip", "carol.TAR.GZ", "dora.tgz", ".DS_Store", "é.tar"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        fs::create_dir(dir.path().join("alice.zip")).unwrap();
        let names: Vec<_> = list(dir.path())
            .unwrap()
            .into_iter()
            .map(|entry| entry.name)
            .collect();
        assert_eq!(names, ["alice.zip", "bob", "carol", "dora", "é"]);
    }

    #[test]
    fn odd_names_have_no_control_characters() {
        use std::os::unix::ffi::OsStrExt as _;

        let dir = tempfile::tempdir().unwrap();
        let name = std::ffi::OsStr::from_bytes(b"a\x1b[2J\xff\n");
        fs::create_dir(dir.path().join(name)).unwrap();
        assert_eq!(list(dir.path()).unwrap()[0].name, "a\\x1b[2J\\xff\\n");
    }
}
