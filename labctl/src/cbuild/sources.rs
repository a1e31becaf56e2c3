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
        let parsed = TreePath::parse(path).map_err(|_| bad())?;
        // Spaces, `$`, `:` and `#` mean something to make.
        if !path.bytes().all(is_plain) {
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

    /// The files that compiling `own` may read: these, everything that is not a `.c` file, and each `.c` file whose name
    /// is mentioned in one that may be read (`#include "common.c"`).
    pub(super) fn visible_to(&self, own: &[String]) -> Self {
        let mut unread: Vec<&TreePath> = Vec::new();
        let mut named: BTreeMap<&[u8], Vec<&TreePath>> = BTreeMap::new();
        for path in self.files.keys() {
            let name = path.as_str().rsplit('/').next().unwrap_or_default();
            if !name.ends_with(".c") || own.iter().any(|own| own == path.as_str()) {
                unread.push(path);
            } else {
                named.entry(name.as_bytes()).or_default().push(path);
            }
        }
        let mut visible = Self::default();
        while let Some(path) = unread.pop() {
            let bytes = &self.files[path];
            // Each file is read once and each name found once, however often they mention each other.
            for word in bytes.split(|byte| !is_plain(*byte) || *byte == b'/') {
                unread.extend(named.remove(word).unwrap_or_default());
            }
            visible.files.insert(path.clone(), bytes.clone());
        }
        visible
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

/// What a path may consist of.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-./+".contains(&byte)
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

    fn set(files: &[(&str, &str)]) -> SourceSet {
        let mut set = SourceSet::default();
        for (path, text) in files {
            set.insert(path, *text).unwrap();
        }
        set
    }

    #[test]
    fn a_c_file_is_visible_where_it_is_mentioned() {
        let set = set(&[
            ("src/a.c", "#include \"shared.h\"\n"),
            ("src/b.c", ""),
            ("src/c.c", "#include <./d.c>\n"),
            ("src/ab.c", ""),
            ("src/d.c", "/* c.c */"),
            ("src/shared.h", "#include \"c.c\"\n"),
        ]);
        let visible = |own: &str| {
            let visible = set.visible_to(&[own.to_owned()]);
            visible
                .iter()
                .map(|(path, _)| path.to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            visible("src/a.c"),
            ["src/a.c", "src/c.c", "src/d.c", "src/shared.h"]
        );
        assert_eq!(
            visible("src/b.c"),
            ["src/b.c", "src/c.c", "src/d.c", "src/shared.h"]
        );
    }

    proptest::proptest! {
        /// Files `a.c` … `f.c`, each including some of the others.
        #[test]
        fn an_invisible_file_changes_nothing(
            includes in proptest::collection::vec(proptest::collection::vec(0..6_usize, 0..3), 6),
            changed in 1..6_usize,
        ) {
            let name = |file: usize| format!("src/{}.c", char::from(b"abcdef"[file]));
            let text = |files: &[usize]| -> String {
                files.iter().map(|file| format!("#include \"../{}\"\n", name(*file))).collect()
            };
            let mut set = SourceSet::default();
            for (file, includes) in includes.iter().enumerate() {
                set.insert(&name(file), text(includes)).unwrap();
            }
            let own = [name(0)];
            let before = set.visible_to(&own);
            // What the preprocessor reaches, found another way.
            let mut reached = vec![0];
            for _ in 0..6 {
                reached.extend(reached.clone().iter().flat_map(|file| &includes[*file]));
                reached.sort_unstable();
                reached.dedup();
            }
            for file in 0..6 {
                proptest::prop_assert_eq!(before.contains(&name(file)), reached.contains(&file));
            }
            set.insert(&name(changed), text(&[0, 1, 2, 3, 4, 5])).unwrap();
            let after = set.visible_to(&own);
            proptest::prop_assert_eq!(before == after, !reached.contains(&changed) || includes[changed] == [0, 1, 2, 3, 4, 5]);
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
