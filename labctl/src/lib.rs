//! labctl: reproducible QEMU labs for kernel courses.
//!
//! Layers, each of which may use only what stands above it in its own column or to its left:
//!
//! ```text
//! data            one outside world each        orchestration        presentation
//! event digest    store  apt  image  kernel     supervise            report
//! deadline spec   sandbox  vm  guest            session  exercise    cli
//! grade
//! ```
//!
//! `tests/it/tidy.rs` holds the edges. ARCHITECTURE.md has the map.

pub mod accel;
pub mod apt;
pub mod cbuild;
pub mod class;
pub mod cli;
pub mod deadline;
pub mod digest;
pub mod embedded;
pub mod event;
pub mod exercise;
pub mod grade;
pub mod guest;
pub mod image;
pub mod kernel;
pub mod lint;
pub mod report;
pub mod run_dir;
pub mod sandbox;
pub mod session;
pub mod similar;
pub mod spec;
pub mod store;
pub mod submission;
pub mod supervise;
pub mod toolchain;
pub mod vm;
