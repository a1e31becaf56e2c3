//! The `/dev/kmsg` stream: one record per read, `prio,seq,ts,flags[,…];text`, then ` KEY=VALUE` lines
//! (`Documentation/ABI/testing/dev-kmsg`).
//!
//! The kernel escapes every byte of a text that is not printable ASCII, and the backslash itself, as `\xNN`
//! (`msg_add_ext_text` in `kernel/printk/printk.c`). A line break inside a message can therefore never start a second
//! record, and stays visible as `\n` in [`Record::text`].

mod log;
mod record;
mod stream;

pub use log::Kmsg;
pub use record::Record;
pub use stream::{Gap, Stream};

#[cfg(test)]
mod tests;
