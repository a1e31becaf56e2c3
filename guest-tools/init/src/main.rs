//! The guest's PID 1: from a bare kernel to a listening ssh server, one stage after the other, each reported
//! on the console (see [`lab_proto::stage`]); afterwards it reaps processes, keeps the ssh server alive and
//! waits for the signal to power off.
//!
//! ```text
//! start ─► mounts ─► modules ─► layers ─► network ─► sshd ─► ready ─► (reap, respawn) ─► power off
//!   └────────┴─────────┴──────────┴─────────┴────────┴── fatal: one line on the console, then power off
//! ```
//!
//! Nothing here may panic or return: the kernel answers the end of PID 1 with a panic that says nothing about
//! the cause.
#![forbid(unsafe_code)]

mod console;
mod events;
mod fatal;
mod host;
mod kmsg;
mod layers;
mod line;
mod modules;
mod mounts;
mod net;
mod netlink;
mod notify;
mod ports;
mod power;
mod reap;
mod sshd;

use std::convert::Infallible;
use std::process::ExitCode;
use std::thread;

use lab_proto::stage::Stage;
use nix::unistd::getpid;

use crate::console::Console;
use crate::events::{Event, Events};
use crate::fatal::{AtStage, Fatal};
use crate::sshd::Sshd;

fn main() -> ExitCode {
    if getpid().as_raw() != 1 {
        // On a developer's machine every step below would be a disaster.
        console::refuse("lab-init is the guest's PID 1 and does nothing elsewhere");
        return ExitCode::FAILURE;
    }
    fatal::report_panics();
    let Err(fatal) = boot();
    fatal::report(&fatal);
    power::off();
    ExitCode::FAILURE
}

fn boot() -> Result<Infallible, Fatal> {
    mounts::dev().at(Stage::Start)?;
    let mut console = Console::open().at(Stage::Start)?;
    console.stage(Stage::Start);

    // Before the first thread exists, which inherits the mask.
    let mut events = Events::open().at(Stage::Mounts)?;
    mounts::needed_file_systems().at(Stage::Mounts)?;

    // The server takes longer to start than everything below together, and it can do so on another processor:
    // it listens on every address, so it needs no device, and until the network is up nobody can reach it.
    events.watch(sshd::PID_FILE_DIR).at(Stage::Sshd)?;
    let mut sshd = events.unmasked(Sshd::start).at(Stage::Sshd)?.at(Stage::Sshd)?;

    mounts::settings().at(Stage::Mounts)?;
    // The stages before the network need none of them.
    let optional = thread::spawn(mounts::optional_file_systems);
    power::own_ctrl_alt_del().at(Stage::Mounts)?;
    console.stage(Stage::Mounts);

    let pump = kmsg::start().at(Stage::Mounts)?;
    host::listen().at(Stage::Mounts)?;
    modules::load_listed().at(Stage::Modules)?;
    console.stage(Stage::Modules);

    layers::mount_listed().at(Stage::Layers)?;
    console.stage(Stage::Layers);

    // Whoever gets in finds everything in its place: nobody gets in before the network is up.
    optional
        .join()
        .map_err(|_| "the mounting thread panicked")
        .at(Stage::Mounts)?;

    net::up().at(Stage::Network)?;
    console.stage(Stage::Network);
    console.stage(Stage::Sshd);

    let mut is_ready = false;
    loop {
        match events.next().at(Stage::Ready)? {
            Event::FileClosed(name) if name == sshd::PID_FILE_NAME => {
                if !is_ready {
                    is_ready = true;
                    console.stage(Stage::Ready);
                }
            }
            Event::FileClosed(_) => {}
            Event::ChildrenEnded => {
                for ended in reap::all() {
                    if ended.pid == sshd.pid() {
                        console.sshd_exited(ended.status, &sshd::last_words());
                        sshd = events
                            .unmasked(|| sshd.respawn())
                            .at(Stage::Sshd)?
                            .at(Stage::Sshd)?;
                    }
                }
            }
            Event::PowerOff => {
                pump.finish();
                power::off();
            }
        }
    }
}
