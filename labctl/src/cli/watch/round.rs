//! One round: a guest is made ready, a save comes, the check runs. It can be given up as a whole.

use std::rc::Rc;

use futures::FutureExt as _;

use super::warm::Warm;
use crate::cli::args::Shape;
use crate::cli::check::{Arriving, Graded, Laboratory, Submission, grade_one};
use crate::cli::context::Context;
use crate::cli::course::{Found, Loaded};
use crate::cli::failure::Failure;
use crate::cli::progress::Ledger;
use crate::event::Events;
use crate::spec::course::Module;
use crate::spec::exercise::Exercise;

/// What the course says about what is watched.
#[derive(Clone, Copy)]
pub(in crate::cli) struct Subject<'a> {
    pub(in crate::cli) loaded: &'a Loaded,
    pub(in crate::cli) module: &'a Module,
    pub(in crate::cli) exercise: &'a Exercise,
    pub(in crate::cli) shape: &'a Shape,
}

/// Finds or makes what a live exercise needs. What comes of it goes on using `context`, which has to last as long.
pub(super) async fn prepare(
    context: &Context,
    subject: Subject<'_>,
) -> Result<Option<Rc<Laboratory>>, Failure> {
    let Subject {
        loaded,
        module,
        exercise,
        shape,
    } = subject;
    let prepared = Laboratory::prepare(context, loaded, shape, module, &[exercise]).await?;
    Ok(prepared.map(Rc::new))
}

/// The surroundings of a round. Its request to stop is its own, and that of the whole command.
#[derive(Clone)]
pub(super) struct Round {
    aloud: Rc<Context>,
    quiet: Rc<Context>,
}

impl Round {
    pub(super) fn new(context: &Context, events: Events) -> Self {
        let aloud = context.with(events, context.cancel.child());
        let quiet = aloud.with_warnings_only();
        Self {
            aloud: Rc::new(aloud),
            quiet: Rc::new(quiet),
        }
    }

    pub(super) fn give_up(&self) {
        self.aloud.cancel.request();
    }

    /// Nobody, until there is something to start a guest from.
    pub(super) fn nobody<'a>(&self) -> Warm<'a> {
        Warm::nobody(self.aloud.cancel.clone())
    }

    /// Starts a guest ahead of the save.
    pub(super) fn warm_up<'a>(&self, laboratory: &Rc<Laboratory>, exercise: &'a Exercise) -> Warm<'a> {
        let (context, laboratory) = (self.quiet.clone(), laboratory.clone());
        let guest = async move { laboratory.guest(&context, exercise).await };
        Warm::starting(guest.boxed_local(), self.aloud.cancel.clone())
    }

    /// Grades what was read from the workspace, and remembers the result.
    pub(super) async fn check(
        &self,
        subject: Subject<'_>,
        laboratory: Option<&Laboratory>,
        work: Work,
        guest: Option<Arriving<'_>>,
    ) -> Result<Graded, Failure> {
        let Work { ledger, submission } = work;
        let graded = grade_one(&self.aloud, laboratory, subject.exercise, &submission, guest).await?;
        ledger.finish(&self.aloud, std::slice::from_ref(&graded.exercise));
        Ok(graded)
    }
}

/// A workspace as it was at one moment.
pub(super) struct Work {
    ledger: Ledger,
    submission: Submission,
}

impl Work {
    pub(super) fn new(context: &Context, found: &Found, exercise: &Exercise, submission: Submission) -> Self {
        Self {
            ledger: Ledger::begin(context, found, &[exercise]),
            submission,
        }
    }
}
