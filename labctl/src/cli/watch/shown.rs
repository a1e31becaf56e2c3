//! What there is to see: the last result, what it changed, and what happens now.

use std::time::Duration;

use crate::event::{Event, Unit};
use crate::grade::results::Results;
use crate::grade::verdict::{ExerciseResult, Verdict};
use crate::report::hint::Hint;
use crate::report::watch::{Changes, Screen};
use crate::spec::exercise::Exercise;

const KEYS: &str = "h hint, n next exercise, r run again, q quit";
const NO_KEYS: &str = "Ctrl-C ends; keys are read only from a terminal";
/// So many of the newest warnings are shown.
const WARNINGS: usize = 3;

/// How it stands with the guest for the next save.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextGuest {
    /// None is needed, or none is on its way.
    None,
    Starting,
    Ready,
}

/// What is known about one exercise, since it is watched.
#[derive(Debug)]
pub(super) struct Shown {
    exercise: String,
    title: String,
    results: Option<Results>,
    /// The last result that judged the student's work.
    judged: Option<ExerciseResult>,
    pub(super) changes: Option<Changes>,
    pub(super) problem: Option<String>,
    pub(super) hint: Option<Hint>,
    warnings: Vec<String>,
    took: Option<Duration>,
    /// Why something is being done; absent when nothing is.
    doing: Option<String>,
    stage: String,
    pub(super) guest: NextGuest,
}

impl Shown {
    pub(super) fn new(exercise: &Exercise) -> Self {
        Self::named(exercise.full_name(), exercise.title.clone())
    }

    fn named(exercise: String, title: String) -> Self {
        Self {
            exercise,
            title,
            results: None,
            judged: None,
            changes: None,
            problem: None,
            hint: None,
            warnings: Vec::new(),
            took: None,
            doing: None,
            stage: String::new(),
            guest: NextGuest::None,
        }
    }

    /// Something begins, for the reason `why`.
    pub(super) fn begin(&mut self, why: &str) {
        self.doing = Some(why.to_owned());
        self.stage.clear();
        self.warnings.clear();
        self.problem = None;
    }

    /// It has ended.
    pub(super) fn end(&mut self) {
        self.doing = None;
    }

    /// A verdict. What could not be judged is shown, and compared with nothing.
    pub(super) fn verdict(&mut self, results: Results, took: Duration) {
        let now = results.exercises.first().map(|exercise| &exercise.result);
        let now = now.filter(|result| !matches!(result.verdict, Verdict::Invalid | Verdict::Inconclusive));
        self.changes = now.and_then(|now| Some(Changes::between(self.judged.as_ref()?, now)));
        self.judged = now.cloned().or(self.judged.take());
        self.results = Some(results);
        self.took = Some(took);
        self.hint = None;
    }

    pub(super) fn warn(&mut self, text: String) {
        self.warnings.push(text);
        let surplus = self.warnings.len().saturating_sub(WARNINGS);
        self.warnings.drain(..surplus);
    }

    /// Something is told about the work at hand.
    pub(super) fn told(&mut self, event: Event) {
        match event {
            Event::Warning { text } => self.warn(text),
            Event::Started { stage, detail } => self.stage = format!("{stage}, {detail}"),
            Event::Progress {
                stage,
                done,
                total,
                unit,
                note,
            } => {
                let of = |count: u64| match unit {
                    Unit::Bytes => format!("{} MiB", count >> 20),
                    Unit::Files | Unit::Steps => count.to_string(),
                };
                let total = total
                    .map(|total| format!(" of {}", of(total)))
                    .unwrap_or_default();
                self.stage = format!("{stage}, {}{total}, {note}", of(done));
            }
            Event::Note { .. } | Event::Finished { .. } => {}
        }
    }

    fn now(&self) -> String {
        if let Some(why) = &self.doing {
            let stage = if self.stage.is_empty() { "" } else { " … " };
            return format!("{why}{stage}{}", self.stage);
        }
        let verdict = match self.took {
            Some(took) => format!("verdict after {:.1} s; ", took.as_secs_f64()),
            None => String::new(),
        };
        let next = match self.guest {
            NextGuest::None => "waiting for a save",
            NextGuest::Starting => "waiting for a save, a guest is starting",
            NextGuest::Ready => "waiting for a save, a guest is ready",
        };
        verdict + next
    }

    /// With this for a reader at a terminal; with `keys`, one who has a keyboard.
    pub(super) fn with_screen<T>(&self, keys: bool, show: impl FnOnce(&Screen<'_>) -> T) -> T {
        let now = self.now();
        show(&Screen {
            exercise: &self.exercise,
            title: &self.title,
            results: self.results.as_ref(),
            changes: self.changes.as_ref(),
            problem: self.problem.as_deref(),
            hint: self.hint.as_ref(),
            warnings: &self.warnings,
            now: &now,
            keys: Some(if keys { KEYS } else { NO_KEYS }),
        })
    }

    /// What somebody who reads line by line is told at the beginning.
    pub(super) fn keys(keys: bool) -> &'static str {
        if keys { KEYS } else { NO_KEYS }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Stage;
    use crate::grade::results::GradedExercise;

    fn results(verdict: Verdict, points: u32) -> Results {
        Results {
            course: "c".to_owned(),
            module: "m".to_owned(),
            seed: "lesson".to_owned(),
            environment: None,
            exercises: vec![GradedExercise {
                result: ExerciseResult {
                    id: "e".to_owned(),
                    title: String::new(),
                    verdict,
                    points,
                    max_points: 3,
                    checks: Vec::new(),
                    findings: Vec::new(),
                    figures: Vec::new(),
                },
                duration_ms: 0,
                run_dir: None,
            }],
        }
    }

    fn shown() -> Shown {
        Shown::named("m/e".to_owned(), String::new())
    }

    #[test]
    fn what_could_not_be_judged_is_compared_with_nothing() {
        let mut shown = shown();
        let took = Duration::from_millis(1840);
        let points = |shown: &Shown| shown.changes.as_ref().map(|changes| changes.points);
        shown.verdict(results(Verdict::Partial, 1), took);
        assert_eq!(points(&shown), None, "the first");
        shown.verdict(results(Verdict::Invalid, 0), took);
        assert_eq!(points(&shown), None);
        shown.verdict(results(Verdict::Inconclusive, 0), took);
        assert_eq!(points(&shown), None);
        shown.verdict(results(Verdict::Passed, 3), took);
        assert_eq!(points(&shown), Some((1, 3)), "with the last that was");
    }

    #[test]
    fn the_last_line_says_what_happens() {
        let mut shown = shown();
        assert_eq!(shown.now(), "waiting for a save");
        shown.begin("src/a.c changed");
        assert_eq!(shown.now(), "src/a.c changed");
        shown.told(Event::Started {
            stage: Stage::Run,
            detail: "sender".to_owned(),
        });
        assert_eq!(shown.now(), "src/a.c changed … run, sender");
        shown.told(Event::Progress {
            stage: Stage::Fetch,
            done: 3 << 20,
            total: Some(8 << 20),
            unit: Unit::Bytes,
            note: "gcc".to_owned(),
        });
        assert_eq!(shown.now(), "src/a.c changed … fetch, 3 MiB of 8 MiB, gcc");
        shown.end();
        shown.verdict(results(Verdict::Passed, 3), Duration::from_millis(1840));
        shown.guest = NextGuest::Ready;
        assert_eq!(
            shown.now(),
            "verdict after 1.8 s; waiting for a save, a guest is ready"
        );
    }

    #[test]
    fn old_warnings_make_room() {
        let mut shown = shown();
        for number in 0..5 {
            shown.told(Event::Warning {
                text: number.to_string(),
            });
        }
        assert_eq!(shown.warnings, ["2", "3", "4"]);
        shown.begin("again");
        assert!(shown.warnings.is_empty());
    }
}
