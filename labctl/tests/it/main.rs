//! One integration binary: fakes on the outside, the public interface on the inside.
#![expect(clippy::unwrap_used, reason = "tests")]

mod fake_ssh;
mod guest;
