//! Bytes on their way, added up and told.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::cli::cache::size;
use crate::event::{Events, Stage, Unit};

/// Adds up what was read, and tells it.
pub(super) struct Tally<'a> {
    events: &'a Events,
    doing: &'static str,
    done: AtomicU64,
    told: AtomicU64,
    total: u64,
}

impl<'a> Tally<'a> {
    /// How many bytes make a step worth telling.
    const STEP: u64 = 1 << 20;

    pub(super) fn new(events: &'a Events, doing: &'static str, total: u64) -> Self {
        events.started(Stage::Store, format!("{doing} {}", size(total)));
        Self {
            events,
            doing,
            done: AtomicU64::new(0),
            told: AtomicU64::new(0),
            total,
        }
    }

    pub(super) fn add(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if done - self.told.load(Ordering::Relaxed) >= Self::STEP || done == self.total {
            self.told.store(done, Ordering::Relaxed);
            self.events
                .progress(Stage::Store, done, Some(self.total), Unit::Bytes, self.doing);
        }
    }

    pub(super) fn end(&self, what: &str) {
        self.events.finished(Stage::Store, what);
    }
}
