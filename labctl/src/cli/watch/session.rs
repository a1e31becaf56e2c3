//! The loop: something happens, something is done about it, and shown.
//!
//! ```text
//!            save, r, n                     verdict
//! waiting ──────────────► checking ───────────────────► waiting, with a guest that starts ahead of the next save
//!                           │    ▲
//!              save, n      ▼    │ once the guest is gone
//!                         given up
//! ```
//!
//! All work is polled from here and nothing is detached: a future that is dropped on the way out, by a panic for
//! example, takes its guest with it.

use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};

use super::canvas::Canvas;
use super::inbox::{Inbox, News};
use super::keys::Key;
use super::round::{Round, Subject, Work, prepare};
use super::shown::{NextGuest, Shown};
use super::warm::{Turn, Warm};
use crate::cli::check::{Graded, Laboratory, from_workspace};
use crate::cli::context::Context;
use crate::cli::course::{self, Found};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::progress::inputs;
use crate::digest::Digest;
use crate::event::Events;
use crate::spec::exercise::Exercise;
use crate::spec::workspace::WORKSPACE_FILE;

/// A guest that dies while it waits is replaced so often before something is checked again.
const REPLACEMENTS: u32 = 3;

/// Watches the workspace `found` for `subject`'s exercise until somebody has had enough.
pub(in crate::cli) async fn run(
    context: &Context,
    subject: Subject<'_>,
    found: Found,
    poll: bool,
) -> Result<Exit, Failure> {
    // What takes long the first time is shown as by every command; there is no screen yet.
    let screen = Arc::new(OnceLock::<Events>::new());
    let (before, after) = (context.events.clone(), screen.clone());
    let events = Events::new(move |event| after.get().unwrap_or(&before).emit(event));
    let lasting = Rc::new(context.with(events, context.cancel.child()));
    let laboratory = prepare(&lasting, subject).await?;
    context.ui.clear();
    let mut session = Session::begin(context, subject, found, poll, lasting)?;
    session.laboratory = laboratory;
    drop(screen.set(session.events()));
    let end = session.go().await;
    session.finish().await;
    match end {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Done),
        end => Ok(end?),
    }
}

pub(super) struct Session<'a> {
    pub(super) context: &'a Context,
    pub(super) subject: Subject<'a>,
    pub(super) found: Found,
    inbox: Inbox,
    pub(super) canvas: Canvas,
    pub(super) shown: Shown,
    /// The surroundings of the laboratory, which outlives rounds.
    lasting: Rc<Context>,
    laboratory: Option<Rc<Laboratory>>,
    round: Round,
    warm: Warm<'a>,
    replaced: u32,
    work: Option<Doing<'a>>,
    /// What is done next, once the work at hand has been given up.
    pub(super) pending: Option<Goal<'a>>,
    /// Guests that nobody waits for any more.
    leaving: FuturesUnordered<LocalBoxFuture<'a, ()>>,
    /// The files that the last check was about.
    judged: BTreeMap<String, String>,
}

/// A check under way.
struct Doing<'a> {
    done: LocalBoxFuture<'a, Done>,
    since: Instant,
}

struct Done {
    laboratory: Option<Rc<Laboratory>>,
    graded: Result<Graded, Failure>,
}

/// A check to come.
pub(super) struct Goal<'a> {
    pub(super) why: String,
    pub(super) since: Instant,
    pub(super) exercise: &'a Exercise,
}

impl<'a> Session<'a> {
    fn begin(
        context: &'a Context,
        subject: Subject<'a>,
        found: Found,
        poll: bool,
        lasting: Rc<Context>,
    ) -> Result<Self, Failure> {
        let inbox = Inbox::open(context, &found, poll, context.settings.keys)?;
        let canvas = Canvas::new(&context.settings);
        let mut shown = Shown::new(subject.exercise);
        if let Some(why) = inbox.polled().filter(|_| !poll) {
            let text = format!("the files are looked at twice a second ({why})");
            if canvas.redraws() {
                shown.warn(text);
            } else {
                context.events.warn(text);
            }
        }
        if !canvas.redraws() {
            let (dir, name) = (found.dir.display(), subject.exercise.full_name());
            context.events.note(format!("watching {dir} for {name}"));
            context.events.note(Shown::keys(context.settings.keys));
        }
        let round = Round::new(context, context.events.clone());
        let warm = round.nobody();
        let mut session = Self {
            context,
            subject,
            found,
            inbox,
            canvas,
            shown,
            lasting,
            laboratory: None,
            round,
            warm,
            replaced: 0,
            work: None,
            pending: None,
            leaving: FuturesUnordered::new(),
            judged: BTreeMap::new(),
        };
        session.new_round();
        Ok(session)
    }

    /// Until somebody has had enough, or nobody can see it any more.
    async fn go(&mut self) -> io::Result<Exit> {
        let first = self.goal("checking", Instant::now());
        self.start(first);
        loop {
            let keys = self.context.settings.keys;
            let canvas = &mut self.canvas;
            self.shown.with_screen(keys, |screen| canvas.draw(screen))?;
            let done = async {
                match &mut self.work {
                    Some(work) => (&mut work.done).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                news = self.inbox.next() => match news {
                    News::Stop => return Ok(Exit::Interrupted),
                    News::Key(Key::Quit) => return Ok(Exit::Done),
                    News::Key(Key::Hint) => self.hint()?,
                    News::Key(Key::Next) => self.next()?,
                    News::Key(Key::Again) => {
                        if self.work.is_none() {
                            let goal = self.goal("checking again", Instant::now());
                            self.start(goal);
                        }
                    }
                    News::Saved(at) => self.saved(at),
                    News::Told(event) => self.shown.told(event),
                    News::Screen => self.canvas.forget(),
                },
                done = done => self.done(done)?,
                turn = self.warm.turn() => self.turned(turn),
                Some(()) = self.leaving.next(), if !self.leaving.is_empty() => {}
            }
        }
    }

    /// Ends whatever runs, in order.
    async fn finish(mut self) {
        self.round.give_up();
        self.lasting.cancel.request();
        if let Some(work) = self.work.take() {
            work.done.await;
        }
        self.warm.end().await;
        while self.leaving.next().await.is_some() {}
    }

    fn goal(&self, why: &str, since: Instant) -> Goal<'a> {
        Goal {
            why: why.to_owned(),
            since,
            exercise: self.subject.exercise,
        }
    }

    /// Where work tells what it does.
    fn events(&self) -> Events {
        if self.canvas.redraws() {
            self.inbox.events()
        } else {
            self.context.events.clone()
        }
    }

    fn new_round(&mut self) {
        self.round = Round::new(self.context, self.events());
        self.warm = self.round.nobody();
    }

    /// Digests of all that the exercise is judged by.
    fn look(&self) -> BTreeMap<String, String> {
        let mut files = inputs(&self.found.dir, self.subject.exercise);
        if let Ok(bytes) = fs_err::read(self.found.dir.join(WORKSPACE_FILE)) {
            files.insert(WORKSPACE_FILE.to_owned(), Digest::of(&bytes).to_string());
        }
        files
    }

    fn saved(&mut self, at: Instant) {
        if self.pending.is_some() {
            // It will read the files as they are by then.
            return;
        }
        let now = self.look();
        let changed: Vec<&str> = now
            .iter()
            .filter(|(path, digest)| self.judged.get(*path) != Some(*digest))
            .chain(self.judged.iter().filter(|(path, _)| !now.contains_key(*path)))
            .map(|(path, _)| path.as_str())
            .collect();
        if changed.is_empty() {
            return;
        }
        let goal = self.goal(&format!("{} changed, checking", changed.join(", ")), at);
        self.start_instead(goal);
    }

    /// Starts `goal`, after what is being done has been given up: it is about something that is not there any more.
    pub(super) fn start_instead(&mut self, goal: Goal<'a>) {
        if self.work.is_none() {
            return self.start(goal);
        }
        self.round.give_up();
        if goal.exercise.id != self.subject.exercise.id {
            self.lasting.cancel.request();
        }
        self.shown.begin(&goal.why);
        self.pending = Some(goal);
    }

    fn start(&mut self, goal: Goal<'a>) {
        if goal.exercise.id != self.subject.exercise.id {
            self.subject.exercise = goal.exercise;
            self.laboratory = None;
            self.shown = Shown::new(goal.exercise);
            self.round.give_up();
            let nobody = self.round.nobody();
            let left = std::mem::replace(&mut self.warm, nobody);
            self.leaving.push(left.end().boxed_local());
            self.new_round();
            self.lasting = Rc::new(self.context.with(self.events(), self.context.cancel.child()));
        }
        self.shown.begin(&goal.why);
        if !self.canvas.redraws() {
            let name = goal.exercise.full_name();
            self.context.events.note(format!("{name}: {}", goal.why));
        }
        self.judged = self.look();
        match self.read() {
            Ok(work) => self.work = Some(self.check(work, goal.since)),
            Err(failure) => {
                self.shown.end();
                self.problem(&failure);
                if self.warm.is_empty() {
                    self.warm_up();
                }
            }
        }
    }

    /// The workspace as it is now.
    fn read(&mut self) -> Result<Work, Failure> {
        let context = self.context;
        self.found = course::workspace_of(context, Some(&self.found.dir), self.subject.module)?;
        let submission = from_workspace(&self.found, None)?;
        Ok(Work::new(context, &self.found, self.subject.exercise, submission))
    }

    fn check(&mut self, work: Work, since: Instant) -> Doing<'a> {
        let guest = self.warm.take();
        self.shown.guest = NextGuest::None;
        let (round, subject, known) = (self.round.clone(), self.subject, self.laboratory.clone());
        let lasting = self.lasting.clone();
        let done = async move {
            let laboratory = match known {
                None if subject.exercise.is_live() => prepare(&lasting, subject).await,
                known => Ok(known),
            };
            let laboratory = match laboratory {
                Ok(laboratory) => laboratory,
                Err(failure) => {
                    return Done {
                        laboratory: None,
                        graded: Err(failure),
                    };
                }
            };
            let graded = round.check(subject, laboratory.as_deref(), work, guest).await;
            Done { laboratory, graded }
        };
        Doing {
            done: done.boxed_local(),
            since,
        }
    }

    fn done(&mut self, done: Done) -> io::Result<()> {
        let since = self.work.take().map(|work| work.since);
        self.laboratory = done.laboratory;
        self.shown.end();
        match done.graded {
            Ok(graded) => self.verdict(graded, since.unwrap_or_else(Instant::now))?,
            // What was given up failed because of that.
            Err(_) if self.pending.is_some() => {}
            Err(failure) => self.problem(&failure),
        }
        self.replaced = 0;
        self.new_round();
        match self.pending.take() {
            Some(goal) => self.start(goal),
            None => self.warm_up(),
        }
        Ok(())
    }

    fn warm_up(&mut self) {
        if let Some(laboratory) = &self.laboratory {
            self.warm = self.round.warm_up(laboratory, self.subject.exercise);
            self.shown.guest = NextGuest::Starting;
        }
    }

    fn turned(&mut self, turn: Turn) {
        self.shown.guest = match turn {
            Turn::Ready => NextGuest::Ready,
            Turn::Failed | Turn::Died => NextGuest::None,
        };
        // While something is checked, the next one would only be in its way.
        if turn == Turn::Died && self.work.is_none() && self.replaced < REPLACEMENTS {
            self.replaced += 1;
            self.warm_up();
        }
    }
}
