//! Root file systems in memory, and archives of them whose bytes depend on nothing but their contents.
//!
//! A [`Tree`] is a sorted map of normalised paths; the order in which files are added cannot reach an archive.
//! [`cpio`] writes the "newc" format that Linux unpacks as an initramfs (kernel:
//! `Documentation/driver-api/early-userspace/buffer-format.rst`).

#![forbid(unsafe_code)]

pub mod cpio;
mod path;
mod tree;

pub use path::{InvalidPath, TreePath};
pub use tree::{Node, Tree, TreeError};
