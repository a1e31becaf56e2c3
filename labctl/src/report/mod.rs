//! Results as text: for a person, for a program, for a CI server. Pure functions; whoever calls them prints.
//!
//! Every string of a result may hold what a student's program or module said, so none reaches an output except
//! through `safe`.

mod case;
pub mod class;
pub mod classroom;
pub mod classroom50;
pub mod csv;
pub mod exercism;
pub mod facts;
mod figure;
pub mod github;
pub mod gradescope;
pub mod hint;
#[cfg(test)]
mod hostile;
pub mod human;
pub mod json;
pub mod junit;
pub mod ktap;
pub mod lint;
pub mod markdown;
mod page;
pub(crate) mod safe;
#[cfg(test)]
mod sample;
pub mod svg;
pub mod watch;
mod wrap;

#[cfg(test)]
#[path = "../../tests/grade/validator.rs"]
mod validator;
