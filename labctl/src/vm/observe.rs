//! The task that watches a machine: its console, its control connection and its process, merged into one state.

use std::time::Duration;

use lab_kmsg::ConsoleScanner;
use lab_kmsg::scan::Event as Sighting;
use tokio::sync::{mpsc, watch};

use super::argv::SSH_LINE_DEVICE;
use super::follow::Follower;
use super::process::Exit;
use super::state::{Observation, RunState, StageMark};
use super::wire::QmpEvent;
use crate::event::{Events, Stage, Unit};

/// All that was seen of a machine so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Observed {
    pub(super) state: RunState,
    pub(super) stages: Vec<StageMark>,
    /// The kernel has finished printing its panic.
    pub(super) panic_ended: bool,
    /// The server on the SSH line has ended.
    pub(super) line_closed: bool,
}

/// The sources of one machine.
pub(super) struct Sources {
    pub(super) console: Follower,
    pub(super) qmp: mpsc::UnboundedReceiver<QmpEvent>,
    pub(super) exit: watch::Receiver<Option<Exit>>,
    pub(super) events: Events,
}

/// Starts watching. The task ends with the process, after having published [`RunState::Gone`].
pub(super) fn observe(sources: Sources) -> (watch::Receiver<Observed>, tokio::task::AbortHandle) {
    let (publish, observed) = watch::channel(Observed {
        state: RunState::Booting,
        stages: Vec::new(),
        panic_ended: false,
        line_closed: false,
    });
    let observer = Observer {
        publish,
        scanner: ConsoleScanner::default(),
        events: sources.events.clone(),
    };
    let task = tokio::spawn(observer.run(sources));
    (observed, task.abort_handle())
}

struct Observer {
    publish: watch::Sender<Observed>,
    scanner: ConsoleScanner,
    events: Events,
}

impl Observer {
    async fn run(mut self, mut from: Sources) {
        let mut qmp_open = true;
        let mut console_open = true;
        let exit = loop {
            tokio::select! {
                exit = from.exit.wait_for(Option::is_some) => {
                    break exit.map_or(Exit::Unknown, |exit| exit.unwrap_or(Exit::Unknown));
                }
                event = from.qmp.recv(), if qmp_open => match event {
                    Some(event) => self.apply(&Observation::Qmp(event)),
                    None => qmp_open = false,
                },
                bytes = from.console.next(), if console_open => match bytes {
                    Ok(bytes) => self.read(&bytes),
                    Err(_) => console_open = false,
                },
            }
        };
        // The last words count: they are read before the end is told. The connection's end follows the process's,
        // but should something else hold the socket open, it is not waited for.
        while let Ok(bytes) = from.console.available()
            && !bytes.is_empty()
        {
            self.read(&bytes);
        }
        for sighting in self.scanner.finish() {
            self.apply(&Observation::Sighted(sighting));
        }
        while let Ok(Some(event)) = tokio::time::timeout(Duration::from_secs(1), from.qmp.recv()).await {
            self.apply(&Observation::Qmp(event));
        }
        self.apply(&Observation::Exited(exit));
    }

    fn read(&mut self, bytes: &[u8]) {
        for sighting in self.scanner.push(bytes) {
            self.apply(&Observation::Sighted(sighting));
        }
    }

    fn apply(&mut self, seen: &Observation) {
        self.publish.send_modify(|observed| {
            observed.state = observed.state.clone().next(seen);
            match seen {
                Observation::Sighted(Sighting::Stage { name, uptime_us }) => {
                    observed.stages.push(StageMark {
                        name: name.clone(),
                        uptime_us: *uptime_us,
                    })
                }
                Observation::Sighted(Sighting::PanicEnd) => observed.panic_ended = true,
                Observation::Qmp(QmpEvent::PortClosed { device }) if device == SSH_LINE_DEVICE => {
                    observed.line_closed = true;
                }
                _ => {}
            }
        });
        match seen {
            Observation::Sighted(Sighting::Stage { name, .. }) => {
                let done = self.publish.borrow().stages.len() as u64;
                self.events
                    .progress(Stage::Boot, done, None, Unit::Steps, name.clone());
            }
            Observation::Sighted(Sighting::SshdExited { status }) => {
                self.events.warn(format!(
                    "the guest's ssh server ended ({status}) and was started again"
                ));
            }
            _ => {}
        }
    }
}
