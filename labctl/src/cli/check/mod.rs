//! `labctl check`, in parts: what is to be graded, where it was run, running it.

mod laboratory;
mod live;
mod record;
mod select;
mod submission;

pub(crate) use laboratory::{Laboratory, grade_all, grade_one, paper};
pub(crate) use live::{Arriving, Bench, Graded, observe};
pub(crate) use record::read_environment;
pub(crate) use select::select;
pub(crate) use submission::{Submission, from_files, from_reference, from_reference_with, from_workspace};
