//! Boots a kernel by hand and says when its stages were reached: for looking at a kernel, an image or the machine
//! itself without anything around them.
//!
//! `cargo run --example boot -- KERNEL INITRD [--accel kvm|tcg] [--memory MIB] [--cpus N] [WORDS OF THE COMMAND LINE…]`

#![expect(clippy::print_stdout, reason = "a program for people")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use labctl::deadline::Deadline;
use labctl::event::{Event, Events};
use labctl::supervise::Cancel;
use labctl::vm::{self, AccelKind, Disk, Lease, Machine, Qemu, Vm, VmConfig};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let kernel = args.next().context("no kernel given")?;
    let initrd = args.next().context("no initrd given")?;
    let mut config = VmConfig::new("boot", std::fs::canonicalize(kernel)?);
    config.initrd = Some(std::fs::canonicalize(initrd)?);
    config.cpus = 2;
    config.memory = 384;
    let mut wanted = "ready".to_owned();
    while let Some(word) = args.next() {
        let mut value = || args.next().context("a value is missing");
        match word.as_str() {
            "--accel" if value()? == "kvm" => config.accel = AccelKind::Kvm,
            "--accel" => {}
            "--memory" => config.memory = value()?.parse()?,
            "--cpus" => config.cpus = value()?.parse()?,
            "--microvm" => config.machine = Machine::Microvm,
            "--stage" => wanted = value()?,
            "--disk" => config.disks.push(Disk {
                path: PathBuf::from(value()?),
                serial: format!("disk{}", config.disks.len()),
            }),
            _ => config.cmdline.push(word),
        }
    }
    let root = tempfile::tempdir()?;
    let cancel = Cancel::new();
    let deadline = Deadline::after(Duration::from_secs(60));
    let begun = Instant::now();
    let events = Events::new(move |event| {
        if let Event::Progress { note, .. } = event {
            println!("{:6} ms  stage {note}", begun.elapsed().as_millis());
        }
    });
    let qemu = Qemu::find(vm::PROGRAM, &std::env::var_os("PATH").unwrap_or_default())?;
    let lease = Lease::try_take(root.path(), "boot", "boot")?;
    let dir = lease.create_dir()?;
    let machine = Vm::start(&qemu, &config, &dir, &cancel, deadline, &events).await?;
    println!("{:6} ms  QEMU answers", begun.elapsed().as_millis());
    let outcome = machine.wait_stage(&wanted, &cancel, deadline).await;
    println!("{:6} ms  {outcome:?}", begun.elapsed().as_millis());
    for line in machine.console_tail(8) {
        println!("           | {line}");
    }
    let size = |path: &Path| path.metadata().map_or(0, |meta| meta.len());
    println!("           kmsg.log has {} bytes", size(&dir.kmsg_log()));
    let ended = machine
        .shutdown(Deadline::after(Duration::from_secs(5)), &cancel)
        .await?;
    println!("{:6} ms  ended: {:?}", begun.elapsed().as_millis(), ended.state);
    Ok(())
}
