//! Switching the guest off.

use nix::errno::Errno;
use nix::sys::reboot::{RebootMode, reboot, set_cad_enabled};
use nix::unistd::sync;

/// Ctrl-Alt-Del sends SIGINT to init from now on, instead of resetting the machine on the spot.
pub(crate) fn own_ctrl_alt_del() -> Result<(), Errno> {
    match set_cad_enabled(false) {
        Err(Errno::EINVAL) | Ok(()) => Ok(()),
        Err(e) => Err(e),
    }
}

/// Powers off. Returns only if the kernel refuses.
pub(crate) fn off() {
    sync();
    reboot(RebootMode::RB_POWER_OFF).ok();
}
