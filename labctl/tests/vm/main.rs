//! Machines, driven by a QEMU that dies on cue, hangs, or panics; and the probe, on the real one.

#![expect(clippy::unwrap_used, reason = "tests")]

mod bed;
mod boots;
mod dies;
mod leaves;
mod probes;
