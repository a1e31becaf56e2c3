//! A guest that was booted once and frozen; later starts go on from there, copy on write, in a tenth of the time.
//!
//! ```text
//! (kernel, image, tools, shape, QEMU, accelerator) ──► id ──► entry of the store: memory, state, keys, logs
//! ```
//!
//! Clones share the keys of their template: whoever can read those can read the memory of all of them anyway. They also
//! share the first secret of the SSH server that they were frozen with, so that what is said on its line is no secret from
//! another clone's root: it is a pipe in a folder of this user's, and SSH is there for its channels, not for its secrecy.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;

use super::boot::{BootError, let_in_machine};
use super::bootable::{Bootable, Host};
use super::lab::{Lab, alias};
use super::names::owned_name;
use crate::accel::HostKvm;
use crate::deadline::Deadline;
use crate::digest::InputHasher;
use crate::event::{Events, Stage, in_one_line};
use crate::guest::{Access, Command, Guest, InstanceKeys, KnownAs, NulInCommand, is_whole_greeting};
use crate::store::{Bucket, Entry, Store, StoreError};
use crate::supervise::Cancel;
use crate::vm::{AccelKind, FreezeError, InstanceDir, Lease, Origin, Vm, argv};

/// As it would be under KVM: to warm up, and to write the state down.
const WARM: Duration = Duration::from_secs(5);
const FREEZE: Duration = Duration::from_secs(10);
/// For its SSH server to start.
const ANSWER: Duration = Duration::from_secs(3);
/// Nothing waits for this. What the last session leaves undone (its connection's end, memory that RCU frees later) each
/// clone would have to finish before its own first session.
const SETTLE: Duration = Duration::from_millis(300);
const MEMORY: &str = "memory";
const STATE: &str = "state";
const CONSOLE: &str = "console.log";
const KMSG: &str = "kmsg.log";
const GREETING: &str = "greeting";
const KEY_FILES: [&str; 4] = ["id_ed25519", "id_ed25519.pub", "password", "host_ed25519.pub"];

/// What every clone's first command will touch: read once before the freeze, it is in memory for all of them.
const WARM_UP: &str =
    "date; uname -r; id; ls -R /lab; cat /proc/uptime; cat /lab/bin/* > /dev/null; insmod; dmesg | tail -n 1";

/// Where templates are kept, and whether this process still believes in them.
#[derive(Debug, Clone)]
pub struct Templates {
    store: Store,
    given_up: Arc<AtomicBool>,
}

/// Why there is no template.
#[derive(Debug, thiserror::Error)]
enum TemplateError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot boot the guest that is to be the template")]
    Boot(#[from] BootError),
    #[error("cannot freeze the guest")]
    Freeze(#[from] FreezeError),
    #[error("cannot write the template")]
    Io(#[from] std::io::Error),
    #[error("the SSH server on the guest's line says nothing")]
    Answer(#[source] std::io::Error),
    #[error("cannot warm the guest up")]
    Warm(#[from] crate::guest::ExecError),
    #[error(transparent)]
    Command(#[from] NulInCommand),
}

impl TemplateError {
    fn is_cancelled(&self) -> bool {
        matches!(
            self,
            Self::Store(StoreError::Cancelled)
                | Self::Boot(BootError::Cancelled)
                | Self::Freeze(FreezeError::Cancelled)
        )
    }
}

impl Templates {
    pub fn new(store: Store) -> Self {
        Self {
            store,
            given_up: Arc::default(),
        }
    }

    /// Says once why, and boots from here on.
    fn give_up(&self, events: &Events, what: &str, error: &dyn std::error::Error) {
        if !self.given_up.swap(true, Ordering::Relaxed) {
            let why = in_one_line(error);
            events.warn(format!("{what} ({why}); guests are booted instead"));
        }
    }

    /// The template for `bootable`, made when it is missing.
    async fn get(
        &self,
        host: &Host,
        bootable: &Bootable,
        cancel: &Cancel,
        events: &Events,
    ) -> Result<Entry, TemplateError> {
        let id = id(host, bootable);
        match self.store.get(Bucket::Templates, &id) {
            Ok(Some(entry)) => return Ok(entry),
            Ok(None) | Err(StoreError::Damaged { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let (store, host, bootable) = (self.store.clone(), host.clone(), bootable.clone());
        let (cancel, events) = (cancel.clone(), events.clone());
        let runtime = tokio::runtime::Handle::current();
        // The store's lock is a file lock, which can only be waited for by a thread.
        let made = tokio::task::spawn_blocking(move || {
            store.get_or_make(
                Bucket::Templates,
                &id,
                &cancel,
                |damage| events.warn(format!("{damage}; it is made again")),
                |staging| runtime.block_on(make(&host, &bootable, staging, &cancel, &events)),
            )
        });
        match made.await {
            Ok(entry) => entry,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
}

/// Everything that decides what is in the frozen machine.
fn id(host: &Host, bootable: &Bootable) -> String {
    let origin = Origin::Template {
        memory: "/memory".into(),
    };
    let config = bootable.config(host, "template", Some("/initrd".into()), origin);
    let mut id = InputHasher::new("template/2")
        .input("qemu", host.qemu.identity())
        .input("image", &bootable.image_id)
        .input("kernel", &bootable.kernel_id);
    for word in argv(&config, 0) {
        id = id.input("argument", word.as_encoded_bytes());
    }
    // Their paths are addresses in the store, which follow from their contents.
    for path in bootable
        .tools
        .programs
        .values()
        .chain(bootable.tools.modules.values())
    {
        id = id.input("tool", path.as_os_str().as_encoded_bytes());
    }
    if host.accel.kind == AccelKind::Kvm {
        // The host's processor shows through.
        let kvm = HostKvm::here();
        id = id.input("host", &kvm.release).input("processor", &kvm.processor);
    }
    id.finish().to_string()
}

async fn make(
    host: &Host,
    bootable: &Bootable,
    staging: &Path,
    cancel: &Cancel,
    events: &Events,
) -> Result<(), TemplateError> {
    let name = owned_name("template", &format!("{:08x}", rand::random::<u32>()));
    let lease = Lease::try_take(&host.instances, &name, "making a template").map_err(BootError::from)?;
    let dir = lease.create_dir().map_err(BootError::from)?;
    let memory = staging.join(MEMORY);
    // The guest's private key is somewhere in it.
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&memory)?
        .set_len(u64::from(bootable.memory) << 20)?;
    let keys = InstanceKeys::generate().map_err(BootError::from)?;
    let initrd = bootable.write_initrd(&keys, &dir)?;
    events.started(
        Stage::Boot,
        format!(
            "{} under {}, once, as a template",
            bootable.kernel_name, host.accel.kind
        ),
    );
    let config = bootable.config(host, &name, Some(initrd), Origin::Template { memory });
    let (vm, guest) =
        let_in_machine(host, &config, &dir, &keys.access(), &alias(&name), cancel, events).await?;
    let frozen = freeze(&vm, guest, host, staging, cancel).await;
    let ended = vm.shutdown(Deadline::after(Duration::from_secs(5)), cancel).await;
    frozen?;
    drop(ended);
    fs::copy(dir.console_log(), staging.join(CONSOLE))?;
    fs::copy(dir.kmsg_log(), staging.join(KMSG))?;
    let known_as = KnownAs {
        alias: alias(&name),
        port: None,
    };
    keys.save(staging, &known_as).map_err(BootError::from)?;
    events.finished(Stage::Boot, format!("{} is frozen", bootable.kernel_release));
    Ok(())
}

async fn freeze(
    vm: &Vm,
    guest: Guest,
    host: &Host,
    staging: &Path,
    cancel: &Cancel,
) -> Result<(), TemplateError> {
    let deadline = Deadline::after(host.scaled(WARM));
    guest.exec(Command::shell(WARM_UP)?, deadline, cancel).await?;
    guest.close().await;
    drop(guest);
    let deadline = Deadline::after(host.scaled(ANSWER));
    let greeting = tokio::select! {
        biased;
        () = cancel.requested() => return Err(BootError::Cancelled.into()),
        greeting = vm.answer(is_whole_greeting, deadline) => greeting.map_err(TemplateError::Answer)?,
    };
    fs::write(staging.join(GREETING), greeting)?;
    tokio::time::sleep(SETTLE).await;
    let deadline = Deadline::after(host.scaled(FREEZE));
    Ok(vm.freeze(&staging.join(STATE), cancel, deadline).await?)
}

/// A clone of `template` in the new folder `dir`.
async fn go_on(
    host: &Host,
    bootable: &Bootable,
    template: &Entry,
    name: &str,
    dir: &InstanceDir,
    cancel: &Cancel,
    events: &Events,
) -> Result<(Vm, Guest), BootError> {
    let initrd = |source| BootError::Initrd(source);
    for file in KEY_FILES {
        fs::copy(template.file(file), dir.file(file)).map_err(initrd)?;
    }
    // What the guest said before it was frozen is the beginning of its logs.
    fs::copy(template.file(CONSOLE), dir.console_log()).map_err(initrd)?;
    fs::copy(template.file(KMSG), dir.kmsg_log()).map_err(initrd)?;
    let access = Access::load(dir.path())?;
    let origin = Origin::Clone {
        memory: template.file(MEMORY),
        state: template.file(STATE),
        greeting: template.file(GREETING),
    };
    let config = bootable.config(host, name, None, origin);
    let_in_machine(host, &config, dir, &access, &alias(name), cancel, events).await
}

impl Lab {
    /// Starts a guest as the instance that `lease` is for: as a clone where there can be a template, else by a boot.
    /// Whatever fails, nothing runs afterwards and `lease` removes the instance's folder when it is dropped.
    ///
    /// # Errors
    /// See [`BootError`].
    pub async fn start(
        host: &Host,
        bootable: &Bootable,
        name: &str,
        lease: Lease,
        cancel: &Cancel,
        events: &Events,
    ) -> Result<Self, BootError> {
        let believed = host
            .templates
            .as_ref()
            .filter(|templates| !templates.given_up.load(Ordering::Relaxed));
        let Some(templates) = believed else {
            return Self::boot(host, bootable, name, lease, cancel, events).await;
        };
        match templates.get(host, bootable, cancel, events).await {
            Ok(template) => {
                events.started(Stage::Boot, format!("{} from its template", bootable.kernel_name));
                let dir = lease.create_dir()?;
                match go_on(host, bootable, &template, name, &dir, cancel, events).await {
                    Ok((vm, guest)) => {
                        events.finished(Stage::Boot, format!("{} goes on", bootable.kernel_release));
                        return Ok(Self::new(vm, guest, lease, host.slowness()));
                    }
                    Err(BootError::Cancelled) => return Err(BootError::Cancelled),
                    Err(error) => templates.give_up(events, "the template cannot be gone on with", &error),
                }
            }
            Err(error) if error.is_cancelled() => return Err(BootError::Cancelled),
            Err(error) => templates.give_up(events, "no template can be made", &error),
        }
        Self::boot(host, bootable, name, lease, cancel, events).await
    }
}
