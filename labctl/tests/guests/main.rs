//! The built program against real kernels in real guests, under whatever accelerator this host has.
//!
//! Skips, with the reason, where QEMU or bubblewrap is missing; with `LABCTL_FORBID_SKIP` that is a failure. Kernels
//! and images live in the user's own store, so that a second run is quick.
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::print_stderr, reason = "a skip has to say why")]

mod bed;
mod breaks;
mod class;
mod clones;
mod compiling;
mod crowd;
mod grading;
mod images;
mod journey;
mod leaves;
#[path = "../it/cli/pty.rs"]
#[expect(
    dead_code,
    reason = "shared with the tests of the command line, which use all of it"
)]
mod pty;
mod store;
mod watching;
mod workbench;

/// Says why a test is skipped. Where that must not be, it is a failure.
fn skip(why: &str) {
    assert!(std::env::var_os("LABCTL_FORBID_SKIP").is_none(), "{why}");
    eprintln!("skipped: {why}");
}

/// A figure for whoever reads the log.
fn say(text: &str) {
    eprintln!("{text}");
}
