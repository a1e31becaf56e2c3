//! A class's results: a table for people, CSV for a gradebook, JSON for programs, Markdown for a page.

pub mod csv;
pub mod human;
pub mod json;
pub mod markdown;
#[cfg(test)]
mod sample;
pub mod similarity;
