//! The course of one run, from a guest that is up to the evidence of what happened in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use fs_err as fs;

use super::build::Built;
use super::collect;
use super::params;
use super::steps::{StepError, Steps};
use super::window::{self, Edge};
use super::witness::{Testimony, Witness, WitnessError};
use crate::cbuild::{CompileError, Compiler};
use crate::event::{Events, Stage};
use crate::grade::evidence::{Evidence, StepStatus};
use crate::guest::{Command, CopyError, ExecError, NulInCommand, Outcome, PushFile, Transfer};
use crate::run_dir::RunDir;
use crate::session::{Lab, Tools};
use crate::spec::exercise::{Exercise, ModuleRef, Program, StepKind};
use crate::supervise::Cancel;
use crate::vm::{Follower, RunState};

const PUSH: Duration = Duration::from_secs(10);
const MARK: Duration = Duration::from_secs(3);
/// How long a guest that stopped answering may take to say why (a panic's last lines, QEMU's exit), not scaled: by
/// then the deadline of a step has passed already.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Everything a run needs besides the guest.
pub struct Bench<'a> {
    pub exercise: &'a Exercise,
    pub tools: &'a Tools,
    pub built: &'a Built,
    pub compiler: &'a Compiler,
    /// Scripts of the workspace, by their path in it.
    pub scripts: &'a BTreeMap<String, PathBuf>,
    /// New for every run; the marks of its window carry it.
    pub nonce: &'a str,
    pub run_dir: &'a RunDir,
    pub cancel: &'a Cancel,
    pub events: &'a Events,
}

/// Why there is no evidence. Never the student's doing.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("interrupted")]
    Cancelled,
    #[error("cannot push programs and modules into the guest")]
    Push(#[source] CopyError),
    #[error("the course asks for the tool `{name}`, which labctl does not have")]
    NoTool { name: String },
    #[error(transparent)]
    Witness(#[from] WitnessError),
    #[error("cannot mark the run in the guest's kernel log")]
    Mark(#[source] ExecError),
    #[error("the guest refused the mark of the run in its kernel log: `{said}`")]
    MarkRefused { said: String },
    #[error(transparent)]
    Command(#[from] NulInCommand),
    #[error(transparent)]
    Step(StepError),
    #[error("cannot find the line of source of a crash")]
    Symbolise(#[source] CompileError),
    #[error("cannot keep the evidence")]
    Io(#[from] std::io::Error),
}

impl From<StepError> for RunError {
    fn from(error: StepError) -> Self {
        match error {
            StepError::Cancelled => Self::Cancelled,
            error => Self::Step(error),
        }
    }
}

/// Runs the exercise in `lab` and completes `evidence`, which has the seed, the draws, the answers and the builds in
/// it already.
///
/// # Errors
/// When labctl's own part failed, before or after; what the student's part did is evidence.
pub async fn record(lab: &Lab, bench: &Bench<'_>, mut evidence: Evidence) -> Result<Evidence, RunError> {
    let exercise = bench.exercise;
    let scope = exercise
        .variables(&evidence.seed, &evidence.draws)
        .map_err(|source| {
            RunError::Step(StepError::Argument {
                step: "vars".to_owned(),
                source: Box::new(source),
            })
        })?;
    bench
        .events
        .started(Stage::Push, "programs and modules".to_owned());
    let files = files(bench)?;
    let silent = Events::silent();
    let transfer = Transfer {
        deadline: lab.deadline(PUSH),
        cancel: bench.cancel,
        events: &silent,
        stage: Stage::Push,
    };
    let bytes = lab
        .guest()
        .push_files(&files, &transfer)
        .await
        .map_err(RunError::Push)?;
    bench
        .events
        .finished(Stage::Push, format!("{} files, {} KiB", files.len(), bytes >> 10));

    bench.events.started(Stage::Run, exercise.full_name());
    let witness = match &exercise.witness {
        Some(witness) => {
            let (ko, tracer) = (params::module("witness"), params::tool("tracer"));
            Some(Witness::start(lab, &ko, &tracer, witness, bench.cancel).await?)
        }
        None => None,
    };
    mark(lab, bench, Edge::Begin).await?;
    let built: BTreeSet<String> = bench.built.files.keys().cloned().collect();
    let fill = |text: &crate::spec::text::Text| {
        text.render(&scope).map_err(|source| StepError::Argument {
            step: exercise.full_name(),
            source: Box::new(source),
        })
    };
    let mut steps = Steps::new(lab, bench.cancel, &fill, bench.nonce, &built);
    steps.run(&exercise.run).await?;

    let alive = steps.lost_in.is_none() && close(lab, bench).await?;
    steps.finish().await;
    let testimony = match witness {
        Some(witness) => witness.stop(lab, bench.cancel).await,
        None => Testimony::default(),
    };
    let lost_in = steps.lost_in.take();
    evidence.steps = std::mem::take(&mut steps.records);
    drop(steps);
    let ended = if alive {
        None
    } else {
        tokio::time::timeout(LAST_WORDS, lab.vm().ended()).await.ok()
    };

    let kernel_log = fs::read(lab.vm().dir().kmsg_log())?;
    let console = fs::read(lab.vm().dir().console_log())?;
    let window = window::cut(&kernel_log, bench.nonce);
    // A kernel that cannot even reset after its panic has told of it on the console all the same.
    let panicked = match &ended {
        Some(ended) => ended.state.panic().is_some(),
        None => !alive && matches!(lab.vm().state(), RunState::Alarmed(_)),
    };
    let found = collect::splats(&window, &console, panicked, |module| {
        bench.built.files.contains_key(module)
    });
    evidence.splats = symbolise(bench, found).await?;
    if !alive {
        let step = lost_in.unwrap_or_else(|| "the end of the run".to_owned());
        evidence.guest_lost = Some(collect::lost(
            ended.as_ref(),
            &step,
            student_ran(exercise, &evidence),
        ));
    }
    for step in &mut evidence.steps {
        step.started_us = window.steps.get(&step.id).copied();
    }
    evidence.kernel_log = window.records;
    evidence.kernel_log_lost = window.lost;
    evidence.witness = testimony.copies;
    evidence.events = testimony.events;
    evidence.probes = testimony.probes;
    evidence.witness_dropped = testimony.dropped;

    fs::write(bench.run_dir.console(), console)?;
    fs::write(bench.run_dir.kernel_log(), kernel_log)?;
    fs::write(bench.run_dir.witness(), testimony.raw)?;
    for step in &evidence.steps {
        for (stream, text) in [("stdout", &step.stdout), ("stderr", &step.stderr)] {
            if !text.is_empty() {
                fs::write(bench.run_dir.output(&step.id, stream), text)?;
            }
        }
    }
    bench.events.finished(Stage::Run, exercise.full_name());
    Ok(evidence)
}

async fn symbolise(
    bench: &Bench<'_>,
    found: Vec<collect::Found>,
) -> Result<Vec<crate::grade::evidence::SplatRecord>, RunError> {
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let (modules, compiler, cancel) = (
        bench.built.files.clone(),
        bench.compiler.clone(),
        bench.cancel.clone(),
    );
    let symbolised =
        tokio::task::spawn_blocking(move || collect::symbolise(found, &modules, &compiler, &cancel)).await;
    match symbolised {
        Ok(records) => records.map_err(RunError::Symbolise),
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

/// What goes into the guest: what was built, and the student's scripts. The tools are there already; that the course
/// asks for none that labctl does not have is made sure first.
fn files(bench: &Bench<'_>) -> Result<Vec<PushFile>, RunError> {
    let no_tool = |name: &str| RunError::NoTool {
        name: name.to_owned(),
    };
    for step in &bench.exercise.run {
        let (has, name) = match &step.kind {
            StepKind::Load {
                module: ModuleRef::Tool(name),
                ..
            } => (bench.tools.modules.contains_key(name.as_str()), name.as_str()),
            StepKind::Start {
                program: Program::Tool(name),
                ..
            }
            | StepKind::Exec {
                program: Program::Tool(name),
                ..
            } => (bench.tools.programs.contains_key(name.as_str()), name.as_str()),
            _ => continue,
        };
        if !has {
            return Err(no_tool(name));
        }
    }
    if bench.exercise.witness.is_some() && !bench.tools.modules.contains_key("witness") {
        return Err(no_tool("witness"));
    }
    let built = bench.built.files.iter().map(|(name, path)| {
        let is_module = path.extension().is_some_and(|extension| extension == "ko");
        let (destination, mode) = if is_module {
            (params::module(name), 0o600)
        } else {
            (params::student(name), 0o700)
        };
        (path, destination, mode)
    });
    let scripts = bench
        .scripts
        .iter()
        .map(|(path, file)| (file, params::script(path), 0o600));
    Ok(built
        .chain(scripts)
        .map(|(source, destination, mode)| PushFile {
            source: source.clone(),
            destination: destination.into(),
            mode,
        })
        .collect())
}

async fn mark(lab: &Lab, bench: &Bench<'_>, edge: Edge) -> Result<(), RunError> {
    let line = format!("echo '{}' > /dev/kmsg", window::mark(bench.nonce, edge));
    let command = Command::shell(line)?;
    let marked = lab
        .guest()
        .exec(command, lab.deadline(MARK), bench.cancel)
        .await
        .map_err(RunError::Mark)?;
    match marked.outcome {
        Outcome::Exited(0) => Ok(()),
        Outcome::Cancelled => Err(RunError::Cancelled),
        Outcome::Lost(lost) => Err(RunError::Mark(ExecError::Lost(lost))),
        _ => Err(RunError::MarkRefused {
            said: marked.stderr.text().trim().to_owned(),
        }),
    }
}

/// Writes the closing mark and waits until the host's record of the log has it: then everything before it is there,
/// too. False when the guest does not live to do that.
async fn close(lab: &Lab, bench: &Bench<'_>) -> Result<bool, RunError> {
    let marked = tokio::select! {
        marked = mark(lab, bench, Edge::End) => marked,
        _ = lab.vm().ended() => return Ok(false),
    };
    match marked {
        Ok(()) => {}
        Err(RunError::Cancelled) => return Err(RunError::Cancelled),
        // A guest that was alive for every step and is not for this: what happened will show in its logs.
        Err(_) => return Ok(false),
    }
    let wanted = window::mark(bench.nonce, Edge::End).into_bytes();
    let mut log = Follower::open(&lab.vm().dir().kmsg_log())?;
    let arrival = async {
        let mut seen = Vec::new();
        while let Ok(bytes) = log.next().await {
            seen.extend_from_slice(&bytes);
            if seen.windows(wanted.len()).any(|at| at == wanted) {
                return true;
            }
            // Enough is kept for a mark that arrives in two pieces.
            seen.drain(..seen.len().saturating_sub(wanted.len()));
        }
        false
    };
    Ok(tokio::select! {
        arrived = arrival => arrived,
        _ = lab.vm().ended() => false,
        () = tokio::time::sleep_until(lab.deadline(MARK).instant().into()) => false,
    })
}

/// Whether anything of the student's had been started when the guest was lost.
fn student_ran(exercise: &Exercise, evidence: &Evidence) -> bool {
    exercise.run.iter().any(|step| {
        let theirs = match &step.kind {
            StepKind::Load {
                module: ModuleRef::Student(_),
                ..
            } => true,
            StepKind::Start { program, .. } | StepKind::Exec { program, .. } => program.is_student(),
            _ => false,
        };
        theirs
            && evidence
                .step(&step.id)
                .is_some_and(|record| record.status != StepStatus::NotRun)
    })
}
