//! Processes and their ends: the one place that starts them, and the request to stop.

mod cancel;
mod process_record;
mod spawn;
mod words;

pub use cancel::{Cancel, CancellableReader, Cancelled, Reason};
pub use process_record::ProcessRecord;
pub use spawn::{async_command, blocking_command, find_program};
pub use words::words_of_processes;
