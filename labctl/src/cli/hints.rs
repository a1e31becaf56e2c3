//! The one place where an error of a layer below becomes an exit status and advice.

use super::exit::Exit;
use super::failure::Failure;
use super::mirror;
use crate::accel::AccelError;
use crate::apt::{
    DownloadError, FetchError, IndexError, LockError, MirrorError, ResolveError, TransferError, VerifyError,
};
use crate::bundle::BundleError;
use crate::cbuild::{CompileError, SourceError};
use crate::exercise::RunError;
use crate::guest::{ConnectError, CopyError, ExecError, TerminalError};
use crate::image::ImageError;
use crate::kernel::{KernelError, TypesError};
use crate::sandbox::SandboxError;
use crate::session::{AttachError, BootError, PortableError, PrepareError, RecipeError};
use crate::slurm::SlurmError;
use crate::spec::course::NotFound;
use crate::store::StoreError;
use crate::supervise::Cancelled;
use crate::toolchain::ToolchainError;
use crate::vm::{InstanceError, LaunchError, LeaseError, QemuError, WaitError};

/// What to do about a full disk.
const DISK_FULL: &str =
    "the disk is full: free some space, or set XDG_CACHE_HOME and XDG_STATE_HOME to folders on a larger one";

fn interrupted() -> Failure {
    Failure::new(Exit::Interrupted, "interrupted")
}

/// Whether something below `error` says that the disk is full.
fn is_disk_full(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && matches!(
                io.kind(),
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
            )
        {
            return true;
        }
        next = error.source();
    }
    false
}

/// A failure of the host or of the infrastructure, with what a full disk asks for.
fn failed(exit: Exit, error: &(dyn std::error::Error + 'static)) -> Failure {
    if is_disk_full(error) {
        return Failure::from_error(Exit::Host, error).hint(DISK_FULL);
    }
    Failure::from_error(exit, error)
}

macro_rules! plain {
    ($($error:ty => $exit:expr),* $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                failed($exit, &error)
            }
        })*
    };
}

plain! {
    std::io::Error => Exit::Host,
    serde_json::Error => Exit::Bug,
    InstanceError => Exit::Host,
    SourceError => Exit::Invalid,
    LockError => Exit::Invalid,
    ResolveError => Exit::Invalid,
    crate::grade::GradeError => Exit::Invalid,
    crate::spec::expr::EvalError => Exit::Invalid,
    crate::guest::NulInCommand => Exit::Usage,
}

impl From<SlurmError> for Failure {
    fn from(error: SlurmError) -> Self {
        match &error {
            SlurmError::NoProgram { .. } => failed(Exit::Host, &error).hint(
                "install it (Debian: slurm-client) on a host of the cluster; or grade here, without --engine",
            ),
            SlurmError::Refused { .. } => failed(Exit::Host, &error)
                .hint("`sinfo` has to list the nodes of the cluster on this host")
                .hint("--engine-option hands options to sbatch, such as --engine-option=--partition=NAME"),
            SlurmError::Interrupted { .. } => failed(Exit::Interrupted, &error)
                .hint("the same command goes on where the parts have stopped"),
            SlurmError::Io { .. } => failed(Exit::Host, &error),
        }
    }
}

impl From<NotFound> for Failure {
    fn from(error: NotFound) -> Self {
        Self::from_error(Exit::Usage, &error).hint("`labctl list` shows modules and exercises")
    }
}

impl From<Cancelled> for Failure {
    fn from(_: Cancelled) -> Self {
        interrupted()
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Cancelled => interrupted(),
            error => failed(Exit::Host, &error)
                .hint("the store can be made again: delete it, or set XDG_CACHE_HOME to another folder"),
        }
    }
}

impl From<RecipeError> for Failure {
    fn from(error: RecipeError) -> Self {
        let failure = Failure::from_error(Exit::Invalid, &error);
        match &error {
            RecipeError::Missing { what, .. } => Failure::from_error(Exit::Usage, &error)
                .hint(format!("`labctl {what} ls` lists those of this course")),
            RecipeError::NoLock { .. } | RecipeError::StaleLock { .. } => {
                failure.hint("`labctl lock` writes it")
            }
            _ => failure,
        }
    }
}

impl From<BundleError> for Failure {
    fn from(error: BundleError) -> Self {
        let again = "nothing of it was taken; copy it again, and compare its digest with the one that was printed \
                     when it was written";
        match error {
            BundleError::Cancelled(_) | BundleError::Store(StoreError::Cancelled) => interrupted(),
            BundleError::Store(error) => error.into(),
            BundleError::NoSpace { .. } => Self::from_error(Exit::Host, &error)
                .hint("`labctl cache gc` makes room, or set XDG_CACHE_HOME to a folder on a larger disk"),
            BundleError::Version { .. } => Self::from_error(Exit::Invalid, &error)
                .hint("write it with the labctl that is to read it, or use the labctl that wrote it"),
            BundleError::NotABundle { .. } => Self::from_error(Exit::Invalid, &error)
                .hint("`labctl cache export --for MODULE FILE.tar.zst` writes one"),
            BundleError::Truncated
            | BundleError::Contents { .. }
            | BundleError::Mismatch { .. }
            | BundleError::Trailing
            | BundleError::Pin { .. } => Self::from_error(Exit::Invalid, &error).hint(again),
            BundleError::Changed { .. } | BundleError::Unfit { .. } => {
                failed(Exit::Inconclusive, &error).hint("`labctl cache verify` examines the store")
            }
            error => failed(Exit::Host, &error),
        }
    }
}

impl From<PortableError> for Failure {
    fn from(error: PortableError) -> Self {
        match error {
            PortableError::Recipe(error) => error.into(),
            PortableError::Prepare(error) => error.into(),
            error => Self::from_error(Exit::Invalid, &error)
                .hint("`labctl lock` pins what the mirror has now; give the course with that lock to the other host"),
        }
    }
}

impl From<MirrorError> for Failure {
    fn from(error: MirrorError) -> Self {
        Self::from_error(Exit::Host, &error).hint(mirror::HINT)
    }
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Self {
        Self::from_error(Exit::Host, &error).hint("sudo apt-get install gpgv debian-archive-keyring")
    }
}

impl From<IndexError> for Failure {
    fn from(error: IndexError) -> Self {
        failed(Exit::Host, &error).hint("`labctl doctor` shows the mirror; --mirror names another one")
    }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        Self::fetch(&error, &error)
    }
}

impl Failure {
    fn fetch(shown: &(dyn std::error::Error + 'static), error: &FetchError) -> Self {
        match error {
            FetchError::Cancelled(_)
            | FetchError::Store(StoreError::Cancelled)
            | FetchError::Transport(TransferError::Cancelled(_))
            | FetchError::Download(DownloadError::Transfer {
                source: TransferError::Cancelled(_),
                ..
            }) => interrupted().hint("what has arrived is kept, and the next run goes on from there"),
            FetchError::Mirror(_) => failed(Exit::Host, shown).hint(mirror::HINT),
            FetchError::Drift { .. } => failed(Exit::Invalid, shown)
                .hint("`labctl lock` pins what the mirror has now; without --locked its successor is used"),
            FetchError::Download(DownloadError::Digest { .. } | DownloadError::Size { .. }) => {
                failed(Exit::Inconclusive, shown)
                    .hint("the mirror served other bytes than are pinned, and they were thrown away")
                    .hint("try again, or name another mirror with --mirror URL")
            }
            FetchError::Download(DownloadError::Write { .. }) | FetchError::Store(_) => {
                failed(Exit::Host, shown)
            }
            FetchError::Transport(TransferError::Proxy { .. }) => {
                failed(Exit::Host, shown).hint("mend http_proxy, https_proxy or all_proxy in the environment")
            }
            FetchError::Download(_) | FetchError::Transport(_) => failed(Exit::Inconclusive, shown)
                .hint("check the network; what has arrived is kept, and the next run goes on from there")
                .hint("`labctl doctor` names the mirror; --mirror URL takes another one"),
            _ => failed(Exit::Inconclusive, shown).hint("name another mirror with --mirror URL"),
        }
    }
}

impl From<SandboxError> for Failure {
    fn from(error: SandboxError) -> Self {
        if matches!(error, SandboxError::Cancelled) {
            return interrupted();
        }
        let failure = failed(Exit::Host, &error);
        match error.fix() {
            Some(fix) => failure.hint(fix),
            None => failure.hint("`labctl doctor` examines the sandbox"),
        }
    }
}

impl From<TypesError> for Failure {
    fn from(error: TypesError) -> Self {
        failed(Exit::Inconclusive, &error).hint("`labctl kernel build NAME` makes a damaged kernel anew")
    }
}

impl From<CompileError> for Failure {
    fn from(error: CompileError) -> Self {
        match error {
            CompileError::Toolchain(why) => match why.downcast::<PrepareError>() {
                Ok(why) => (*why).into(),
                Err(why) => failed(Exit::Inconclusive, &*why),
            },
            error => failed(Exit::Inconclusive, &error),
        }
    }
}

impl From<PrepareError> for Failure {
    fn from(error: PrepareError) -> Self {
        let error = match error {
            PrepareError::Compile(error @ CompileError::Toolchain(_)) => return error.into(),
            error => error,
        };
        match &error {
            PrepareError::Fetch { source, .. } => Self::fetch(&error, source),
            PrepareError::Bundle(BundleError::Cancelled(_)) => interrupted(),
            PrepareError::Store(StoreError::Cancelled)
            | PrepareError::Toolchain(
                ToolchainError::Cancelled(_) | ToolchainError::Store(StoreError::Cancelled),
            )
            | PrepareError::Compile(
                CompileError::Sandbox(SandboxError::Cancelled) | CompileError::Store(StoreError::Cancelled),
            ) => interrupted(),
            PrepareError::Kernel { source, .. } => match source.as_ref() {
                KernelError::Cancelled(_)
                | KernelError::Sandbox(SandboxError::Cancelled)
                | KernelError::Store(StoreError::Cancelled) => {
                    interrupted().hint("the next run goes on from where this one stopped")
                }
                KernelError::Sandbox(sandbox) => {
                    let failure = failed(Exit::Host, &error);
                    match sandbox.fix() {
                        Some(fix) => failure.hint(fix),
                        None => failure,
                    }
                }
                KernelError::Build { tail, log, .. } => {
                    let full = tail.iter().any(|line| line.contains("No space left on device"));
                    let failure = if full {
                        Failure::from_error(Exit::Host, &error).hint(DISK_FULL)
                    } else {
                        failed(Exit::Inconclusive, &error)
                    };
                    failure.excerpt(tail.iter().cloned()).logs(log.clone())
                }
                KernelError::Limit { log, .. } => failed(Exit::Inconclusive, &error).logs(log.clone()),
                KernelError::Fragment(_) | KernelError::Unmet { .. } | KernelError::Unproved(_) => {
                    failed(Exit::Invalid, &error)
                }
                _ => failed(Exit::Inconclusive, &error),
            },
            PrepareError::Image { source, .. } => match source.as_ref() {
                ImageError::Cancelled(_)
                | ImageError::Sandbox(SandboxError::Cancelled)
                | ImageError::Store(StoreError::Cancelled) => interrupted(),
                _ => failed(Exit::Inconclusive, &error),
            },
            PrepareError::NoLayer { .. } => failed(Exit::Invalid, &error),
            _ => failed(Exit::Inconclusive, &error),
        }
    }
}

impl From<QemuError> for Failure {
    fn from(error: QemuError) -> Self {
        let failure = Self::from_error(Exit::Host, &error);
        match error {
            QemuError::Missing { package, .. } => failure.hint(format!("sudo apt-get install {package}")),
            QemuError::TooOld { .. } => {
                failure.hint("install a newer QEMU; Debian 12 and Ubuntu 24.04 have one")
            }
            _ => failure,
        }
    }
}

impl From<AccelError> for Failure {
    fn from(error: AccelError) -> Self {
        let failure = Self::from_error(Exit::Host, &error);
        match error {
            AccelError::Cancelled => interrupted(),
            AccelError::NoKvm(kvm) => {
                let advice = kvm.advice();
                advice
                    .into_iter()
                    .fold(failure, Self::hint)
                    .hint("without --accel kvm, guests run under TCG")
            }
            AccelError::Probe(_) => failure.hint("--accel tcg does without the question"),
        }
    }
}

impl From<LeaseError> for Failure {
    fn from(error: LeaseError) -> Self {
        match error {
            LeaseError::Cancelled { .. } => interrupted(),
            LeaseError::Name(_) => Self::from_error(Exit::Usage, &error),
            error => Self::from_error(Exit::Host, &error),
        }
    }
}

impl From<BootError> for Failure {
    fn from(error: BootError) -> Self {
        if matches!(
            error,
            BootError::Cancelled | BootError::Lease(LeaseError::Cancelled { .. })
        ) {
            return interrupted();
        }
        let console: Vec<String> = error.console().to_vec();
        let exit = match &error {
            BootError::Launch(LaunchError::Qemu(_) | LaunchError::Config(_)) | BootError::Lease(_) => {
                Exit::Host
            }
            _ => Exit::Inconclusive,
        };
        let failure = failed(exit, &error).excerpt(console);
        match &error {
            BootError::NotUp(wait) if matches!(wait.as_ref(), WaitError::TimedOut { .. }) => {
                failure.hint("the host may be too busy; try again with less running beside it")
            }
            BootError::Launch(_) => failure.hint("`labctl doctor` examines QEMU and the accelerator"),
            _ => failure,
        }
    }
}

impl From<AttachError> for Failure {
    fn from(error: AttachError) -> Self {
        match &error {
            AttachError::Cancelled => interrupted(),
            AttachError::NotRunning { name } => {
                let hint = format!("start it with `labctl up {name}`");
                Self::from_error(Exit::Usage, &error).hint(hint)
            }
            AttachError::HasEnded { name, console } => {
                let hint =
                    format!("`labctl dmesg {name}` shows its log, `labctl down {name}` clears it away");
                Self::from_error(Exit::Inconclusive, &error)
                    .excerpt(console.clone())
                    .hint(hint)
            }
            AttachError::Silent { name, .. } => {
                let hint = format!("`labctl dmesg {name}` shows its log; `labctl down {name}` ends it");
                Self::from_error(Exit::Inconclusive, &error).hint(hint)
            }
            _ => failed(Exit::Host, &error),
        }
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Cancelled(_) => interrupted(),
            error => Self::from_error(Exit::Inconclusive, &error),
        }
    }
}

impl From<ExecError> for Failure {
    fn from(error: ExecError) -> Self {
        match error {
            ExecError::Cancelled(_) => interrupted(),
            error => Self::from_error(Exit::Inconclusive, &error),
        }
    }
}

impl From<TerminalError> for Failure {
    fn from(error: TerminalError) -> Self {
        match error {
            TerminalError::Cancelled(_) | TerminalError::Exec(ExecError::Cancelled(_)) => interrupted(),
            error => Self::from_error(Exit::Inconclusive, &error),
        }
    }
}

impl From<CopyError> for Failure {
    fn from(error: CopyError) -> Self {
        match &error {
            CopyError::Exec(ExecError::Cancelled(_)) => interrupted(),
            CopyError::Host { .. } | CopyError::Exists { .. } | CopyError::IsFolder { .. } => {
                failed(Exit::Usage, &error)
            }
            CopyError::Guest { .. } => Self::from_error(Exit::Usage, &error),
            _ => failed(Exit::Inconclusive, &error),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match &error {
            RunError::Cancelled
            | RunError::Push(CopyError::Exec(ExecError::Cancelled(_)))
            | RunError::Mark(ExecError::Cancelled(_)) => interrupted(),
            RunError::NoTool { .. } => failed(Exit::Invalid, &error),
            _ => failed(Exit::Inconclusive, &error),
        }
    }
}
