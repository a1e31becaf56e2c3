//! One exercise in one fresh guest.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use fs_err as fs;
use futures::FutureExt as _;
use futures::future::LocalBoxFuture;

use super::record::write_environment;
use super::submission::Submission;
use crate::cbuild::Compiler;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::lab::{self, Ready};
use crate::exercise::{self, Built, build, record};
use crate::grade::evidence::{Evidence, GuestLost, GuestLostKind, MemberLayout, StructLayout};
use crate::grade::grade;
use crate::grade::results::{Environment, GradedExercise};
use crate::report;
use crate::run_dir::RunDir;
use crate::session::{Host, Lab};
use crate::spec::exercise::{Exercise, Program, StepKind};

/// What all live exercises of one check share.
pub(crate) struct Bench<'a> {
    pub(crate) context: &'a Context,
    pub(crate) host: &'a Host,
    pub(crate) ready: &'a Ready,
    pub(crate) compiler: &'a Compiler,
    pub(crate) submission: &'a Submission,
}

/// A guest that is on its way, or waiting already.
pub(crate) type Arriving<'a> = LocalBoxFuture<'a, Result<Lab, Failure>>;

/// One exercise's result.
pub(crate) struct Graded {
    pub(crate) exercise: GradedExercise,
    /// Absent when no guest was needed, or none came up.
    pub(crate) environment: Option<Environment>,
    /// What the laboratory failed at; the verdict is `inconclusive` then.
    pub(crate) failure: Option<Failure>,
}

/// Builds, runs in `guest`, collects and grades. A failure of the laboratory becomes the verdict `inconclusive`.
pub(crate) async fn grade_live(
    bench: &Bench<'_>,
    exercise: &Exercise,
    guest: Arriving<'_>,
) -> Result<Graded, Failure> {
    let started = Instant::now();
    let nonce = format!("{:016x}", rand::random::<u64>());
    let context = bench.context;
    let run_dir = RunDir::create(
        &context.settings.runs_dir,
        &stamp(),
        exercise.id.as_str(),
        &nonce[..8],
    )?;
    let mut evidence = Evidence::new(&exercise.full_name(), &bench.submission.seed);
    evidence.draws = exercise.draw(&nonce);
    evidence.answers = bench.submission.answers(exercise.id.as_str());

    let mut environment = None;
    let job = Job {
        bench,
        exercise,
        nonce: &nonce,
        run_dir: &run_dir,
    };
    let ran = job.run(guest, &mut evidence, &mut environment).await;
    let mut told = None;
    if let Err(failure) = ran {
        if failure.exit() == crate::cli::exit::Exit::Interrupted || context.cancel.is_requested() {
            // Nothing was recorded that could be graded.
            drop(fs::remove_dir_all(run_dir.path()));
            return Err(failure);
        }
        let failure = failure
            .logs(run_dir.path())
            .rerun(format!("labctl check {}", exercise.full_name()));
        evidence.guest_lost.get_or_insert_with(|| GuestLost {
            kind: GuestLostKind::NeverReady,
            reason: failure.headline().to_owned(),
            student_fault: false,
            step: None,
        });
        told = Some(failure);
    }
    let json = evidence
        .to_json()
        .map_err(|error| Failure::from_error(crate::cli::exit::Exit::Bug, &error))?;
    fs::write(run_dir.evidence(), json)?;
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    if let Some(environment) = &environment {
        write_environment(&run_dir, environment, duration_ms)?;
    }
    let result = grade(exercise, &evidence)?;
    for figure in &result.figures {
        if let Some(chart) = report::svg::render(figure) {
            fs::write(run_dir.chart(&figure.id), chart)?;
        }
    }
    Ok(Graded {
        exercise: GradedExercise {
            result,
            duration_ms,
            run_dir: Some(run_dir.path().display().to_string()),
        },
        environment,
        failure: told,
    })
}

/// Runs an experiment that nobody is graded by.
pub(crate) async fn observe(bench: &Bench<'_>, exercise: &Exercise) -> Result<(Evidence, RunDir), Failure> {
    let nonce = format!("{:016x}", rand::random::<u64>());
    let run_dir = RunDir::create(
        &bench.context.settings.runs_dir,
        &stamp(),
        exercise.id.as_str(),
        &nonce[..8],
    )?;
    let mut evidence = Evidence::new(&exercise.full_name(), &bench.submission.seed);
    evidence.draws = exercise.draw(&nonce);
    let job = Job {
        bench,
        exercise,
        nonce: &nonce,
        run_dir: &run_dir,
    };
    let (context, bootable) = (bench.context, &bench.ready.bootable);
    let guest = lab::boot(context, bench.host, bootable, exercise.id.as_str());
    job.run(guest.boxed_local(), &mut evidence, &mut None).await?;
    let json = evidence
        .to_json()
        .map_err(|error| Failure::from_error(crate::cli::exit::Exit::Bug, &error))?;
    fs::write(run_dir.evidence(), json)?;
    Ok((evidence, run_dir))
}

/// One run of one exercise.
struct Job<'a> {
    bench: &'a Bench<'a>,
    exercise: &'a Exercise,
    nonce: &'a str,
    run_dir: &'a RunDir,
}

impl Job<'_> {
    async fn run(
        &self,
        guest: Arriving<'_>,
        evidence: &mut Evidence,
        environment: &mut Option<Environment>,
    ) -> Result<(), Failure> {
        let bench = self.bench;
        // The compiler and the boot are both mostly one process at a time: together they keep two cores busy.
        let (built, booted) = tokio::join!(compile(bench, self.exercise), guest);
        let lab = match booted {
            Ok(lab) => lab,
            Err(failure) => {
                if let Ok(built) = built {
                    evidence.builds = built.records;
                }
                return Err(failure);
            }
        };
        *environment = Some(describe(bench, &lab));
        let result = match built {
            Ok(built) => {
                evidence.builds = built.records.clone();
                self.in_guest(evidence, &lab, &built).await
            }
            Err(failure) => Err(failure),
        };
        let keep_logs = result.is_err();
        lab.end(&bench.context.cancel, |dir| {
            // After a failure of ours the guest's own account is all there is.
            if keep_logs {
                drop(fs::copy(dir.console_log(), self.run_dir.console()));
                drop(fs::copy(dir.kmsg_log(), self.run_dir.kernel_log()));
            }
        })
        .await;
        result
    }

    async fn in_guest(&self, evidence: &mut Evidence, lab: &Lab, built: &Built) -> Result<(), Failure> {
        let (bench, exercise, run_dir) = (self.bench, self.exercise, self.run_dir);
        let scripts = scripts(exercise, bench.submission, run_dir)?;
        for (name, build) in &built.records {
            fs::write(run_dir.build_log(name), &build.log)?;
        }
        let inputs = exercise::Bench {
            exercise,
            tools: &bench.ready.bootable.tools,
            built,
            compiler: bench.compiler,
            scripts: &scripts,
            nonce: self.nonce,
            run_dir,
            cancel: &bench.context.cancel,
            events: &bench.context.events,
        };
        ask_kernel(bench, exercise, evidence).await?;
        *evidence = record(lab, &inputs, evidence.clone()).await?;
        Ok(())
    }
}

/// What the exercise asks of the kernel's own file rather than of the guest.
async fn ask_kernel(bench: &Bench<'_>, exercise: &Exercise, evidence: &mut Evidence) -> Result<(), Failure> {
    let own = |names: Vec<&str>| -> Vec<String> { names.into_iter().map(str::to_owned).collect() };
    let (structs, functions) = (own(exercise.structs()), own(exercise.origins()));
    if structs.is_empty() && functions.is_empty() {
        return Ok(());
    }
    let kernel = bench.ready.kernel.kernel.clone();
    let (layouts, origins) =
        lab::blocking(move || Ok((kernel.layouts(&structs)?, kernel.origins(&functions)?))).await?;
    evidence.origins = origins;
    evidence.types = layouts
        .into_iter()
        .map(|(name, found)| (name, layout(found)))
        .collect();
    Ok(())
}

fn layout(found: lab_btf::Layout) -> StructLayout {
    let members = found.members.into_iter().map(|member| MemberLayout {
        name: member.name,
        offset: member.offset,
        size: member.size,
    });
    StructLayout {
        size: found.size,
        members: members.collect(),
    }
}

async fn compile(bench: &Bench<'_>, exercise: &Exercise) -> Result<Built, Failure> {
    let compiler = bench.compiler.clone();
    let tree = bench.ready.kernel.kernel.tree.clone();
    let sources = bench.submission.sources.clone();
    let cancel = bench.context.cancel.clone();
    let exercise = exercise.clone();
    lab::blocking(move || Ok(build(&compiler, &tree, &exercise, &sources, &cancel)?)).await
}

/// The scripts that the exercise runs, as files of the run's folder, from where they are pushed.
fn scripts(
    exercise: &Exercise,
    submission: &Submission,
    run_dir: &RunDir,
) -> Result<BTreeMap<String, PathBuf>, Failure> {
    let mut scripts = BTreeMap::new();
    for step in &exercise.run {
        if let StepKind::Start {
            program: Program::Script(path),
            ..
        }
        | StepKind::Exec {
            program: Program::Script(path),
            ..
        } = &step.kind
            && let Some(text) = submission.scripts.get(path)
        {
            let file = run_dir.path().join(path);
            if let Some(parent) = file.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(&file, text)?;
            scripts.insert(path.clone(), file);
        }
    }
    Ok(scripts)
}

fn describe(bench: &Bench<'_>, lab: &Lab) -> Environment {
    let bootable = &bench.ready.bootable;
    Environment {
        labctl: env!("CARGO_PKG_VERSION").to_owned(),
        kernel: bootable.kernel_release.clone(),
        kernel_id: bootable.kernel_id.clone(),
        image_id: bootable.image_id.clone(),
        accel: bench.host.accel.kind.to_string(),
        accel_reason: bench.host.accel.reason.clone(),
        qemu: lab.vm().qmp().version().to_string(),
    }
}

/// `20261122T190405Z`: sorts as text, and needs no quoting in a shell.
fn stamp() -> String {
    let now = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
    now.chars()
        .filter(|letter| !matches!(letter, '-' | ':'))
        .collect()
}
