//! One exercise in one guest: build, push, load, run, collect. The result is evidence; what it means is not known
//! here.

mod build;
mod collect;
mod params;
mod run;
mod steps;
mod window;
mod witness;

pub use build::{Built, build};
pub use run::{Bench, RunError, record};
