//! What every command gets: settings, progress, the request to stop, and the things that are found only when asked
//! for.

use std::path::PathBuf;
use std::sync::Arc;

use super::failure::Failure;
use super::settings::Settings;
use super::ui::Ui;
use crate::event::{Event, Events};
use crate::store::Store;
use crate::supervise::Cancel;
use crate::vm::reap_stale;

/// One command's surroundings.
pub(crate) struct Context {
    pub(crate) settings: Settings,
    pub(crate) ui: Arc<Ui>,
    pub(crate) events: Events,
    pub(crate) cancel: Cancel,
}

impl Context {
    pub(crate) fn new(settings: Settings, ui: Arc<Ui>, cancel: Cancel) -> Self {
        let events = ui.events();
        Self {
            settings,
            ui,
            events,
            cancel,
        }
    }

    /// The same surroundings, in which only warnings are told: for work of which there are several at once.
    pub(crate) fn with_warnings_only(&self) -> Self {
        let events = self.events.clone();
        let warnings = Events::new(move |event| {
            if matches!(event, Event::Warning { .. }) {
                events.emit(event);
            }
        });
        self.with(warnings, self.cancel.clone())
    }

    /// The same surroundings, in which others are told, and which can be asked to stop alone.
    pub(crate) fn with(&self, events: Events, cancel: Cancel) -> Self {
        Self {
            settings: self.settings.clone(),
            ui: self.ui.clone(),
            events,
            cancel,
        }
    }

    /// The same surroundings, in which runs are recorded in `dir`.
    pub(crate) fn recording_into(mut self, dir: PathBuf) -> Self {
        self.settings.runs_dir = dir;
        self
    }

    /// The store, made when it is missing.
    pub(crate) fn store(&self) -> Result<Store, Failure> {
        Ok(Store::open(&self.settings.cache_dir)?)
    }

    /// Ends and removes what labctls that were killed have left. Every command that looks at guests begins so.
    pub(crate) fn reap(&self) -> Result<(), Failure> {
        for reaped in reap_stale(&self.settings.instances_dir())? {
            if reaped.was_running {
                self.events.note(format!(
                    "ended the guest `{}` of a labctl that was killed",
                    reaped.name
                ));
            }
        }
        Ok(())
    }
}
