//! `labctl doctor`: what this host can do, and the exact fix for what it cannot.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use crate::accel::{HostKvm, Kvm, kvm};
use crate::cli::args::Format;
use crate::cli::capacity::memory_available;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::{mirror, output};
use crate::sandbox::{SandboxSupport, probe};
use crate::vm::{self, Qemu};

/// What a cold build of the course kernel and the toolchain takes, with room for the guests' logs.
const DISK_WANTED: u64 = 6 << 30;
/// What a packaged kernel and the toolchain take: enough for every exercise that does not need the course kernel.
const DISK_NEEDED: u64 = 2 << 30;
/// One guest, the compiler, and the rest of a small desktop.
const MEMORY_NEEDED: u64 = 1 << 30;

/// How one finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Weight {
    Good,
    /// Labs run, but slower or not all of them.
    Limited,
    /// Labs cannot run.
    Missing,
}

#[derive(Debug, Serialize)]
struct Finding {
    id: &'static str,
    weight: Weight,
    what: String,
    /// Commands or steps, in order.
    fixes: Vec<String>,
}

#[derive(Serialize)]
struct Diagnosis {
    schema: &'static str,
    able: bool,
    findings: Vec<Finding>,
}

pub(super) async fn run(context: &Context, format: Format) -> Result<Exit, Failure> {
    let mut findings = Vec::new();
    let qemu = Qemu::find(vm::PROGRAM, &context.settings.search_path);
    match &qemu {
        Ok(qemu) => {
            findings.push(qemu_version(qemu).await);
            findings.push(accelerator(context, qemu).await?);
        }
        Err(error) => findings.push(finding(
            "qemu",
            Weight::Missing,
            error.to_string(),
            ["sudo apt-get install qemu-system-x86".to_owned()],
        )),
    }
    findings.push(sandbox(context));
    findings.push(package_mirror(context)?);
    findings.push(store(context));
    findings.push(memory());
    let able = findings.iter().all(|finding| finding.weight != Weight::Missing);
    let text = match format {
        Format::Human => human(&findings),
        Format::Json => {
            serde_json::to_string_pretty(&Diagnosis {
                schema: "labctl/doctor/v1",
                able,
                findings,
            })? + "\n"
        }
    };
    context.ui.clear();
    output::result(&text)?;
    Ok(if able { Exit::Done } else { Exit::Host })
}

fn finding(
    id: &'static str,
    weight: Weight,
    what: impl Into<String>,
    fixes: impl IntoIterator<Item = String>,
) -> Finding {
    Finding {
        id,
        weight,
        what: what.into(),
        fixes: fixes.into_iter().collect(),
    }
}

async fn qemu_version(qemu: &Qemu) -> Finding {
    match qemu.version().await {
        Ok(version) => finding(
            "qemu",
            Weight::Good,
            format!("QEMU {version} ({})", qemu.path().display()),
            [],
        ),
        Err(error) => {
            let fix = "install QEMU 7.2 or later: sudo apt-get install qemu-system-x86".to_owned();
            finding("qemu", Weight::Missing, error.to_string(), [fix])
        }
    }
}

async fn accelerator(context: &Context, qemu: &Qemu) -> Result<Finding, Failure> {
    let host = HostKvm::here();
    // `doctor` is what one runs after having changed something, so it does not trust its memory.
    let kvm = kvm(&host, qemu, &context.settings.cache_dir, true, &context.cancel).await?;
    let (weight, what) = match &kvm {
        Kvm::Proven => (Weight::Good, format!("KVM: {kvm}")),
        other => (
            Weight::Limited,
            format!("guests run under TCG, several times slower than KVM: {other}"),
        ),
    };
    Ok(finding("accelerator", weight, what, kvm.advice()))
}

fn sandbox(context: &Context) -> Finding {
    match probe(&context.settings.search_path) {
        SandboxSupport::Works { bubblewrap } => {
            let (major, minor) = bubblewrap.version();
            finding(
                "sandbox",
                Weight::Good,
                format!("bubblewrap {major}.{minor} makes sandboxes"),
                [],
            )
        }
        SandboxSupport::Broken { error } => {
            finding("sandbox", Weight::Missing, error.to_string(), error.fix())
        }
    }
}

fn package_mirror(context: &Context) -> Result<Finding, Failure> {
    Ok(match mirror::find(context)? {
        Ok(mirror) => finding("mirror", Weight::Good, format!("packages come from {mirror}"), []),
        Err(error) => finding(
            "mirror",
            Weight::Missing,
            error.to_string(),
            [mirror::HINT.to_owned()],
        ),
    })
}

fn store(context: &Context) -> Finding {
    let path = &context.settings.cache_dir;
    if let Err(error) = context.store() {
        let fix = "set XDG_CACHE_HOME to a folder that you may write to".to_owned();
        return finding(
            "store",
            Weight::Missing,
            format!("{}: {}", path.display(), error.headline()),
            [fix],
        );
    }
    let free = free_space(path);
    let (weight, fixes) = match free {
        Some(free) if free < DISK_NEEDED => (
            Weight::Missing,
            vec!["free some space, or set XDG_CACHE_HOME to a folder on a larger disk".to_owned()],
        ),
        Some(free) if free < DISK_WANTED => (
            Weight::Limited,
            vec!["building the course kernel wants 6 GiB; `--kernel debian-6.12` needs 2".to_owned()],
        ),
        _ => (Weight::Good, Vec::new()),
    };
    let free = free.map_or_else(
        || "an unknown amount".to_owned(),
        |free| format!("{:.1} GiB", gib(free)),
    );
    finding(
        "store",
        weight,
        format!("{} with {free} free", path.display()),
        fixes,
    )
}

fn memory() -> Finding {
    match memory_available() {
        Some(bytes) if bytes < MEMORY_NEEDED => finding(
            "memory",
            Weight::Limited,
            format!(
                "{:.1} GiB of memory are free; a guest and the compiler want 1",
                gib(bytes)
            ),
            ["close something large".to_owned()],
        ),
        Some(bytes) => finding(
            "memory",
            Weight::Good,
            format!("{:.1} GiB of memory are free", gib(bytes)),
            [],
        ),
        None => finding(
            "memory",
            Weight::Limited,
            "the free memory is not known (/proc/meminfo)",
            [],
        ),
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit after the point")]
fn gib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}

fn free_space(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    stat.f_bavail.checked_mul(stat.f_frsize)
}

fn human(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let mark = match finding.weight {
            Weight::Good => "ok",
            Weight::Limited => "limited",
            Weight::Missing => "MISSING",
        };
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{mark:>8}  {:<12} {}", finding.id, finding.what);
        for fix in &finding.fixes {
            let _ = writeln!(text, "                         fix: {fix}");
        }
    }
    text
}
