//! What a verdict, a failure and the keys lead to, for whoever reads it.

use std::io;
use std::time::Instant;

use super::choice::next;
use super::round::Subject;
use super::session::{Goal, Session};
use crate::cli::check::Graded;
use crate::cli::failure::Failure;
use crate::cli::ladder::climb;
use crate::cli::output;
use crate::cli::progress::Progress;
use crate::grade::results::Results;
use crate::report;

impl Session<'_> {
    /// Shows what was found, and what it changed.
    pub(super) fn verdict(&mut self, graded: Graded, since: Instant) -> io::Result<()> {
        if let Some(failure) = &graded.failure {
            self.problem(failure);
        }
        let results = Results {
            course: self.subject.loaded.course.name.clone(),
            module: self.subject.module.id.to_string(),
            seed: self.found.workspace.seed.clone(),
            // It is the same every time.
            environment: None,
            exercises: vec![graded.exercise],
        };
        let took = since.elapsed();
        let (columns, colour) = self.canvas.style();
        let mut text = report::watch::outcome(&results, took, columns, colour);
        self.shown.verdict(results, took);
        if let Some(changes) = &self.shown.changes {
            text.push_str(&report::watch::changes(changes, columns, colour));
        }
        text.push('\n');
        self.canvas.say(&text)
    }

    /// Shows what is not a verdict.
    pub(super) fn problem(&mut self, failure: &Failure) {
        if self.canvas.redraws() {
            self.shown.problem = Some(failure.render(false));
        } else {
            self.context.ui.clear();
            output::error(failure, self.context.settings.colour);
        }
    }

    /// One rung more.
    pub(super) fn hint(&mut self) -> io::Result<()> {
        let Subject { module, exercise, .. } = self.subject;
        match climb(self.context, module, exercise, &self.found) {
            Ok(hint) => {
                let (columns, colour) = self.canvas.style();
                self.canvas.say(&report::hint::human(&hint, columns, colour))?;
                self.shown.hint = Some(hint);
            }
            Err(failure) => self.problem(&failure),
        }
        Ok(())
    }

    /// On to what is not passed yet.
    pub(super) fn next(&mut self) -> io::Result<()> {
        let progress = Progress::read(self.context, &self.found.dir);
        let Subject { module, exercise, .. } = self.subject;
        let exercise = self.pending.as_ref().map_or(exercise, |goal| goal.exercise);
        match next(&module.exercises, exercise, |other| progress.passed(other)) {
            Some(exercise) => self.start_instead(Goal {
                why: "checking".to_owned(),
                since: Instant::now(),
                exercise,
            }),
            None => {
                let text = format!("every other exercise of {} is passed", module.id);
                self.canvas.say(&format!("{text}\n"))?;
                self.shown.warn(text);
            }
        }
        Ok(())
    }
}
