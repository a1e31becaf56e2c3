//! Archives and indexes, whole: built here, read by the crate.

mod archives;
mod building;
mod indexes;
mod unpacking;
