//! What happens while labctl works, as plain data: the layers below the CLI never print, they emit.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// A phase that a user can recognise; the CLI draws one line or bar for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    Fetch,
    Toolchain,
    Kernel,
    Image,
    Boot,
    Push,
    Build,
    Run,
    Grade,
    Store,
    Bench,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fetch => "fetch",
            Self::Toolchain => "toolchain",
            Self::Kernel => "kernel",
            Self::Image => "image",
            Self::Boot => "boot",
            Self::Push => "push",
            Self::Build => "build",
            Self::Run => "run",
            Self::Grade => "grade",
            Self::Store => "store",
            Self::Bench => "bench",
        })
    }
}

/// What the numbers of a [`Event::Progress`] count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    Bytes,
    Files,
    Steps,
}

/// One thing that happened. Cloneable and free of error objects, so that it can be shown, stored or sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A stage began; `detail` says on what.
    Started { stage: Stage, detail: String },
    /// `done` of `total` units; `total` is absent where it cannot be known. `note` is the item at hand.
    Progress {
        stage: Stage,
        done: u64,
        total: Option<u64>,
        unit: Unit,
        note: String,
    },
    /// A stage ended well; `detail` is worth a line (a size, a cache hit).
    Finished { stage: Stage, detail: String },
    /// Something the user should know but need not act on.
    Note { text: String },
    /// Something that differs from what was asked for (drift, a fall-back): shown even with `--quiet`.
    Warning { text: String },
}

/// An error with its causes, in one line, for the text of an event.
pub fn in_one_line(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    std::iter::once(error.to_string())
        .chain(causes.map(ToString::to_string))
        .collect::<Vec<_>>()
        .join(": ")
}

/// Where events go. Cheap to clone; a sink must not block.
#[derive(Clone)]
pub struct Events(Arc<dyn Fn(Event) + Send + Sync>);

impl Events {
    /// Sends every event to `sink`.
    pub fn new(sink: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(sink))
    }

    /// Drops every event: for tests and for callers with nobody to tell.
    pub fn silent() -> Self {
        Self::new(|_| {})
    }

    pub fn emit(&self, event: Event) {
        (self.0)(event);
    }

    pub fn started(&self, stage: Stage, detail: impl Into<String>) {
        self.emit(Event::Started {
            stage,
            detail: detail.into(),
        });
    }

    pub fn finished(&self, stage: Stage, detail: impl Into<String>) {
        self.emit(Event::Finished {
            stage,
            detail: detail.into(),
        });
    }

    pub fn progress(&self, stage: Stage, done: u64, total: Option<u64>, unit: Unit, note: impl Into<String>) {
        self.emit(Event::Progress {
            stage,
            done,
            total,
            unit,
            note: note.into(),
        });
    }

    pub fn note(&self, text: impl Into<String>) {
        self.emit(Event::Note { text: text.into() });
    }

    pub fn warn(&self, text: impl Into<String>) {
        self.emit(Event::Warning { text: text.into() });
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}
