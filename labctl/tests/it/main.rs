//! One integration binary: tests of the tree and of the command line, and labctl's public interface against fakes.
#![expect(clippy::unwrap_used, reason = "tests")]

mod cli;
mod fake_ssh;
mod guest;
mod tidy;
