//! Running tools on inputs that nobody vouches for: a bubblewrap sandbox whose root is an unpacked package closure.
//! No network, no host file but those bound, no privileges, and limits on everything that a hostile input could
//! use without end.
//!
//! ```text
//! Bubblewrap::find ─► Sandbox (root, binds, environment) ─► run(argv, Limits) ─► Finished { outcome, output }
//! ```
//!
//! What runs inside is ended by killing bubblewrap: its child is process 1 of a namespace of its own and dies with
//! it (`--die-with-parent`), and the kernel then ends everything else in that namespace.

mod bubblewrap;
mod census;
mod command;
mod limits;
mod obstacle;
mod probe;
mod pump;
mod run;
#[cfg(test)]
mod tests;

pub use bubblewrap::{Bubblewrap, SandboxError};
pub use command::{Bind, Sandbox};
pub use limits::{Limit, Limits};
pub use obstacle::{HostFacts, Obstacle};
pub use probe::{SandboxSupport, probe};
pub use pump::Stream;
pub use run::{Finished, Outcome};
