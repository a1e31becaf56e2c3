//! `labctl bench`, in parts: what is measured, how, and how it is told.

mod bed;
mod figures;
mod memory;
mod report;

pub(crate) use bed::{Bed, BedPlan};
pub(crate) use report::{Measured, Surroundings, human, json};
