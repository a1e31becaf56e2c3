//! Results as text: for a person, for a program, for a CI server. Pure functions; whoever calls them prints.
//!
//! Every string of a result may hold what a student's program or module said, so none reaches an output except
//! through `safe`.

pub mod class;
pub mod facts;
mod figure;
pub mod hint;
pub mod human;
pub mod json;
pub mod junit;
pub mod lint;
mod page;
mod safe;
#[cfg(test)]
mod sample;
pub mod svg;
pub mod watch;
mod wrap;
