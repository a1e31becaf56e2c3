//! `labctl status`.

use std::fmt::Write as _;

use serde::Serialize;

use super::target::kept;
use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::session::labels;
use crate::vm::AccelKind;

#[derive(Serialize)]
struct Status {
    schema: &'static str,
    guests: Vec<GuestStatus>,
}

#[derive(Serialize)]
struct GuestStatus {
    name: String,
    state: &'static str,
    module: Option<String>,
    kernel: Option<String>,
    accel: AccelKind,
    accel_reason: String,
    pid: Option<u32>,
    ssh_port: u16,
    created: u64,
    console: String,
    kernel_log: String,
}

pub(super) fn run(context: &Context, format: Format) -> Result<Exit, Failure> {
    context.reap()?;
    let guests: Vec<_> = kept(context)?
        .into_iter()
        .map(|kept| GuestStatus {
            state: if kept.running { "running" } else { "ended" },
            module: kept.record.labels.get(labels::MODULE).cloned(),
            kernel: kept.record.labels.get(labels::KERNEL_RELEASE).cloned(),
            accel: kept.record.accel,
            accel_reason: kept.record.accel_reason.clone(),
            pid: kept
                .record
                .process
                .map(|process| process.pid)
                .filter(|_| kept.running),
            ssh_port: kept.record.ssh_port,
            created: kept.record.created,
            console: kept.dir.console_log().display().to_string(),
            kernel_log: kept.dir.kmsg_log().display().to_string(),
            name: kept.name,
        })
        .collect();
    let text = match format {
        Format::Json => {
            serde_json::to_string_pretty(&Status {
                schema: "labctl/status/v1",
                guests,
            })? + "\n"
        }
        Format::Human => human(&guests),
    };
    output::result(&text)?;
    Ok(Exit::Done)
}

fn human(guests: &[GuestStatus]) -> String {
    if guests.is_empty() {
        return "no guest is running\n".to_owned();
    }
    let mut text = String::new();
    for guest in guests {
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            text,
            "{:<12} {:<8} {} under {} ({}), ssh port {}",
            guest.name,
            guest.state,
            guest.kernel.as_deref().unwrap_or("unknown kernel"),
            guest.accel,
            guest.accel_reason,
            guest.ssh_port,
        );
        if guest.state == "ended" {
            let _ = writeln!(
                text,
                "             it ended by itself; its console: {}",
                guest.console
            );
        }
    }
    text
}
