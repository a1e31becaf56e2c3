//! Running the probe kernel: does an accelerator run a guest, and at a processor's speed?

use std::io;
use std::path::Path;

use fs_err as fs;

use super::probe_kernel::{EXIT_PORT, EXIT_STATUS, probe_kernel};
use crate::deadline::Deadline;
use crate::supervise::{self, Cancel};
use crate::vm::{AccelKind, Death, Exit, Qemu};

/// Why an accelerator did not pass.
#[derive(Debug, thiserror::Error)]
pub enum ProbeFailure {
    #[error("QEMU {} (`{}`)", .0.exit, .0.telling_line().unwrap_or("without a word"))]
    Died(Death),
    /// It hung, or crawled.
    #[error("a small guest that should take a moment did not finish in time")]
    TooSlow,
    /// Says nothing about the accelerator.
    #[error("interrupted")]
    Cancelled,
    /// Says nothing about the accelerator.
    #[error("cannot run the probe guest")]
    Io(#[source] io::Error),
}

/// Runs a small guest with `kind` to its end.
///
/// # Errors
/// What went wrong; the first two variants are about the accelerator.
pub async fn probe(
    qemu: &Qemu,
    kind: AccelKind,
    cancel: &Cancel,
    deadline: Deadline,
) -> Result<(), ProbeFailure> {
    let dir = tempfile::Builder::new()
        .prefix("labctl-probe-")
        .tempdir()
        .map_err(ProbeFailure::Io)?;
    fs::write(dir.path().join("kernel"), probe_kernel()).map_err(ProbeFailure::Io)?;
    let command = command(qemu, kind, dir.path());
    let output = tokio::select! {
        // Dropped by whatever ends the wait first, and killed with it.
        output = run(command) => output.map_err(ProbeFailure::Io)?,
        () = cancel.requested() => return Err(ProbeFailure::Cancelled),
        () = tokio::time::sleep_until(deadline.instant().into()) => return Err(ProbeFailure::TooSlow),
    };
    if output.status.code() == Some(EXIT_STATUS) {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(ProbeFailure::Died(Death::classify(
        Exit::from(output.status),
        &said,
    )))
}

async fn run(mut command: tokio::process::Command) -> io::Result<std::process::Output> {
    command.output().await
}

/// The same firmware, machine and processor as a real guest's, so that the answer carries over.
fn command(qemu: &Qemu, kind: AccelKind, dir: &Path) -> tokio::process::Command {
    let (accel, cpu) = match kind {
        AccelKind::Kvm => ("kvm", "host"),
        AccelKind::Tcg => ("tcg", "max"),
    };
    let mut command = supervise::async_command(qemu.path());
    command.current_dir(dir);
    command.args(["-nodefaults", "-no-user-config", "-display", "none"]);
    command.args([
        "-machine",
        "q35,hpet=off",
        "-m",
        "64M",
        "-accel",
        accel,
        "-cpu",
        cpu,
    ]);
    command.args(["-kernel", "kernel"]);
    command.arg("-device");
    command.arg(format!("isa-debug-exit,iobase={EXIT_PORT:#x},iosize=1"));
    command
}
