//! The files to compile, read once from a workspace that may be hostile.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use fs_err as fs;
use lab_disk::TreePath;
use rustix::fs::{Mode, OFlags};

/// A source file larger than this is refused: the lesson's are 2 kB.
const MAX_FILE: u64 = 1 << 20;
const MAX_FILES: usize = 256;

/// Why a workspace's sources cannot be used. This is about the student's files.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("`{path}` is not there")]
    Missing { path: String },
    #[error("`{path}` is a symbolic link or not a regular file")]
    NotAFile { path: String },
    #[error("`{path}` has more than {MAX_FILE} bytes")]
    TooLarge { path: String },
    #[error("the source folder holds more than {MAX_FILES} C files")]
    TooMany,
    #[error("`{path}` is not a path below the workspace")]
    BadPath { path: String },
    #[error("cannot read `{path}`")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Relative paths and contents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceSet {
    files: BTreeMap<TreePath, Vec<u8>>,
}

impl SourceSet {
    /// Reads the `.c` and `.h` files directly in `folder` (a relative path) of `workspace`. Symbolic links are
    /// refused: a submission is not to show its grader's files.
    ///
    /// # Errors
    /// [`SourceError`] with the file.
    pub fn read(workspace: &Path, folder: &str) -> Result<Self, SourceError> {
        let mut set = Self::default();
        let dir = workspace.join(folder);
        let io_error = |source| SourceError::Io {
            path: dir.clone(),
            source,
        };
        let meta = fs::symlink_metadata(&dir).map_err(|_| SourceError::Missing {
            path: folder.to_owned(),
        })?;
        if !meta.is_dir() {
            return Err(SourceError::NotAFile {
                path: folder.to_owned(),
            });
        }
        for entry in fs::read_dir(&dir).map_err(io_error)? {
            let name = entry.map_err(io_error)?.file_name();
            let Some(name) = name.to_str() else { continue };
            if !(name.ends_with(".c") || name.ends_with(".h")) || name.starts_with('.') {
                continue;
            }
            let path = format!("{folder}/{name}");
            let bytes = read_plain_file(&dir.join(name), &path)?;
            set.insert(&path, bytes)?;
            if set.files.len() > MAX_FILES {
                return Err(SourceError::TooMany);
            }
        }
        Ok(set)
    }

    /// Adds or replaces a file.
    ///
    /// # Errors
    /// [`SourceError::BadPath`] for one that leads out or that make would misread.
    pub fn insert(&mut self, path: &str, contents: impl Into<Vec<u8>>) -> Result<(), SourceError> {
        let bad = || SourceError::BadPath {
            path: path.to_owned(),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '+');
        let parsed = TreePath::parse(path).map_err(|_| bad())?;
        // Spaces, `$`, `:` and `#` mean something to make.
        if !path.chars().all(plain) {
            return Err(bad());
        }
        self.files.insert(parsed, contents.into());
        Ok(())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files
            .iter()
            .map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }

    pub fn contains(&self, path: &str) -> bool {
        TreePath::parse(path).is_ok_and(|path| self.files.contains_key(&path))
    }

    /// What compiling `paths` can see: themselves, and all headers. Another student's mistake in a file that is not
    /// compiled, or an edit of it, then changes nothing. Where a file reaches for more than headers, it is everything.
    #[must_use]
    pub fn seen_by<'a>(&self, paths: impl IntoIterator<Item = &'a str>) -> Self {
        let named: Vec<&str> = paths.into_iter().collect();
        let is_seen = |path: &TreePath| !path.as_str().ends_with(".c") || named.contains(&path.as_str());
        let mut seen = self.clone();
        seen.files.retain(|path, _| is_seen(path));
        if seen.files.values().any(|bytes| reaches_further(bytes)) {
            self.clone()
        } else {
            seen
        }
    }

    /// Writes every file below `dir`.
    pub(super) fn write_below(&self, dir: &Path) -> io::Result<()> {
        for (path, bytes) in self.iter() {
            let path = dir.join(path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(path, bytes)?;
        }
        Ok(())
    }
}

/// Whether a source may take in another file than a header: `#include "other.c"`, a name that a macro makes, `.incbin`.
/// It may say so of one that does not; that costs time, and nothing else.
fn reaches_further(source: &[u8]) -> bool {
    const SIGNS: [&str; 6] = [".c\"", ".c>", "incbin", "embed", "has_include", "##"];
    let text = String::from_utf8_lossy(source).replace("\\\n", "");
    let after_include = || {
        text.match_indices("include")
            .map(|(at, word)| text[at + word.len()..].trim_start_matches("_next").trim_start())
    };
    SIGNS.iter().any(|sign| text.contains(sign)) || after_include().any(|rest| !rest.starts_with(['<', '"']))
}

fn read_plain_file(host: &Path, path: &str) -> Result<Vec<u8>, SourceError> {
    let not_a_file = || SourceError::NotAFile {
        path: path.to_owned(),
    };
    let io_error = |source| SourceError::Io {
        path: host.to_owned(),
        source,
    };
    // NONBLOCK: a FIFO in the place of a source file would block the open for ever.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(host, flags, Mode::empty()) {
        Ok(file) => std::fs::File::from(file),
        Err(rustix::io::Errno::LOOP) => return Err(not_a_file()),
        Err(errno) => return Err(io_error(errno.into())),
    };
    if !file.metadata().map_err(io_error)?.is_file() {
        return Err(not_a_file());
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(io_error)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(SourceError::TooLarge {
            path: path.to_owned(),
        });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_c_files_and_refuses_links() {
        let dir = tempfile::tempdir().unwrap();
        let src = dir.path().join("src");
        fs::create_dir(&src).unwrap();
        for name in ["a.c", "a.h", "Makefile", ".hidden.c"] {
            fs::write(src.join(name), name).unwrap();
        }
        let set = SourceSet::read(dir.path(), "src").unwrap();
        assert_eq!(
            set.iter().map(|(path, _)| path).collect::<Vec<_>>(),
            ["src/a.c", "src/a.h"]
        );
        fs::os::unix::fs::symlink("/etc/passwd", src.join("b.c")).unwrap();
        assert!(
            matches!(SourceSet::read(dir.path(), "src"), Err(SourceError::NotAFile { path }) if path == "src/b.c")
        );
    }

    #[test]
    fn names_that_make_would_misread_are_refused() {
        let mut set = SourceSet::default();
        for path in ["../a.c", "src/a b.c", "src/$(shell id).c", "/", "src/a:b.c"] {
            assert!(
                matches!(set.insert(path, ""), Err(SourceError::BadPath { .. })),
                "{path}"
            );
        }
        set.insert("src/send_trace.c", "").unwrap();
    }

    #[test]
    fn only_what_is_compiled_is_seen() {
        let seen = |a: &str| -> Vec<String> {
            let mut set = SourceSet::default();
            set.insert("src/a.c", a).unwrap();
            set.insert("src/b.c", "int b;\n").unwrap();
            set.insert("src/b.h", "extern int b;\n").unwrap();
            let seen = set.seen_by(["src/a.c"]);
            seen.iter().map(|(path, _)| path.to_owned()).collect()
        };
        assert_eq!(
            seen("#include \"b.h\"\n# include <linux/module.h>\n"),
            ["src/a.c", "src/b.h"]
        );
        for reaching in [
            "#include \"b.c\"",
            "#define B \"b\" \".h\"\n#include B",
            "#inc\\\nlude FILE",
            "asm(\".incbin \\\"src/b.c\\\"\");",
        ] {
            assert_eq!(seen(reaching).len(), 3, "{reaching}");
        }
    }

    #[test]
    fn a_huge_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("src")).unwrap();
        let file = fs::File::create(dir.path().join("src/a.c")).unwrap();
        file.set_len(MAX_FILE + 1).unwrap();
        assert!(matches!(
            SourceSet::read(dir.path(), "src"),
            Err(SourceError::TooLarge { .. })
        ));
    }
}
