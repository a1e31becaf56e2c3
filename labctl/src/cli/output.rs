//! The two streams. stdout carries results only; a reader that went away (`labctl list | head`) is not an error.

use std::io::{self, Write as _};

use super::failure::Failure;

/// Prints a result. The text comes sanitised from `report`.
pub(crate) fn result(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Prints a message for a person.
pub(crate) fn talk(text: &str) {
    // Nobody is left to tell when stderr is gone.
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// Prints a failure.
pub(crate) fn error(failure: &Failure, colour: bool) {
    drop(io::stderr().lock().write_all(failure.render(colour).as_bytes()));
}
