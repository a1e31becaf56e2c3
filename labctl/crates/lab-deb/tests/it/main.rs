//! Archives and indexes, whole: built here, read by the crate.
#![expect(clippy::unwrap_used, reason = "tests")]

mod archives;
mod building;
mod indexes;
mod unpacking;
