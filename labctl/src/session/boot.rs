//! From a [`Bootable`] to a guest that has let us in.

use std::path::Path;
use std::time::Duration;

use fs_err as fs;

use super::bootable::{Bootable, Host};
use super::lab::{Lab, alias};
use crate::deadline::Deadline;
use crate::event::{Events, Stage, in_one_line};
use crate::guest::{
    Access, ConnectError, Guest, InstanceKeys, KeyError, KnownAs, Nudge, Patience, connect_over,
    connect_until,
};
use crate::supervise::Cancel;
use crate::vm::{
    InstanceDir, InstanceError, LaunchError, Lease, LeaseError, Origin, Vm, VmConfig, WaitError,
};

/// Within which a guest must let us in, as it would be under KVM.
const BOOT: Duration = Duration::from_secs(15);
/// Within which QEMU must answer on its control socket. Not scaled: it emulates nothing yet.
const LAUNCH: Duration = Duration::from_secs(30);

/// Within which the end of a QEMU that was killed is known.
const END_OF_QEMU: Duration = Duration::from_millis(200);

/// Why there is no guest.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    #[error("interrupted")]
    Cancelled,
    #[error(transparent)]
    Lease(#[from] LeaseError),
    #[error(transparent)]
    Instance(#[from] InstanceError),
    #[error("cannot make the guest's keys")]
    Keys(#[from] KeyError),
    #[error("cannot write the guest's initramfs")]
    Initrd(#[source] std::io::Error),
    #[error("cannot take the line to the guest up")]
    Greeting(#[source] std::io::Error),
    #[error("cannot start the machine")]
    Launch(#[source] LaunchError),
    /// The machine ended, panicked or was too slow; carries the end of the console.
    #[error("the guest did not come up")]
    NotUp(#[source] Box<WaitError>),
    /// The machine runs, but nobody lets us in.
    #[error("the guest does not let labctl in")]
    NotIn {
        #[source]
        source: Box<ConnectError>,
        console: Vec<String>,
    },
}

impl BootError {
    /// The end of the guest's console, where it says more than the error.
    pub fn console(&self) -> &[String] {
        match self {
            Self::NotUp(wait) => match wait.as_ref() {
                WaitError::TimedOut { console, .. } => console,
                WaitError::Ended(ended) => &ended.console,
                WaitError::Cancelled => &[],
            },
            Self::NotIn { console, .. } => console,
            _ => &[],
        }
    }
}

impl Lab {
    /// Boots a guest as the instance that `lease` is for. Whatever fails, nothing runs afterwards and `lease` removes
    /// the instance's folder when it is dropped.
    ///
    /// # Errors
    /// See [`BootError`].
    pub async fn boot(
        host: &Host,
        bootable: &Bootable,
        name: &str,
        lease: Lease,
        cancel: &Cancel,
        events: &Events,
    ) -> Result<Self, BootError> {
        let dir = lease.create_dir()?;
        let keys = InstanceKeys::generate()?;
        let initrd = bootable.write_initrd(&keys, &dir).map_err(BootError::Initrd)?;
        let known_as = KnownAs {
            alias: alias(name),
            port: None,
        };
        keys.save(dir.path(), &known_as)?;

        events.started(
            Stage::Boot,
            format!("{} under {}", bootable.kernel_name, host.accel.kind),
        );
        let config = bootable.config(host, name, Some(initrd), Origin::Boot);
        let access = keys.access();
        let (vm, guest) = let_in_machine(host, &config, &dir, &access, &alias(name), cancel, events).await?;
        let uptime = vm.stages().last().map_or(0, |stage| stage.uptime_us);
        let detail = format!(
            "{} is up, {} ms of its own time",
            bootable.kernel_release,
            uptime / 1000
        );
        events.finished(Stage::Boot, detail);
        Ok(Self::new(vm, guest, lease, host.slowness()))
    }
}

/// Starts the machine and waits until it lets us in. Whatever fails, nothing runs afterwards.
pub(super) async fn let_in_machine(
    host: &Host,
    config: &VmConfig,
    dir: &InstanceDir,
    access: &Access,
    alias: &str,
    cancel: &Cancel,
    events: &Events,
) -> Result<(Vm, Guest), BootError> {
    let launch = Deadline::after(LAUNCH);
    let vm = Vm::start(&host.qemu, config, dir, cancel, launch, events)
        .await
        .map_err(|error| match error {
            LaunchError::Cancelled => BootError::Cancelled,
            error => BootError::Launch(error),
        })?;
    let known_as = KnownAs {
        alias: alias.to_owned(),
        port: Some(vm.ssh_address().port()),
    };
    access.save_known_hosts(dir.path(), &known_as)?;
    let deadline = Deadline::after(host.scaled(BOOT));
    let enter = async {
        if let Origin::Clone { greeting, .. } = &config.origin
            && let Some(guest) = let_in_by_line(&vm, greeting, access, host, cancel, events).await?
        {
            return Ok(guest);
        }
        let_in(&vm, access, host, deadline, cancel).await
    };
    match enter.await {
        Ok(guest) => Ok((vm, guest)),
        Err(error) => {
            drop(vm.shutdown(Deadline::after(Duration::from_secs(5)), cancel).await);
            Err(error)
        }
    }
}

/// By the line to the server that the clone's template was frozen with. `None` when nobody answers there; the clone's
/// network is the other way in.
async fn let_in_by_line(
    vm: &Vm,
    greeting: &Path,
    access: &Access,
    host: &Host,
    cancel: &Cancel,
    events: &Events,
) -> Result<Option<Guest>, BootError> {
    let greeting = fs::read(greeting).map_err(BootError::Greeting)?;
    let line = vm.line(greeting).map_err(BootError::Greeting)?;
    let patience = Patience::for_running(host.slowness());
    tokio::select! {
        biased;
        guest = connect_over(line.stream, line.carrier, access, &patience) => match guest {
            Ok(guest) => Ok(Some(guest)),
            Err(refusal) => {
                // A line breaks a moment before the end of QEMU, which ends it, is known.
                if tokio::time::timeout(END_OF_QEMU, vm.exited()).await.is_ok() {
                    return Err(BootError::NotUp(Box::new(WaitError::Ended(Box::new(vm.ended().await)))));
                }
                let why = in_one_line(&refusal);
                events.warn(format!("the guest's SSH server does not answer on its line ({why}); the network is used"));
                Ok(None)
            }
        },
        ended = vm.ended() => Err(BootError::NotUp(Box::new(WaitError::Ended(Box::new(ended))))),
        () = cancel.requested() => Err(BootError::Cancelled),
    }
}

/// Waits for a finished handshake, nudged by the guest's own announcement; watches the machine meanwhile.
async fn let_in(
    vm: &Vm,
    access: &Access,
    host: &Host,
    deadline: Deadline,
    cancel: &Cancel,
) -> Result<Guest, BootError> {
    let nudge = Nudge::new();
    let patience = Patience::for_boot(host.slowness());
    let connect = connect_until(vm.ssh_address(), access, &patience, deadline, cancel, &nudge);
    let watch = async {
        match vm.wait_stage("sshd", cancel, deadline).await {
            Ok(_) => nudge.now(),
            Err(error) => return error,
        }
        // From here on only the machine's end is of interest; the handshake has its own deadline.
        WaitError::Ended(Box::new(vm.ended().await))
    };
    tokio::select! {
        biased;
        guest = connect => guest.map_err(|error| match error {
            ConnectError::Cancelled(_) => BootError::Cancelled,
            error => BootError::NotIn { source: Box::new(error), console: vm.console_tail(20) },
        }),
        error = watch => Err(match error {
            WaitError::Cancelled => BootError::Cancelled,
            error => BootError::NotUp(Box::new(error)),
        }),
    }
}
