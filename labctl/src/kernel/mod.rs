//! Kernels: what one is meant to be, how it is built or unpacked, and what its guests and modules need of it.
//!
//! Everything here is a function of its arguments; the sandbox that runs a plan is somebody else's.

pub mod bzimage;
pub mod config;
pub mod fragments;
pub mod modules;
pub mod plan;
pub mod progress;
pub mod spec;
pub mod toolchain;
pub mod tree;
