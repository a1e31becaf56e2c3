//! `environment.json` of a run: where it was made, so that grading it again says the same.

use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::cli::failure::Failure;
use crate::grade::results::Environment;
use crate::run_dir::RunDir;

#[derive(Serialize, Deserialize)]
struct Recorded {
    version: u32,
    labctl: String,
    kernel: String,
    kernel_id: String,
    image_id: String,
    accel: String,
    accel_reason: String,
    qemu: String,
    duration_ms: u64,
}

pub(crate) fn write_environment(
    run_dir: &RunDir,
    environment: &Environment,
    duration_ms: u64,
) -> Result<(), Failure> {
    let environment = environment.clone();
    let recorded = Recorded {
        version: 1,
        labctl: environment.labctl,
        kernel: environment.kernel,
        kernel_id: environment.kernel_id,
        image_id: environment.image_id,
        accel: environment.accel,
        accel_reason: environment.accel_reason,
        qemu: environment.qemu,
        duration_ms,
    };
    fs::write(run_dir.environment(), serde_json::to_vec_pretty(&recorded)?)?;
    Ok(())
}

/// What was recorded beside a run; nothing for a run that needed no guest.
pub(crate) fn read_environment(run_dir: &RunDir) -> Option<(Environment, u64)> {
    let bytes = fs::read(run_dir.environment()).ok()?;
    let recorded: Recorded = serde_json::from_slice(&bytes).ok()?;
    let environment = Environment {
        labctl: recorded.labctl,
        kernel: recorded.kernel,
        kernel_id: recorded.kernel_id,
        image_id: recorded.image_id,
        accel: recorded.accel,
        accel_reason: recorded.accel_reason,
        qemu: recorded.qemu,
    };
    Some((environment, recorded.duration_ms))
}
