//! `labctl check`, in parts: what is to be graded, where it was run, running it.

mod laboratory;
mod live;
mod record;
mod submission;

pub(crate) use laboratory::{Laboratory, grade_all};
pub(crate) use live::{Bench, observe};
pub(crate) use record::read_environment;
pub(crate) use submission::{from_files, from_reference, from_workspace};
