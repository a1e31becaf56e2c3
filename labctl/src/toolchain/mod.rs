//! The tools that labctl runs in sandboxes, as a root file system unpacked from pinned packages. Packages' own
//! maintainer scripts are never run; the few links that they would have made are made here.

mod links;
mod root;

pub use root::{PackageFile, Toolchain, ToolchainError};
