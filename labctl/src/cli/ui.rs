//! Progress on stderr: bars on a terminal, plain lines elsewhere, warnings only with `--quiet`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use lab_kmsg::sanitize::line as sanitize;

use crate::event::{Event, Events, Stage, Unit};
use crate::report::safe::disarm;

/// How much of what happens is shown, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Bars,
    Lines,
    Quiet,
}

/// Draws events. One per process.
pub(crate) struct Ui {
    mode: Mode,
    bars: MultiProgress,
    state: Mutex<BTreeMap<Stage, Shown>>,
}

struct Shown {
    bar: Option<ProgressBar>,
    since: Instant,
    last_line: Instant,
}

/// Without a terminal, a long stage says every so often that it is alive, so that a CI log is neither silent for
/// minutes nor thousands of lines long.
const LINE_EVERY: Duration = Duration::from_secs(15);

impl Ui {
    pub(crate) fn new(mode: Mode) -> Self {
        let bars = MultiProgress::new();
        if mode != Mode::Bars {
            bars.set_draw_target(ProgressDrawTarget::hidden());
        }
        Self {
            mode,
            bars,
            state: Mutex::new(BTreeMap::new()),
        }
    }

    /// The sink to hand to the layers below.
    pub(crate) fn events(self: &std::sync::Arc<Self>) -> Events {
        let ui = self.clone();
        Events::new(move |event| ui.show(event))
    }

    /// Removes what is drawn, before a result or an error is printed.
    pub(crate) fn clear(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for shown in std::mem::take(&mut *state).into_values() {
            if let Some(bar) = shown.bar {
                bar.finish_and_clear();
            }
        }
    }

    fn show(&self, event: Event) {
        match event {
            Event::Warning { text } => self.line(&format!("warning: {text}")),
            _ if self.mode == Mode::Quiet => {}
            Event::Note { text } => self.line(&text),
            Event::Started { stage, detail } => self.start(stage, &detail),
            Event::Progress {
                stage,
                done,
                total,
                unit,
                note,
            } => self.advance(stage, done, total, unit, &note),
            Event::Finished { stage, detail } => self.finish(stage, &detail),
        }
    }

    fn line(&self, text: &str) {
        let text = disarm(&sanitize(text.as_bytes(), 1000));
        // With a hidden draw target `MultiProgress::println` prints nothing at all, hence the two ways.
        if self.mode != Mode::Bars || self.bars.println(&text).is_err() {
            // Nobody is left to tell when stderr is gone.
            drop(writeln!(anstream::stderr(), "{text}"));
        }
    }

    fn start(&self, stage: Stage, detail: &str) {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.contains_key(&stage) {
            return;
        }
        let bar = (self.mode == Mode::Bars).then(|| {
            let bar = self.bars.add(ProgressBar::new_spinner());
            bar.set_style(spinner_style());
            bar.set_prefix(format!("{stage:>9}"));
            bar.set_message(sanitize(detail.as_bytes(), 120));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        if bar.is_none() {
            self.line(&format!("{stage:>9}  {detail}"));
        }
        state.insert(
            stage,
            Shown {
                bar,
                since: now,
                last_line: now,
            },
        );
    }

    fn advance(&self, stage: Stage, done: u64, total: Option<u64>, unit: Unit, note: &str) {
        self.start(stage, note);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(shown) = state.get_mut(&stage) else {
            return;
        };
        if let Some(bar) = &shown.bar {
            if bar.length() != total {
                match total {
                    Some(total) => {
                        bar.set_length(total);
                        bar.set_style(bar_style(unit));
                    }
                    None => bar.set_style(spinner_style()),
                }
            }
            bar.set_position(done);
            bar.set_message(sanitize(note.as_bytes(), 80));
        } else if shown.last_line.elapsed() >= LINE_EVERY {
            shown.last_line = Instant::now();
            let count = match (unit, total) {
                (Unit::Bytes, Some(total)) => format!("{} of {} MiB", done >> 20, total >> 20),
                (Unit::Bytes, None) => format!("{} MiB", done >> 20),
                (_, Some(total)) => format!("{done} of {total}"),
                (_, None) => done.to_string(),
            };
            drop(state);
            self.line(&format!("{stage:>9}  {count}  {note}"));
        }
    }

    fn finish(&self, stage: Stage, detail: &str) {
        let shown = self
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&stage);
        let seconds = shown
            .as_ref()
            .map_or(0.0, |shown| shown.since.elapsed().as_secs_f64());
        if let Some(bar) = shown.and_then(|shown| shown.bar) {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
        self.line(&format!("{stage:>9}  {detail} ({seconds:.1} s)"));
    }
}

fn spinner_style() -> ProgressStyle {
    ProgressStyle::with_template("{prefix} {spinner} {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn bar_style(unit: Unit) -> ProgressStyle {
    let template = match unit {
        Unit::Bytes => "{prefix} [{bar:24}] {bytes}/{total_bytes} {bytes_per_sec} {eta} {wide_msg}",
        Unit::Files | Unit::Steps => "{prefix} [{bar:24}] {pos}/{len} {eta} {wide_msg}",
    };
    ProgressStyle::with_template(template)
        .map(|style| style.progress_chars("=> "))
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
