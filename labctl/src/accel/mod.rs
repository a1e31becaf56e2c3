//! Which accelerator guests run with on this host, and why.
//!
//! That `/dev/kvm` exists and opens proves nothing: inside some virtual machines it answers and still cannot run a
//! stock guest. So KVM is used only where a small guest of ours has run on it, quickly, to its end; the outcome is
//! remembered for as long as the host, its kernel and its QEMU stay the same. Everywhere else, TCG.

mod choose;
mod device;
mod memory;
mod probe;
mod probe_kernel;

pub use choose::{Accel, AccelChoice, AccelError, Kvm, choose, kvm};
pub use device::{Denial, HostKvm};
pub use probe::{ProbeFailure, probe};
