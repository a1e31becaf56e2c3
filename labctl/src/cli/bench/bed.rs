//! Where guests are measured: the same code that `up`, `exec` and `check` start theirs with, and a clock beside it.

use std::path::Path;
use std::time::{Duration, Instant};

use futures::future::join_all;

use super::figures::{Figure, Figures};
use super::memory::memory;
use crate::cli::args::Shape;
use crate::cli::check::{Laboratory, from_reference_with, grade_all};
use crate::cli::context::Context;
use crate::cli::course::Loaded;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::lab;
use crate::grade::verdict::Verdict;
use crate::guest::Command;
use crate::session::{Bootable, Host, Lab};
use crate::spec::course::Module;
use crate::spec::exercise::{Exercise, LESSON_SEED};
use crate::store::Store;

/// For a command that ends at once, as it would be under KVM.
const COMMAND: Duration = Duration::from_secs(5);
const WHAT: &str = "bench";

/// What is to be measured.
#[derive(Clone, Copy)]
pub(crate) struct BedPlan<'a> {
    pub(crate) loaded: &'a Loaded,
    pub(crate) module: &'a Module,
    pub(crate) exercise: &'a Exercise,
    /// Guests at once.
    pub(crate) clones: usize,
    /// For what is compiled and recorded on the way; the caller removes it.
    pub(crate) folder: &'a Path,
}

/// Guests under one accelerator.
pub(crate) struct Bed<'a> {
    plan: BedPlan<'a>,
    context: Context,
    laboratory: Laboratory,
    turns: usize,
    pub(crate) figures: Figures,
}

impl<'a> Bed<'a> {
    /// Finds or makes what the guests need, and goes once through everything, so that nothing that is done only once
    /// is measured.
    pub(crate) async fn prepare(
        context: &Context,
        plan: BedPlan<'a>,
        shape: &Shape,
    ) -> Result<Self, Failure> {
        let prepared =
            Laboratory::prepare(context, plan.loaded, shape, plan.module, &[plan.exercise]).await?;
        let laboratory = prepared.ok_or_else(|| {
            Failure::new(Exit::Usage, format!("{} needs no guest", plan.exercise.id))
                .hint("name one that does with --exercise")
        })?;
        let mut bed = Self {
            context: recording_in(context, plan.folder),
            laboratory,
            plan,
            turns: 0,
            figures: Figures::default(),
        };
        // Empty, but the same for all turns: how a kernel's modules are compiled is found out once for each store.
        let folder = plan.folder.join(bed.host().accel.kind.to_string());
        bed.laboratory.compile_into(Store::open(&folder)?);
        bed.turn().await?;
        bed.figures = Figures::default();
        Ok(bed)
    }

    pub(crate) fn host(&self) -> &Host {
        &self.laboratory.host
    }

    pub(crate) fn bootable(&self) -> Result<&Bootable, Failure> {
        let plain = self.laboratory.plain().map(|ready| &ready.bootable);
        plain.ok_or_else(|| Failure::new(Exit::Bug, "a laboratory without a guest"))
    }

    /// Measures everything once.
    pub(crate) async fn turn(&mut self) -> Result<(), Failure> {
        self.boot().await?;
        self.restore().await?;
        self.check().await?;
        self.clones().await
    }

    async fn boot(&mut self) -> Result<(), Failure> {
        let host = Host {
            templates: None,
            ..self.host().clone()
        };
        let started = Instant::now();
        let lab = lab::boot(&self.context, &host, self.bootable()?, WHAT).await?;
        self.figures.time(Figure::Boot, started.elapsed());
        lab.end(&self.context.cancel, |_| {}).await;
        Ok(())
    }

    async fn restore(&mut self) -> Result<(), Failure> {
        let started = Instant::now();
        let lab = self.restored().await?;
        let restored = started.elapsed();
        let ran = command(&self.context, &lab).await;
        let answered = started.elapsed();
        lab.end(&self.context.cancel, |_| {}).await;
        ran?;
        self.figures.time(Figure::Restore, restored);
        self.figures.time(Figure::RestoreAndCommand, answered);
        Ok(())
    }

    /// A guest that goes on from the frozen one. One that had to be booted is no measurement.
    async fn restored(&self) -> Result<Lab, Failure> {
        let lab = lab::boot(&self.context, self.host(), self.bootable()?, WHAT).await?;
        if lab.vm().record().argv.iter().any(|word| word == "-incoming") {
            return Ok(lab);
        }
        lab.end(&self.context.cancel, |_| {}).await;
        Err(Failure::new(
            Exit::Inconclusive,
            "guests cannot be restored on this host, only booted",
        )
        .hint("the warning above says why"))
    }

    /// Every C file has just been edited in the first check of a turn; in the second one nothing has changed.
    async fn check(&mut self) -> Result<(), Failure> {
        self.turns += 1;
        let remark = format!("turn {}", self.turns);
        let submission = from_reference_with(self.plan.module, LESSON_SEED, &remark)?;
        for figure in [Figure::CheckCold, Figure::CheckWarm] {
            let started = Instant::now();
            let exercises = [self.plan.exercise];
            let graded = grade_all(&self.context, Some(&self.laboratory), &exercises, &submission).await?;
            self.figures.time(figure, started.elapsed());
            let verdict = graded.1.first().map(|graded| graded.result.verdict);
            if verdict != Some(Verdict::Passed) {
                self.context.cancel.check()?;
                let what = format!("the course's solution of {} did not pass", self.plan.exercise.id);
                return Err(Failure::new(Exit::Inconclusive, what).hint(format!(
                    "`labctl check {} --reference` tells more",
                    self.plan.exercise.full_name()
                )));
            }
        }
        Ok(())
    }

    async fn clones(&mut self) -> Result<(), Failure> {
        let started = Instant::now();
        let labs = join_all((0..self.plan.clones).map(|_| async {
            let lab = self.restored().await?;
            match command(&self.context, &lab).await {
                Ok(()) => Ok(lab),
                Err(failure) => {
                    lab.end(&self.context.cancel, |_| {}).await;
                    Err(failure)
                }
            }
        }));
        // All of them, whatever becomes of one: a future that is dropped cannot take its guest down in order.
        let labs: Vec<Result<Lab, Failure>> = labs.await;
        let took = started.elapsed();
        let mut up = Vec::new();
        let mut failed = None;
        for lab in labs {
            match lab {
                Ok(lab) => up.push(lab),
                Err(failure) => failed = Some(failure),
            }
        }
        let processes = up.iter().filter_map(|lab| lab.vm().record().process);
        let memories: Vec<_> = processes.filter_map(|process| memory(process.pid)).collect();
        join_all(up.into_iter().map(|lab| lab.end(&self.context.cancel, |_| {}))).await;
        if let Some(failure) = failed {
            return Err(failure);
        }
        self.figures.time(Figure::Clones, took);
        for memory in memories {
            self.figures.add(Figure::Private, memory.private);
            self.figures.add(Figure::Proportional, memory.proportional);
        }
        Ok(())
    }
}

async fn command(context: &Context, lab: &Lab) -> Result<(), Failure> {
    let ran = lab
        .guest()
        .run(
            Command::program(["uname", "-r"])?,
            lab.deadline(COMMAND),
            &context.cancel,
        )
        .await;
    context.cancel.check()?;
    ran.map(drop)
        .map_err(|error| Failure::from_error(Exit::Inconclusive, &error))
}

/// The same surroundings, with runs recorded in a folder that goes away, and warnings only.
fn recording_in(context: &Context, folder: &Path) -> Context {
    let mut quiet = context.with_warnings_only();
    quiet.settings.state_dir = folder.join("state");
    let runs = quiet.settings.state_dir.join("runs");
    quiet.recording_into(runs)
}
