//! The serial console: kernel lines with a time stamp, and whatever else was written to the port.
//!
//! The kernel prints its lines whole, but it may do so in the middle of a line that a process is writing. Such a
//! process's line is put together again; a kernel line is never cut in two, however much of its text looks like a time
//! stamp.

mod codes;
mod splitter;
mod stamp;

pub use splitter::{Splitter, parse, tail};
