//! `labctl::guest` against an SSH server that misbehaves on request.

mod copy;
mod exec;
mod openssh;
mod ready;
mod terminal;

use std::time::Duration;

use labctl::deadline::Deadline;
use labctl::guest::{Command, Guest, Nudge, Patience, connect_until};
use labctl::supervise::Cancel;

use crate::fake_ssh::{FakeSsh, Script};

/// Long enough for the slowest machine; a test that runs into it hangs for a reason.
fn plenty() -> Deadline {
    Deadline::after(Duration::from_secs(60))
}

fn shell(line: &str) -> Command {
    Command::shell(line).unwrap()
}

async fn enter_with(fake: &FakeSsh, patience: &Patience) -> Guest {
    connect_until(
        fake.address,
        &fake.access,
        patience,
        plenty(),
        &Cancel::new(),
        &Nudge::new(),
    )
    .await
    .unwrap()
}

async fn guest_with(script: Script) -> (FakeSsh, Guest) {
    let fake = FakeSsh::start(script).await;
    let guest = enter_with(&fake, &Patience::for_running(10.0)).await;
    (fake, guest)
}

async fn guest() -> (FakeSsh, Guest) {
    guest_with(Script::default()).await
}
