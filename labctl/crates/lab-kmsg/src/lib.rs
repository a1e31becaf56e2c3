#![forbid(unsafe_code)]
//! What a Linux kernel says, as data.
//!
//! Three sources come in as bytes that nobody vouches for: the `/dev/kmsg` stream ([`kmsg`]), the serial console
//! ([`console`]) and whatever programs print. They leave as [`LogLine`]s whose text is safe to show ([`mod@sanitize`]),
//! as [`Splat`]s with the module to blame ([`splat`]), or, while a machine boots, as [`scan::Event`]s.
//!
//! Nothing here does I/O, and nothing panics on any input.

pub mod console;
pub mod kmsg;
mod line;
pub mod sanitize;
pub mod scan;
pub mod splat;
mod text;

pub use line::{Caller, Level, LogLine, Origin};
pub use sanitize::line as sanitize;
pub use scan::ConsoleScanner;
pub use splat::{Blame, BlameReason, CodeLoc, Severity, Splat, SplatKind};
