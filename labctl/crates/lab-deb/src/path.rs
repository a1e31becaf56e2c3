//! Paths inside of archives and package pools.

use std::fmt;

use thiserror::Error;

/// A path that leaves its root or cannot be written down.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum PathError {
    #[error("the path `{path}` has a `..` component")]
    Parent { path: String },
    #[error("the path `{path}` is absolute")]
    Absolute { path: String },
    #[error("the path `{path}` is not UTF-8")]
    NotUtf8 { path: String },
    #[error("the path `{path}` has a NUL or a line break")]
    Control { path: String },
    #[error("a path of {length} bytes is longer than the {LONGEST} that Linux allows")]
    TooLong { length: usize },
}

/// `PATH_MAX` without its NUL (include/uapi/linux/limits.h).
const LONGEST: usize = 4095;

/// A normalised path relative to some root: components separated by single slashes, none of them empty, `.` or
/// `..`. The root itself is the empty path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelativePath(String);

impl RelativePath {
    /// Accepts `./usr/bin/`, refuses everything that could name something outside of the root.
    pub fn parse(bytes: &[u8]) -> Result<RelativePath, PathError> {
        let text = std::str::from_utf8(bytes).map_err(|_| PathError::NotUtf8 {
            path: String::from_utf8_lossy(bytes).into_owned(),
        })?;
        let path = || text.escape_debug().to_string();
        if text.len() > LONGEST {
            return Err(PathError::TooLong { length: text.len() });
        }
        if text.contains(['\0', '\n']) {
            return Err(PathError::Control { path: path() });
        }
        if text.starts_with('/') {
            return Err(PathError::Absolute { path: path() });
        }
        let mut normal = String::with_capacity(text.len());
        for component in text
            .split('/')
            .filter(|component| !component.is_empty() && *component != ".")
        {
            if component == ".." {
                return Err(PathError::Parent { path: path() });
            }
            if !normal.is_empty() {
                normal.push('/');
            }
            normal.push_str(component);
        }
        Ok(RelativePath(normal))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// `None` for the root.
    pub fn parent(&self) -> Option<RelativePath> {
        if self.is_root() {
            return None;
        }
        Some(RelativePath(
            self.0
                .rsplit_once('/')
                .map_or_else(String::new, |(parent, _)| parent.to_owned()),
        ))
    }

    /// The last component; empty for the root.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// From the first directory down to the path's parent, the root left out.
    pub fn ancestors(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').map(|(at, _)| &self.0[..at])
    }

    /// Where the path is on a system whose `/bin`, `/sbin` and `/lib*` are links into `/usr`.
    pub fn usr_merged(&self) -> RelativePath {
        const ALIASES: [&str; 7] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32", "libo32"];
        let first = self.0.split('/').next().unwrap_or_default();
        if ALIASES.contains(&first) {
            RelativePath(format!("usr/{}", self.0))
        } else {
            self.clone()
        }
    }

    /// Whether a symbolic link at this path with the relative `target` stays, read word for word, below the root.
    /// An absolute target does: it names something in the root that the link will live in.
    pub(crate) fn link_stays_inside(&self, target: &str) -> bool {
        if target.starts_with('/') {
            return true;
        }
        let mut depth = self.0.matches('/').count();
        for component in target.split('/') {
            match component {
                "" | "." => {}
                ".." if depth == 0 => return false,
                ".." => depth -= 1,
                _ => depth += 1,
            }
        }
        true
    }
}

impl fmt::Display for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_root() { "." } else { &self.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelativePath {
        RelativePath::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn normalises() {
        assert_eq!(path("./usr//bin/./true").as_str(), "usr/bin/true");
        assert_eq!(path("./").as_str(), "");
        assert!(path(".").is_root());
        assert_eq!(path("usr/bin/").file_name(), "bin");
        assert_eq!(path("a/b/c").ancestors().collect::<Vec<_>>(), ["a", "a/b"]);
        assert_eq!(path("a/b").parent(), Some(path("a")));
        assert_eq!(path("a").parent(), Some(path("")));
        assert_eq!(path("").parent(), None);
    }

    #[test]
    fn refuses_ways_out() {
        let long = "x/".repeat(3000);
        for bad in [
            "../a",
            "a/../../b",
            "a/..",
            "/etc/passwd",
            "//x",
            "a\0b",
            "a\nb",
            long.as_str(),
        ] {
            assert!(RelativePath::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(matches!(
            RelativePath::parse(b"caf\xe9"),
            Err(PathError::NotUtf8 { .. })
        ));
        assert_eq!(path("..a/b..").as_str(), "..a/b..");
    }

    #[test]
    fn moves_the_aliased_directories_below_usr() {
        for (from, to) in [
            ("lib/x", "usr/lib/x"),
            ("bin", "usr/bin"),
            ("library/x", "library/x"),
            ("usr/lib/x", "usr/lib/x"),
            ("lib64/ld.so", "usr/lib64/ld.so"),
            ("", ""),
        ] {
            assert_eq!(path(from).usr_merged().as_str(), to);
        }
    }

    #[test]
    fn links_may_climb_as_far_as_the_root() {
        assert!(path("usr/bin/x").link_stays_inside("../../etc/x"));
        assert!(!path("usr/bin/x").link_stays_inside("../../../etc/x"));
        assert!(!path("x").link_stays_inside(".."));
        assert!(path("a/x").link_stays_inside("/etc"));
        assert!(!path("a/x").link_stays_inside("b/../../../c"));
    }

    proptest::proptest! {
        #[test]
        fn what_is_accepted_never_climbs(bytes in proptest::collection::vec(proptest::sample::select(b"./ab\0\n\xff".to_vec()), 0..24)) {
            if let Ok(path) = RelativePath::parse(&bytes) {
                proptest::prop_assert!(!path.as_str().starts_with('/') && !path.as_str().ends_with('/'));
                let clean = |c: &str| !c.is_empty() && c != "." && c != "..";
                proptest::prop_assert!(path.is_root() || path.as_str().split('/').all(clean));
                proptest::prop_assert_eq!(RelativePath::parse(path.as_str().as_bytes()), Ok(path));
            }
        }
    }
}
