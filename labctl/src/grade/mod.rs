//! Evidence in, verdict out. No file, no clock, no process: the same evidence always gives the same verdict.

pub mod evidence;
pub mod results;
pub mod verdict;
