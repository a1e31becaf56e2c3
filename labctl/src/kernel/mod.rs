//! Kernels: what one is meant to be, how it is built or unpacked, and what its guests and modules need of it.
//!
//! `plan` and what it uses are functions of their arguments; `source` and `packaged` carry plans out.

pub mod bzimage;
pub mod config;
pub mod fragments;
pub mod modules;
pub mod plan;
pub mod progress;
pub mod spec;
pub mod tree;

mod build;
mod entry;
mod error;
mod origin;
mod packaged;
mod requests;
mod source;
mod types;

pub use build::{KernelBuilder, KernelParts};
pub use entry::Kernel;
pub use error::KernelError;
pub use requests::{HEADERS_SET, KERNEL_SET, TOOLCHAIN_SET};
pub use types::TypesError;
