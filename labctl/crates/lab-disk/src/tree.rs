//! The tree itself: what is at which path, and the few operations that keep it a tree.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::path::{InvalidPath, TreePath};

/// Symbolic links followed before a path counts as a loop, as in Linux (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// What a path holds. Modes are the lower twelve bits; owner and group are always root, times always the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    Dir {
        mode: u32,
    },
    File {
        mode: u32,
        data: Arc<[u8]>,
    },
    Symlink {
        target: String,
    },
    /// A character device. An initramfs needs `/dev/console` before anything could make it.
    CharDevice {
        mode: u32,
        major: u32,
        minor: u32,
    },
}

/// Why a tree refused a change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    #[error(transparent)]
    Path(#[from] InvalidPath),
    #[error("`{path}` is needed as a folder but is already something else")]
    NotADir { path: TreePath },
    #[error("`{path}` is already a folder")]
    IsADir { path: TreePath },
    #[error("`{path}` leads through too many symbolic links")]
    Loop { path: String },
}

/// A root file system: a sorted map from paths to nodes in which every parent of a path is a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    nodes: BTreeMap<TreePath, Node>,
}

impl Tree {
    pub fn new() -> Self {
        Self::default()
    }

    /// All nodes, a folder always before what is in it.
    pub fn iter(&self) -> impl Iterator<Item = (&TreePath, &Node)> {
        self.nodes.iter()
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The node at exactly `path`; symbolic links are not followed.
    pub fn get(&self, path: &str) -> Option<&Node> {
        let path = TreePath::parse(path).ok()?;
        self.nodes.get(&path)
    }

    /// The contents of the file at `path`, symbolic links followed.
    pub fn file(&self, path: &str) -> Option<&Arc<[u8]>> {
        let path = self.resolve(path).ok()?;
        match self.nodes.get(&path)? {
            Node::File { data, .. } => Some(data),
            _ => None,
        }
    }

    /// Where `path` leads inside the tree when every symbolic link, also the last, is followed. An absolute target
    /// starts at the root of the tree; `..` above it stays there. The path found need not exist.
    ///
    /// # Errors
    /// [`TreeError::Loop`], and [`TreeError::Path`] when it leads to the root itself.
    pub fn resolve(&self, path: &str) -> Result<TreePath, TreeError> {
        let mut done: Vec<String> = Vec::new();
        let mut left: Vec<String> = parts_reversed(path);
        let mut links = 0;
        while let Some(part) = left.pop() {
            if part == ".." {
                done.pop();
                continue;
            }
            done.push(part);
            let here = done.join("/");
            if let Some(Node::Symlink { target }) = self.nodes.get(here.as_str()) {
                links += 1;
                if links > MAX_LINKS {
                    return Err(TreeError::Loop {
                        path: path.to_owned(),
                    });
                }
                if target.starts_with('/') {
                    done.clear();
                } else {
                    done.pop();
                }
                left.extend(parts_reversed(target));
            }
        }
        Ok(TreePath::parse(&done.join("/"))?)
    }

    /// Makes a folder (and those above it, 0755). A folder that is there keeps its contents and takes the new mode;
    /// a symbolic link to a folder is followed and left as it is.
    ///
    /// # Errors
    /// [`TreeError`] when the path is invalid or something else is in the way.
    pub fn insert_dir(&mut self, path: &str, mode: u32) -> Result<(), TreeError> {
        let path = self.place(path)?;
        match self.nodes.get(&path) {
            Some(Node::Dir { .. }) | None => {
                self.nodes.insert(path, Node::Dir { mode: mode & 0o7777 });
            }
            Some(Node::Symlink { .. }) => {
                let target = self.resolve(path.as_str())?;
                self.make_dirs(&target)?;
            }
            Some(_) => return Err(TreeError::NotADir { path }),
        }
        Ok(())
    }

    /// Puts a file, replacing any file or link at that path.
    ///
    /// # Errors
    /// [`TreeError`] when the path is invalid, a folder, or below something that is not one.
    pub fn insert_file(
        &mut self,
        path: &str,
        mode: u32,
        data: impl Into<Arc<[u8]>>,
    ) -> Result<(), TreeError> {
        let data = data.into();
        let mode = mode & 0o7777;
        self.insert(path, Node::File { mode, data })
    }

    /// Puts a symbolic link, replacing any file or link at that path.
    ///
    /// # Errors
    /// As [`Tree::insert_file`].
    pub fn insert_symlink(&mut self, path: &str, target: impl Into<String>) -> Result<(), TreeError> {
        let target = target.into();
        if target.contains('\0') {
            return Err(InvalidPath::Nul { path: target }.into());
        }
        self.insert(path, Node::Symlink { target })
    }

    /// Puts any node, replacing what is not a folder.
    ///
    /// # Errors
    /// As [`Tree::insert_file`].
    pub fn insert(&mut self, path: &str, node: Node) -> Result<(), TreeError> {
        if let Node::Dir { mode } = node {
            return self.insert_dir(path, mode);
        }
        let path = self.place(path)?;
        if matches!(self.nodes.get(&path), Some(Node::Dir { .. })) {
            return Err(TreeError::IsADir { path });
        }
        self.nodes.insert(path, node);
        Ok(())
    }

    /// Puts every node of `other` over this tree.
    ///
    /// # Errors
    /// As [`Tree::insert_file`].
    pub fn overlay(&mut self, other: &Self) -> Result<(), TreeError> {
        for (path, node) in other.iter() {
            self.insert(path.as_str(), node.clone())?;
        }
        Ok(())
    }

    /// Removes every node for which `keep` says no, with everything below a folder that goes.
    pub fn retain(&mut self, mut keep: impl FnMut(&TreePath, &Node) -> bool) {
        let mut gone: Option<TreePath> = None;
        self.nodes.retain(|path, node| {
            if gone.as_ref().is_some_and(|dir| path.is_within(dir)) {
                return false;
            }
            let stays = keep(path, node);
            if !stays && matches!(node, Node::Dir { .. }) {
                gone = Some(path.clone());
            }
            stays
        });
    }

    /// The real place of `path`: links among its parents are followed (a package that ships `lib/x` in a tree where
    /// `lib` is a link to `usr/lib` puts `usr/lib/x`), and the parents are made.
    fn place(&mut self, path: &str) -> Result<TreePath, TreeError> {
        let path = TreePath::parse(path)?;
        let Some(parent) = path.parent() else {
            return Ok(path);
        };
        let parent = match self.resolve(parent.as_str()) {
            Err(TreeError::Path(InvalidPath::Root)) => return Ok(TreePath::parse(path.name())?),
            resolved => resolved?,
        };
        self.make_dirs(&parent)?;
        Ok(TreePath::parse(&format!("{parent}/{}", path.name()))?)
    }

    fn make_dirs(&mut self, path: &TreePath) -> Result<(), TreeError> {
        match self.nodes.get(path) {
            Some(Node::Dir { .. }) => return Ok(()),
            Some(_) => return Err(TreeError::NotADir { path: path.clone() }),
            None => {}
        }
        if let Some(parent) = path.parent() {
            self.make_dirs(&parent)?;
        }
        self.nodes.insert(path.clone(), Node::Dir { mode: 0o755 });
        Ok(())
    }
}

fn parts_reversed(path: &str) -> Vec<String> {
    path.split('/')
        .rev()
        .filter(|part| !matches!(*part, "" | "."))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged() -> Tree {
        let mut tree = Tree::new();
        tree.insert_dir("usr/lib", 0o755).unwrap();
        tree.insert_symlink("lib", "usr/lib").unwrap();
        tree
    }

    #[test]
    fn a_file_below_a_link_lands_where_the_link_leads() {
        let mut tree = merged();
        tree.insert_file("lib/libc.so.6", 0o644, *b"elf").unwrap();
        assert!(tree.get("usr/lib/libc.so.6").is_some());
        assert_eq!(tree.file("lib/libc.so.6").map(|data| data.len()), Some(3));
    }

    #[test]
    fn a_folder_does_not_replace_a_link_to_a_folder() {
        let mut tree = merged();
        tree.insert_dir("lib", 0o755).unwrap();
        assert_eq!(
            tree.get("lib"),
            Some(&Node::Symlink {
                target: "usr/lib".to_owned()
            })
        );
    }

    #[test]
    fn links_cannot_lead_out() {
        let mut tree = Tree::new();
        tree.insert_symlink("out", "../../../etc").unwrap();
        tree.insert_file("out/passwd", 0o644, *b"x").unwrap();
        assert!(tree.get("etc/passwd").is_some());
    }

    #[test]
    fn a_loop_is_named() {
        let mut tree = Tree::new();
        tree.insert_symlink("a", "b").unwrap();
        tree.insert_symlink("b", "a").unwrap();
        assert!(matches!(
            tree.insert_file("a/x", 0o644, *b""),
            Err(TreeError::Loop { .. })
        ));
    }

    #[test]
    fn a_file_is_no_parent_and_a_folder_no_file() {
        let mut tree = Tree::new();
        tree.insert_file("a", 0o644, *b"").unwrap();
        assert!(matches!(
            tree.insert_file("a/b", 0o644, *b""),
            Err(TreeError::NotADir { .. })
        ));
        tree.insert_dir("d", 0o755).unwrap();
        assert!(matches!(
            tree.insert_file("d", 0o644, *b""),
            Err(TreeError::IsADir { .. })
        ));
    }

    #[test]
    fn retain_takes_a_folder_with_its_contents() {
        let mut tree = Tree::new();
        for path in ["usr/share/doc/a", "usr/share/doc-base/b", "usr/bin/c"] {
            tree.insert_file(path, 0o644, *b"").unwrap();
        }
        tree.retain(|path, _| path.as_str() != "usr/share/doc");
        let left: Vec<_> = tree.iter().map(|(path, _)| path.to_string()).collect();
        assert_eq!(
            left,
            [
                "usr",
                "usr/bin",
                "usr/bin/c",
                "usr/share",
                "usr/share/doc-base",
                "usr/share/doc-base/b"
            ]
        );
    }
}
