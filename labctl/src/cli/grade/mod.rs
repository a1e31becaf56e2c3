//! `labctl grade` and `labctl merge`, in parts.
//!
//! ```text
//! candidates (folder, list) ─► intake (files, seed) ─► batch (units of work, guests) ─► conclude (rows, tables)
//! ```
//!
//! A unit of work is one exercise of one student. Its folder appears whole, by a rename, and bears the key of everything
//! that it was made of; rows are always made from such folders, so that a run in one go, one that was resumed and one
//! that was merged end in the same bytes.

mod batch;
mod candidates;
mod conclude;
pub(crate) mod course_key;
mod folder;
mod intake;
mod join;
mod pace;
mod records;
mod similarity;

pub(crate) use batch::Batch;
pub(crate) use candidates::{Candidate, candidates};
pub(crate) use conclude::conclude;
pub(crate) use folder::Grades;
pub(crate) use intake::{Intakes, Seeds, require_folder};
pub(crate) use join::join;
pub(crate) use records::{Class, Handed, Member, definition};
