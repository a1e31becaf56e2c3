//! One machine: from a description to a running QEMU under control, and back down. Knows nothing of exercises,
//! SSH or courses.
//!
//! ```text
//! VmConfig ──argv──► QemuProcess ──QMP negotiated──► Vm ──shutdown──► Ended
//!                        │                            │ └──detach────► (runs on; Vm::attach later)
//!                        └─ died at once: Death       └─ observed: RunState, stages, console
//! ```
//!
//! Everything a machine leaves on the disk is in its [`InstanceDir`]. QEMU writes the console and the kernel log
//! to files there itself: no reader of ours can stall the guest, and nothing is lost while nobody reads.

mod argv;
mod config;
mod death;
mod follow;
mod freeze;
mod instance;
mod launch;
mod lease;
mod line;
mod machine;
mod observe;
mod opt;
mod port;
mod process;
mod qemu;
mod qmp;
mod readiness;
mod reap;
mod record;
mod state;
mod wire;

pub use argv::argv;
pub use config::{AccelKind, ConfigError, Disk, Origin, VmConfig};
pub use death::{Death, DeathCause};
pub use follow::Follower;
pub use freeze::{FreezeError, ThawError};
pub use instance::{InstanceDir, InstanceError};
pub use launch::LaunchError;
pub use lease::{Holder, Lease, LeaseError};
pub use line::Line;
pub use machine::{AttachError, Ended, ShutdownError, Vm, WaitError};
pub use process::{Exit, QemuProcess, gone};
pub use qemu::{OLDEST, PROGRAM, Qemu, QemuError, Version};
pub use qmp::{Qmp, QmpError};
pub use reap::{Reaped, reap_stale};
pub use record::{Condition, InstanceRecord};
pub use state::{Observation, PanicInfo, PowerCause, RunState, StageMark};
pub use wire::QmpEvent;
