//! The course as data: files in, checked types out. Nothing here touches the disk.
//!
//! `files` and `yaml` read with positions, `raw*` are the shapes as written, `validate*` turn them into the checked types of
//! `course` and `exercise`. Expressions (`expr`, `text`) are compiled when the course is loaded, so a typo is found then.

pub mod annotate;
pub mod answers;
pub mod builtin;
pub mod catalogue;
pub mod chance;
pub mod course;
pub mod error;
pub mod exercise;
pub mod expr;
pub mod figure;
pub mod files;
pub mod functions;
pub mod givens;
pub mod ids;
pub mod mutant;
pub mod order;
pub mod pattern;
pub mod quantity;
pub mod raw;
pub mod schema;
pub mod scope;
pub mod suggest;
pub mod survey;
pub mod text;
pub mod types;
pub mod validate;
mod validate_checks;
mod validate_run;
mod validate_worksheet;
pub mod value;
pub mod workspace;
pub mod yaml;
