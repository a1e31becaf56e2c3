//! Entries of a store in one file, for a host that cannot make them itself.
//!
//! ```text
//! bundle.tar.zst = zstd( tar( bundle.json, <bucket>/<id>/<path>, … ) )
//! bundle.json    = entries, and of each every file with size and SHA-256: labctl/bundle/v1
//! ```
//!
//! The list of contents comes first and says all. What follows has to be, header for header and byte for byte, what the
//! list promises, so that no name, link or size in the archive decides anything. The same entries give the same bytes.

mod content;
mod error;
mod layout;
mod manifest;
mod member;
mod read;
mod unpack;
mod write;

#[cfg(test)]
mod tests;

pub use content::describe;
pub use error::BundleError;
pub use manifest::{Item, Kind, Listed, Manifest, SCHEMA};
pub use read::Bundle;
pub use unpack::{Fate, Unpacked};
pub use write::{Written, write};
