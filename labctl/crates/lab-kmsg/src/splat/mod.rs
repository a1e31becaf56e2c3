//! Oopses, warnings, panics, stalls and refusals in a kernel log.
//!
//! [`find()`] walks the lines once. An opening line (`header`) starts a [`Splat`]; the lines that belong to it (`body`) fill
//! it, until its end marker, another opening line, or a long stretch that has nothing to do with it. Formats are those of
//! x86-64 kernels 5.10 and later; the sources they were read from are named beside each.

mod blame;
mod body;
mod code_loc;
mod find;
mod header;
mod kind;
mod model;

pub use blame::{Blame, BlameReason};
pub use code_loc::CodeLoc;
pub use find::{find, root_cause};
pub(crate) use header::opening;
pub use kind::{Severity, SplatKind};
pub use model::{Frame, LineRange, LinkedModule, Registers, SourceLine, Splat};
