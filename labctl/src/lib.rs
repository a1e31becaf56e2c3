//! labctl: reproducible QEMU laboratories for Linux kernel courses, as a library.

pub mod grade;
pub mod spec;
