//! Which paths of a submission mean anything. Names come from strangers: they are judged as bytes, before anything else.

/// The mark of a workspace, and the folders whose files are read.
pub(super) const MARK: &str = "workspace.yaml";
pub(super) const FOLDERS: [&str; 3] = ["src", "answers", "commands"];

/// Folders around a workspace that are looked through for it: `class-main/alice/module7/workspace.yaml`.
pub(super) const MAX_ABOVE: usize = 3;
const MAX_LENGTH: usize = 512;

/// Why an entry is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ignored {
    /// Nothing that a workspace has.
    Other,
    LeadsOut,
    Absolute,
    Backslash,
    Nul,
    NotUtf8,
    TooLong,
    OddName,
    SymbolicLink,
    HardLink,
    Special,
    Sparse,
}

impl Ignored {
    /// As a note says it of `count` entries; nothing for what nobody needs to hear of.
    pub(super) fn describe(self, count: usize) -> Option<String> {
        let (one, many) = match self {
            Self::Other => return None,
            Self::LeadsOut => ("path that leads out (`..`)", "paths that lead out (`..`)"),
            Self::Absolute => ("absolute path", "absolute paths"),
            Self::Backslash => ("path with a backslash", "paths with backslashes"),
            Self::Nul => ("path with a NUL byte", "paths with NUL bytes"),
            Self::NotUtf8 => ("name that is no UTF-8", "names that are no UTF-8"),
            Self::TooLong => ("path that is too long", "paths that are too long"),
            Self::OddName => (
                "name with other characters than letters, digits, `_`, `-`, `.` and `+`",
                "names with other characters than letters, digits, `_`, `-`, `.` and `+`",
            ),
            Self::SymbolicLink => ("symbolic link", "symbolic links"),
            Self::HardLink => ("hard link", "hard links"),
            Self::Special => ("device, pipe or socket", "devices, pipes or sockets"),
            Self::Sparse => ("sparse file", "sparse files"),
        };
        Some(format!("{count} {}", if count == 1 { one } else { many }))
    }
}

/// Where a file of a workspace lies: the folder that would be the workspace, and its path in there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Empty, or `a/b`.
    pub(super) root: String,
    /// `workspace.yaml` or `<folder>/<name>`.
    pub(super) path: String,
}

/// Judges the path of a file.
pub(super) fn judge(name: &[u8]) -> Result<Place, Ignored> {
    if name.len() > MAX_LENGTH {
        return Err(Ignored::TooLong);
    }
    if name.contains(&0) {
        return Err(Ignored::Nul);
    }
    let name = std::str::from_utf8(name).map_err(|_| Ignored::NotUtf8)?;
    if name.contains('\\') {
        return Err(Ignored::Backslash);
    }
    if name.starts_with('/') {
        return Err(Ignored::Absolute);
    }
    let parts: Vec<&str> = name
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    if parts.contains(&"..") {
        return Err(Ignored::LeadsOut);
    }
    let (above, below) = match parts.as_slice() {
        [above @ .., MARK] => (above, MARK.to_owned()),
        [above @ .., folder, file] if FOLDERS.contains(folder) => {
            if *folder == "src" && !(file.ends_with(".c") || file.ends_with(".h")) || file.starts_with('.') {
                return Err(Ignored::Other);
            }
            // Others mean something to make.
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '+');
            if !file.chars().all(plain) {
                return Err(Ignored::OddName);
            }
            (above, format!("{folder}/{file}"))
        }
        _ => return Err(Ignored::Other),
    };
    if above.len() > MAX_ABOVE || above.iter().any(|part| is_passed_over(part)) {
        return Err(Ignored::Other);
    }
    Ok(Place {
        root: above.join("/"),
        path: below,
    })
}

/// Folders in which nobody keeps a workspace, however large they are: `.git`, `__MACOSX`.
pub(super) fn is_passed_over(folder: &str) -> bool {
    folder.starts_with('.') || matches!(folder, "__MACOSX" | "node_modules" | "target")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(root: &str, path: &str) -> Result<Place, Ignored> {
        Ok(Place {
            root: root.to_owned(),
            path: path.to_owned(),
        })
    }

    #[test]
    fn a_workspace_is_found_below_folders() {
        assert_eq!(judge(b"src/a.c"), place("", "src/a.c"));
        assert_eq!(judge(b"./x//y/./answers/e.yaml"), place("x/y", "answers/e.yaml"));
        assert_eq!(judge(b"x/workspace.yaml"), place("x", "workspace.yaml"));
        assert_eq!(judge(b"a/b/c/d/src/a.c"), Err(Ignored::Other));
        assert_eq!(judge(b"__MACOSX/src/a.c"), Err(Ignored::Other));
        assert_eq!(judge(b"src/deep/a.c"), Err(Ignored::Other));
        assert_eq!(judge(b"src/Makefile"), Err(Ignored::Other));
        assert_eq!(judge(b"answers/.e.yaml.swp"), Err(Ignored::Other));
    }

    #[test]
    fn what_is_hostile_has_its_reason() {
        assert_eq!(judge(b"../src/a.c"), Err(Ignored::LeadsOut));
        assert_eq!(judge(b"x/../../src/a.c"), Err(Ignored::LeadsOut));
        assert_eq!(judge(b"/src/a.c"), Err(Ignored::Absolute));
        assert_eq!(judge(b"src\\a.c"), Err(Ignored::Backslash));
        assert_eq!(judge(b"src/a\0.c"), Err(Ignored::Nul));
        assert_eq!(judge(b"src/\xff.c"), Err(Ignored::NotUtf8));
        assert_eq!(judge(b"src/$(id).c"), Err(Ignored::OddName));
        assert_eq!(judge(&[b'a'; 600]), Err(Ignored::TooLong));
    }
}
