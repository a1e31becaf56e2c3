//! Grading without a guest: made-up evidence of right and wrong runs of the course's own exercises.
#![expect(clippy::unwrap_used, reason = "tests")]

mod answers;
mod broken;
mod corpus;
mod course;
mod coverage;
mod kinds;
mod lint;
mod mutants;
mod properties;
mod recorded;
mod runs;
mod schema;
mod support;
mod tutorial;
mod validator;
