//! The command line as a stranger meets it: what is printed where, and how it ends. No guest, no network.
//!
//! Transcripts are snapshots: whoever changes a message reads all of it in the difference.

mod authors;
mod cache;
mod class;
mod files;
mod graded;
mod help;
mod learners;
mod mirrors;
mod names;
mod pty;
#[path = "../../../src/apt/tests/server.rs"]
#[expect(dead_code, reason = "shared with the unit tests of apt, which use all of it")]
mod server;
pub(crate) mod shell;
mod streams;
mod watch;
