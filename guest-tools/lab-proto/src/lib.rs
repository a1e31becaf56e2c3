//! What crosses the line between the host and the guest.
//!
//! * [`datagram`] — the arguments of `sender` and `receiver`.
//! * [`clock`] — what a host tells a guest that goes on.
//! * [`stage`] — the lines that the guest's init writes to the console.
//! * [`witness`] — the JSON lines that `tracer` prints; [`packet`] — those about packets and probes.
//! * [`record`] — the binary records that `/dev/witness` yields, as `kmod/witness.c` writes them.
#![forbid(unsafe_code)]

pub mod clock;
pub mod datagram;
pub mod packet;
pub mod record;
pub mod stage;
pub mod witness;
