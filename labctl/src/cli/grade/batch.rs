//! The units of work of a class: which have to be done, as many at once as this host carries, each caught by itself.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use fs_err as fs;
use futures::{FutureExt as _, StreamExt as _};

use super::folder::Grades;
use super::pace::Pace;
use super::records::{Class, Handed, UnitRecord};
use crate::class::Standing;
use crate::cli::capacity::Bound;
use crate::cli::check::{Laboratory, Submission, from_files, grade_one, paper};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::event::{Stage, Unit};
use crate::grade::evidence::{Evidence, GuestLost, GuestLostKind};
use crate::grade::verdict::Verdict;
use crate::run_dir::RunDir;
use crate::spec::exercise::Exercise;
use crate::submission::load;

/// A laboratory that failed gets one more guest, a fresh one; what fails twice is told.
const ATTEMPTS: u32 = 2;

/// What all units share.
pub(crate) struct Batch<'a> {
    pub(crate) context: &'a Context,
    pub(crate) grades: &'a Grades,
    pub(crate) class: &'a Class,
    pub(crate) laboratory: Option<&'a Laboratory>,
    pub(crate) exercises: &'a [&'a Exercise],
    pub(crate) bound: Bound,
}

/// One exercise of one student.
struct Task<'a> {
    handed: &'a Handed,
    exercise: &'a Exercise,
    key: String,
}

/// What one attempt left in the staging folder.
struct Made {
    folder: PathBuf,
    verdict: Verdict,
    failure: Option<Failure>,
}

impl Batch<'_> {
    /// Does what is missing, inconclusive, or made of something else than now. What is done stays done, however this
    /// ends.
    ///
    /// # Errors
    /// When a stop was asked for, or the folder of results cannot be written.
    pub(crate) async fn run(&self, handed: &[Handed]) -> Result<(), Failure> {
        let tasks = self.tasks(handed);
        let all = self.exercises.len()
            * handed
                .iter()
                .filter(|one| one.standing() == Standing::Graded)
                .count();
        if tasks.len() < all {
            let text = format!("grade  {} of {all} are done already", all - tasks.len());
            self.context.events.note(text);
        }
        let total = tasks.len() as u64;
        if total == 0 {
            return Ok(());
        }
        let at_once = self.bound.at_once.min(tasks.len());
        self.context
            .events
            .started(Stage::Grade, self.announce(tasks.len(), at_once));
        let quiet = self
            .context
            .with_warnings_only()
            .recording_into(self.grades.staging());
        let (done, since) = (AtomicU64::new(0), Instant::now());
        let (quiet, done) = (&quiet, &done);
        let runs = tasks.iter().map(|task| async move {
            self.context.cancel.check()?;
            let verdict = self.unit(quiet, task).await?;
            let count = done.fetch_add(1, Ordering::Relaxed) + 1;
            let pace = Pace {
                done: count,
                total,
                elapsed: since.elapsed(),
            };
            let note = format!(
                "{}; {} {} {verdict}",
                pace.describe(),
                task.handed.id,
                task.exercise.id
            );
            self.context
                .events
                .progress(Stage::Grade, count, Some(total), Unit::Steps, note);
            Ok(())
        });
        // All of them, whatever becomes of one: a future that is dropped cannot take its guest down in order.
        let ended: Vec<Result<(), Failure>> = futures::stream::iter(runs)
            .buffer_unordered(at_once)
            .collect()
            .await;
        let count = done.load(Ordering::Relaxed);
        if self.context.cancel.is_requested() {
            let what = format!(
                "interrupted: {count} of {total} are done, and kept in {}",
                self.grades.shown
            );
            return Err(Failure::new(Exit::Interrupted, what).hint(format!(
                "the same command with --resume {} instead of --output goes on",
                self.grades.shown
            )));
        }
        ended.into_iter().collect::<Result<(), Failure>>()?;
        let pace = Pace {
            done: count,
            total: count,
            elapsed: since.elapsed(),
        };
        let rate = pace.describe();
        let rate = rate.split(',').next().unwrap_or_default();
        self.context
            .events
            .finished(Stage::Grade, format!("{count} graded, {rate}"));
        Ok(())
    }

    fn announce(&self, tasks: usize, at_once: usize) -> String {
        let live = self.exercises.iter().any(|exercise| exercise.is_live());
        if !live {
            return format!("{tasks} worksheets");
        }
        let each = self.bound.each_mib;
        let all = each * at_once as u64;
        format!("{tasks} to do, {at_once} at once, each in at most {each} MiB: {all} MiB in all")
    }

    fn tasks<'t>(&'t self, handed: &'t [Handed]) -> Vec<Task<'t>> {
        let mut tasks = Vec::new();
        for one in handed.iter().filter(|one| one.standing() == Standing::Graded) {
            for exercise in self.exercises {
                let key = self.class.key(one, exercise.id.as_str());
                let known = self.grades.unit_record(&one.id, exercise.id.as_str());
                let is_done = known
                    .is_some_and(|known| known.key == key && known.verdict != Verdict::Inconclusive.as_str());
                if !is_done {
                    tasks.push(Task {
                        handed: one,
                        exercise,
                        key,
                    });
                }
            }
        }
        tasks
    }

    /// Does one unit, again if the laboratory failed, and keeps it.
    async fn unit(&self, quiet: &Context, task: &Task<'_>) -> Result<Verdict, Failure> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let made = match AssertUnwindSafe(self.attempt(quiet, task)).catch_unwind().await {
                Ok(Ok(made)) => made,
                Ok(Err(failure)) => {
                    self.context.cancel.check()?;
                    self.lost(task, failure)?
                }
                Err(panic) => self.lost(task, bug(panic.as_ref()))?,
            };
            if made.verdict == Verdict::Inconclusive && attempts < ATTEMPTS {
                self.tell(task, made.failure.as_ref(), "once more, in a fresh guest");
                drop(fs::remove_dir_all(&made.folder));
                continue;
            }
            if made.verdict == Verdict::Inconclusive {
                self.tell(task, made.failure.as_ref(), "inconclusive");
            }
            let record = UnitRecord {
                key: task.key.clone(),
                verdict: made.verdict.as_str().to_owned(),
                attempts,
            };
            let (id, exercise) = (&task.handed.id, task.exercise.id.as_str());
            self.grades.keep_unit(id, exercise, &made.folder, &record)?;
            return Ok(made.verdict);
        }
    }

    async fn attempt(&self, quiet: &Context, task: &Task<'_>) -> Result<Made, Failure> {
        let submission = self.submission(task)?;
        let graded = grade_one(quiet, self.laboratory, task.exercise, &submission, None).await?;
        let result = &graded.exercise.result;
        let folder = match graded.exercise.run_dir {
            Some(folder) => PathBuf::from(folder),
            None => self.record(task, &paper(task.exercise, &submission))?,
        };
        Ok(Made {
            folder,
            verdict: result.verdict,
            failure: graded.failure,
        })
    }

    fn submission(&self, task: &Task<'_>) -> Result<Submission, Failure> {
        let intake = load(&self.grades.submission(&task.handed.id))?;
        from_files(intake.files, &task.handed.seed)
    }

    /// The record of a unit of which nothing but a failure of ours is known.
    fn lost(&self, task: &Task<'_>, failure: Failure) -> Result<Made, Failure> {
        let mut evidence = Evidence::new(&task.exercise.full_name(), &task.handed.seed);
        evidence.guest_lost = Some(GuestLost {
            kind: GuestLostKind::NeverReady,
            reason: failure.headline().to_owned(),
            student_fault: false,
            step: None,
        });
        Ok(Made {
            folder: self.record(task, &evidence)?,
            verdict: Verdict::Inconclusive,
            failure: Some(failure),
        })
    }

    fn record(&self, task: &Task<'_>, evidence: &Evidence) -> Result<PathBuf, Failure> {
        let nonce = format!("{:016x}", rand::random::<u64>());
        let folder = RunDir::create(&self.grades.staging(), "paper", task.exercise.id.as_str(), &nonce)?;
        let json = evidence
            .to_json()
            .map_err(|error| Failure::from_error(Exit::Bug, &error))?;
        fs::write(folder.evidence(), json)?;
        Ok(folder.path().to_owned())
    }

    fn tell(&self, task: &Task<'_>, failure: Option<&Failure>, what: &str) {
        let why = failure.map_or("the guest was lost", |failure| failure.headline());
        let (id, exercise) = (&task.handed.id, &task.exercise.id);
        self.context
            .events
            .warn(format!("{id} {exercise}: {why}: {what}"));
    }
}

fn bug(panic: &(dyn std::any::Any + Send)) -> Failure {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic");
    Failure::new(Exit::Bug, format!("a bug in labctl: {text}"))
}
