//! Says what KVM is worth on this host, and how long it took to find out: `cargo run --example accel`.

#![expect(clippy::print_stdout, reason = "a program for people")]

use std::time::Instant;

use labctl::accel::{AccelChoice, HostKvm, choose, kvm};
use labctl::supervise::Cancel;
use labctl::vm::{self, Qemu};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (host, cancel) = (HostKvm::here(), Cancel::new());
    let qemu = Qemu::find(vm::PROGRAM, &std::env::var_os("PATH").unwrap_or_default())?;
    println!("QEMU {} at {}", qemu.version().await?, qemu.path().display());
    let begun = Instant::now();
    let found = kvm(&host, &qemu, folder.path(), true, &cancel).await?;
    println!("{:?} after {} ms: {found}", found, begun.elapsed().as_millis());
    let begun = Instant::now();
    let chosen = choose(AccelChoice::Auto, &host, &qemu, folder.path(), &cancel).await?;
    println!("{chosen:?} after {} ms", begun.elapsed().as_millis());
    Ok(())
}
