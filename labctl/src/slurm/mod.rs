//! Slurm, which distributes the parts of a class over the nodes of a cluster and runs those again whose node dies.
//!
//! labctl only describes the work: an array job with one task for each part (sbatch(1), "JOB ARRAYS").

mod job;
mod submit;

pub use job::ArrayJob;
pub use submit::{Ended, SlurmError, submit};
