//! One integration binary: tests of the tree and of the command line, and labctl's public interface against fakes.
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::print_stderr, reason = "a test that is skipped says why")]

mod action;
mod cli;
mod fake_ssh;
mod guest;
mod release;
#[path = "../../src/apt/tests/server.rs"]
#[expect(dead_code, reason = "shared with the unit tests of apt, which use all of it")]
mod server;
mod slurm;
mod substitutes;
mod tidy;

/// Says why a test is skipped. Where that must not be, it is a failure.
fn skip(why: &str) {
    assert!(std::env::var_os("LABCTL_FORBID_SKIP").is_none(), "{why}");
    eprintln!("skipped: {why}");
}
