//! Debian's formats, and nothing about labs: no network, no processes, no clock.
//!
//! - [`deb822`]: the stanza syntax of `Packages`, `Release`, `control` and `.sources` files.
//! - [`Version`], [`relation`]: versions and dependency fields, ordered and matched as dpkg does.
//! - [`Release`], [`PackageIndex`]: what an archive publishes.
//! - [`close_over`]: the packages that a request needs, the same list for the same index and request.
//! - [`archive`]: the entries of a `.deb`, checked; [`unpack_into`]: the same, into a directory.
#![forbid(unsafe_code)]

pub mod archive;
pub mod deb822;
pub mod relation;

mod index;
mod path;
mod release;
mod solve;
mod suggest;
mod unpack;
mod version;

pub use index::{IndexError, Package, PackageIndex};
pub use path::{PathError, RelativePath};
pub use release::{Checksum, Release, ReleaseError, parse_date};
pub use solve::{Closure, Follow, Request, SolveError, Waived, close_over};
pub use suggest::closest;
pub use unpack::{UnpackError, Unpacked, unpack_into};
pub use version::{Version, VersionError};
