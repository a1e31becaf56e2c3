//! What crosses the line between the host and the guest.
//!
//! * [`datagram`] — the arguments of `sender` and `receiver`.
//! * [`host`] — what a host tells a guest's init.
//! * [`stage`] — the lines that the guest's init writes to the console.
//! * [`witness`] — the JSON lines that `tracer` prints; [`packet`] — those about packets and probes.
//! * [`record`] — the binary records that `/dev/witness` yields, as `kmod/witness.c` writes them.
#![forbid(unsafe_code)]

pub mod datagram;
pub mod host;
pub mod packet;
pub mod record;
pub mod stage;
pub mod witness;
