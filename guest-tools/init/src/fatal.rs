//! The end of a start that cannot go on: which stage, why, said once, on the console.

use std::error::Error;
use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};

use lab_proto::stage::Stage;

use crate::console::Console;
use crate::power;

/// A stage that could not be finished.
#[derive(Debug, thiserror::Error)]
#[error("{stage}")]
pub(crate) struct Fatal {
    stage: Stage,
    #[source]
    cause: Box<dyn Error + Send + Sync>,
}

/// Names the stage that an error belongs to.
pub(crate) trait AtStage<T> {
    /// Turns any error into that stage's end.
    fn at(self, stage: Stage) -> Result<T, Fatal>;
}

impl<T, E: Into<Box<dyn Error + Send + Sync>>> AtStage<T> for Result<T, E> {
    fn at(self, stage: Stage) -> Result<T, Fatal> {
        // A panic has no other way of knowing how far init had come.
        REACHED.store(index(stage), Ordering::Relaxed);
        self.map_err(|cause| Fatal {
            stage,
            cause: cause.into(),
        })
    }
}

static REACHED: AtomicUsize = AtomicUsize::new(0);

fn index(stage: Stage) -> usize {
    Stage::ALL.iter().position(|&other| other == stage).unwrap_or(0)
}

/// Writes the line that the host looks for.
pub(crate) fn report(fatal: &Fatal) {
    if let Ok(mut console) = Console::open() {
        console.fatal(fatal.stage, chain(fatal.cause.as_ref()));
    }
}

/// A panic of PID 1 becomes a fatal line and an orderly power-off instead of a kernel panic.
pub(crate) fn report_panics() {
    panic::set_hook(Box::new(|info| {
        if let Ok(mut console) = Console::open() {
            let stage = Stage::ALL[REACHED.load(Ordering::Relaxed)];
            console.fatal(stage, info.to_string());
        }
        power::off();
    }));
}

/// The error and its causes on one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot mount `/proc`")]
    struct Outer(#[source] io::Error);

    #[test]
    fn the_line_names_every_cause() {
        let failed: Result<(), Outer> = Err(Outer(io::Error::other("no such device")));
        let fatal = failed.at(Stage::Mounts).unwrap_err();
        assert_eq!(fatal.stage, Stage::Mounts);
        assert_eq!(
            chain(fatal.cause.as_ref()),
            "cannot mount `/proc`: no such device"
        );
    }
}
