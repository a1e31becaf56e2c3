//! Grading without a guest: made-up evidence of right and wrong runs of the course's own exercises.
#![expect(clippy::unwrap_used, reason = "tests")]

mod answers;
mod corpus;
mod course;
mod kinds;
mod mutants;
mod properties;
mod recorded;
mod runs;
mod support;
