//! Lines that open a report.
//!
//! Only the start of a line counts: a module that prints `send_trace: BUG: …` is quoting, not failing.

mod fault;
mod opening;
mod refusal;
mod report;
#[cfg(test)]
mod tests;

pub(crate) use opening::opening;
pub(super) use opening::{Extent, Opening};
