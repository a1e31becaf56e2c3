//! Carrying out a [`BuildPlan`]: from the source package to a store entry. Resumable: the tree lives in the store's
//! scratch space until the build is whole, and every finished step leaves a mark.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;
use lab_deb::archive::ReadOptions;
use lab_deb::unpack_into;

use super::config::Config;
use super::entry::{RECORD, Record, TREE};
use super::error::KernelError;
use super::plan::{ARCHIVE, BuildPlan, RESULT, SOURCE, Step};
use super::progress::{Phase, Progress, left_behind};
use super::tree::needed_for_modules;
use crate::deadline::Deadline;
use crate::event::{Events, Stage, Unit};
use crate::sandbox::{Bubblewrap, Limits, Outcome, Sandbox};
use crate::supervise::Cancel;
use crate::toolchain::{PackageFile, Toolchain};

/// Far beyond the ten minutes that a clean build takes on two slow cores.
const BUDGET: Duration = Duration::from_secs(2 * 3600);
const TAIL: usize = 30;

/// A build at work.
pub(super) struct SourceBuild<'a> {
    pub(super) name: &'a str,
    pub(super) plan: &'a BuildPlan,
    pub(super) packages: &'a [PackageFile],
    pub(super) toolchain: &'a Toolchain,
    pub(super) bubblewrap: &'a Bubblewrap,
    /// Survives an interruption.
    pub(super) scratch: &'a Path,
    pub(super) events: &'a Events,
    pub(super) cancel: &'a Cancel,
}

impl SourceBuild<'_> {
    /// Builds, or goes on building, and fills `staging`.
    pub(super) fn run(&self, staging: &Path) -> Result<(), KernelError> {
        let tree = self.scratch.join("linux");
        fs::create_dir_all(&tree).map_err(KernelError::io("make the kernel's build folder"))?;
        let archive = self.archive()?;
        let log = self.scratch.join("build.log");
        let sandbox = self
            .toolchain
            .sandbox()
            .read_only(&archive, ARCHIVE)
            .writable(&tree, SOURCE)
            .workdir(SOURCE)
            .with_proc();
        let sandbox = Sandbox {
            env: self.plan.env.clone(),
            ..sandbox
        };
        let resumed = left_behind(relative_files(&tree)?.iter().map(String::as_str));
        let mut progress = Progress::new(self.plan.objects, resumed);
        if resumed > 0 {
            self.events.note(format!(
                "going on with an interrupted build ({resumed} files are compiled)"
            ));
        }
        for (index, step) in self.plan.steps.iter().enumerate() {
            let mark = self.scratch.join(format!("done-{index}"));
            // Unpacking again would give every file a new time, and make would compile everything again.
            let repeatable = matches!(step.phase, Phase::Compile | Phase::Collect);
            if mark.exists() && !repeatable {
                continue;
            }
            self.step(&sandbox, step, &tree, &log, &mut progress)?;
            if step.phase == Phase::Configure {
                self.verify_config(&tree)?;
            }
            fs::write(&mark, "").map_err(KernelError::io("note a finished step"))?;
        }
        self.collect(&tree, staging)
    }

    /// The folder with the source archive, unpacked from its package.
    fn archive(&self) -> Result<PathBuf, KernelError> {
        let root = self.scratch.join("package");
        let sources = root.join("usr/src");
        let mark = self.scratch.join("done-package");
        if !mark.exists() {
            self.events.progress(
                Stage::Kernel,
                0,
                Some(u64::from(self.plan.objects)),
                Unit::Files,
                "unpack",
            );
            fs::create_dir_all(&root).map_err(KernelError::io("make the kernel's build folder"))?;
            for package in self.packages {
                let file = fs::File::open(&package.path).map_err(KernelError::io("open a package"))?;
                let file = std::io::BufReader::new(self.cancel.reader(file));
                unpack_into(&root, file, &ReadOptions::default()).map_err(|source| KernelError::Package {
                    package: package.name.clone(),
                    source: Box::new(source),
                })?;
            }
            fs::write(&mark, "").map_err(KernelError::io("note a finished step"))?;
        }
        Ok(sources)
    }

    fn step(
        &self,
        sandbox: &Sandbox,
        step: &Step,
        tree: &Path,
        log: &Path,
        progress: &mut Progress,
    ) -> Result<(), KernelError> {
        for (name, text) in &step.files {
            fs::write(tree.join(name), text).map_err(KernelError::io("write the kernel's configuration"))?;
        }
        let argv: Vec<&str> = step.argv.iter().map(String::as_str).collect();
        let limits = Limits::for_pinned_build(Deadline::after(BUDGET));
        let mut tail = std::collections::VecDeque::new();
        let phase = phase_name(step.phase);
        let tell = |progress: &Progress| {
            let shown = if step.phase == Phase::Compile {
                phase_name(progress.phase())
            } else {
                phase
            };
            let (done, total) = (u64::from(progress.compiled()), u64::from(progress.expected()));
            self.events
                .progress(Stage::Kernel, done, Some(total), Unit::Files, shown);
        };
        tell(progress);
        let mut output = fs::File::options()
            .create(true)
            .append(true)
            .open(log)
            .map_err(KernelError::io("open the build's log"))?;
        let finished = sandbox.run(self.bubblewrap, &argv, &limits, self.cancel, &mut |_, line| {
            use std::io::Write as _;

            if progress.line(line) {
                tell(progress);
            }
            if tail.len() == TAIL {
                tail.pop_front();
            }
            tail.push_back(line.to_owned());
            // The log helps people; a full disk will show in the build itself.
            drop(writeln!(output, "{line}"));
        })?;
        let log = log.to_owned();
        match finished.outcome {
            Outcome::Exited(0) => Ok(()),
            Outcome::LimitReached(limit) => Err(KernelError::Limit {
                phase: phase.to_owned(),
                limit,
                log,
            }),
            Outcome::Exited(status) => Err(KernelError::Build {
                phase: phase.to_owned(),
                outcome: format!(
                    "`{}` ended with status {status}",
                    step.argv.first().map_or("", String::as_str)
                ),
                tail: tail.into(),
                log,
            }),
            Outcome::Signaled(signal) => Err(KernelError::Build {
                phase: phase.to_owned(),
                outcome: format!("it was ended by signal {signal}"),
                tail: tail.into(),
                log,
            }),
        }
    }

    fn verify_config(&self, tree: &Path) -> Result<(), KernelError> {
        let text =
            fs::read_to_string(tree.join(".config")).map_err(KernelError::io("read the configuration"))?;
        self.plan
            .requests
            .verify(&Config::parse(&text))
            .map_err(|unmet| KernelError::Unmet {
                list: unmet.to_string(),
            })
    }

    /// Copies what others need into the entry.
    fn collect(&self, tree: &Path, staging: &Path) -> Result<(), KernelError> {
        let copy = |from: &Path, to: &Path| -> Result<(), KernelError> {
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent).map_err(KernelError::io("fill the kernel's entry"))?;
            }
            fs::copy(from, to)
                .map(drop)
                .map_err(KernelError::io("fill the kernel's entry"))
        };
        for path in relative_files(tree)? {
            if needed_for_modules(&path) {
                copy(&tree.join(&path), &staging.join(TREE).join(&path))?;
            }
        }
        // After the tree: the kernel with its types only takes the place of the linked one, which is ten times as large.
        for output in &self.plan.outputs {
            let from = tree.join(&output.path);
            if !from.is_file() {
                return Err(KernelError::Incomplete {
                    what: format!("{RESULT} {}", output.name),
                });
            }
            copy(&from, &staging.join(output.name))?;
        }
        let release =
            fs::read_to_string(staging.join("release")).map_err(KernelError::io("read the release"))?;
        let record = Record {
            release: release.trim().to_owned(),
            mount: SOURCE.to_owned(),
            build_dir: SOURCE.to_owned(),
            env: self.plan.env.clone(),
            modules: Vec::new(),
        };
        debug_assert!(!staging.join(RECORD).exists(), "{}", self.name);
        record.write(staging)
    }
}

fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Unpack => "unpack",
        Phase::Configure => "configure",
        Phase::Tools => "tools",
        Phase::Compile => "compile",
        Phase::Link => "link",
        Phase::Collect => "collect",
    }
}

/// Every regular file below `root`, relative, sorted.
fn relative_files(root: &Path) -> Result<Vec<String>, KernelError> {
    fn walk(root: &Path, dir: &Path, found: &mut Vec<String>) -> std::io::Result<()> {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                walk(root, &entry.path(), found)?;
            } else if kind.is_file()
                && let Ok(relative) = entry.path().strip_prefix(root)
                && let Some(relative) = relative.to_str()
            {
                found.push(relative.to_owned());
            }
        }
        Ok(())
    }
    let mut found = Vec::new();
    walk(root, root, &mut found).map_err(KernelError::io("look through the kernel's tree"))?;
    found.sort();
    Ok(found)
}
