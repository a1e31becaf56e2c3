//! Paths inside a tree: relative, `/`-separated, without `.`, `..` or empty parts.

use std::borrow::Borrow;
use std::fmt;

/// A normalised path below the root of a tree. `TreePath::parse("/usr//bin/./sh")` is `usr/bin/sh`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreePath(String);

/// Why a text is not a path inside a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    #[error("`{path}` leads out of the tree")]
    LeadsOut { path: String },
    #[error("the path is empty or names the root itself")]
    Root,
    #[error("`{path}` holds a NUL byte")]
    Nul { path: String },
}

impl TreePath {
    /// Normalises `text`; a leading `/` or `./` is dropped.
    ///
    /// # Errors
    /// [`InvalidPath`] for the root itself, for a `..` that leads above it and for NUL bytes. Other `..` parts are
    /// refused as well: what they mean depends on symbolic links.
    pub fn parse(text: &str) -> Result<Self, InvalidPath> {
        if text.contains('\0') {
            return Err(InvalidPath::Nul {
                path: text.to_owned(),
            });
        }
        let mut parts = Vec::new();
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    return Err(InvalidPath::LeadsOut {
                        path: text.to_owned(),
                    });
                }
                part => parts.push(part),
            }
        }
        if parts.is_empty() {
            return Err(InvalidPath::Root);
        }
        Ok(Self(parts.join("/")))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of the folder that holds this one; `None` directly below the root.
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(parent, _)| Self(parent.to_owned()))
    }

    /// The last part.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(self.0.as_str(), |(_, name)| name)
    }

    /// Whether this path is `ancestor` or lies below it.
    pub fn is_within(&self, ancestor: &Self) -> bool {
        self.0
            .strip_prefix(ancestor.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl Borrow<str> for TreePath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalises() {
        for text in ["usr/bin/sh", "/usr/bin/sh", "./usr/bin/sh", "usr//bin/./sh/"] {
            assert_eq!(TreePath::parse(text).unwrap().as_str(), "usr/bin/sh");
        }
    }

    #[test]
    fn refuses_what_leads_out() {
        assert!(matches!(
            TreePath::parse("../etc/passwd"),
            Err(InvalidPath::LeadsOut { .. })
        ));
        assert!(matches!(
            TreePath::parse("a/../../b"),
            Err(InvalidPath::LeadsOut { .. })
        ));
        assert_eq!(TreePath::parse("/"), Err(InvalidPath::Root));
        assert!(matches!(TreePath::parse("a\0b"), Err(InvalidPath::Nul { .. })));
    }

    #[test]
    fn a_common_prefix_is_not_an_ancestor() {
        let usr = TreePath::parse("usr").unwrap();
        assert!(TreePath::parse("usr/bin").unwrap().is_within(&usr));
        assert!(!TreePath::parse("usr2/bin").unwrap().is_within(&usr));
    }
}
