//! Evidence in, verdict out. No file, no clock, no process: the same evidence always gives the same verdict.

pub mod evaluate;
pub mod evidence;
mod figures;
mod health;
mod laboratory;
mod outcome;
mod programs;
pub mod results;
mod rules;
mod scope;
mod structure;
pub mod survey;
pub mod verdict;
mod worksheet;

pub use evaluate::{GradeError, grade};
