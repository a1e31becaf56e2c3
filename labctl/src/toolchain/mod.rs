//! The tools that labctl runs in sandboxes, as a root file system unpacked from pinned packages. Packages' own
//! maintainer scripts are never run; the few links that they would have made are made here.

mod lazy;
mod links;
mod root;
mod unpack;

pub use lazy::{LazyToolchain, OpenError};
pub use root::{PackageFile, Toolchain, ToolchainError};
pub use unpack::{PackageError, unpack_all};

/// Packages that the closure of a toolchain may leave out, although something depends on them: they configure
/// installed systems, and nothing here is installed.
pub const LEFT_OUT: &[&str] = &[
    "base-files",
    "debconf",
    "dpkg",
    "install-info",
    "libdebconfclient0",
    "linux-base",
];
