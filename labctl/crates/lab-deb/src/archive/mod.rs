//! The `.deb` container (deb(5)): an `ar` archive of `debian-binary`, `control.tar*` and `data.tar*`.

mod ar;
mod compression;
mod entry;
mod reader;

pub use ar::ArError;
pub use entry::{Entry, EntryError, EntryKind, FileContent, Skipped};
pub use reader::{DebArchive, DebError, Layout, Limits, ReadOptions, VisitError, Visited};
