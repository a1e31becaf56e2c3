//! The control connection to a QEMU.
//!
//! One task owns the socket, matches answers to questions and passes events on, so that a question that is given up
//! (a deadline, a Ctrl-C) harms nobody else. QEMU serves one client at a time; the next one waits, unanswered, until
//! the first has gone.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use qapi::{Any, Command};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout_at;

use super::instance::InstanceDir;
use super::qemu::Version;
use super::wire::{self, Incoming, Lines, QmpEvent};
use crate::deadline::Deadline;

/// Why a machine cannot be controlled.
#[derive(Debug, thiserror::Error)]
pub enum QmpError {
    #[error("QEMU does not listen on its control socket")]
    NotListening(#[source] io::Error),
    #[error("another labctl is talking to this machine, and did not finish in time")]
    Busy,
    #[error("QEMU closed its control connection")]
    Closed,
    #[error("QEMU did not answer `{command}` in time")]
    TimedOut { command: &'static str },
    #[error("QEMU refused `{command}`")]
    Refused {
        command: &'static str,
        #[source]
        source: qapi::Error,
    },
    #[error("QEMU's answer to `{command}` makes no sense")]
    Answer {
        command: &'static str,
        #[source]
        source: serde_json::Error,
    },
}

type Reply = Result<Any, qapi::Error>;

struct Question {
    id: u64,
    line: Vec<u8>,
    reply: oneshot::Sender<Reply>,
}

/// A negotiated control connection. Clones share it; it closes when the last is dropped.
#[derive(Debug, Clone)]
pub struct Qmp {
    questions: mpsc::Sender<Question>,
    next_id: Arc<AtomicU64>,
    version: Version,
}

impl Qmp {
    /// Connects to the machine in `dir` and negotiates. `events` gets everything QEMU reports from here on; it is
    /// dropped when the connection ends.
    ///
    /// # Errors
    /// [`QmpError::Busy`] when QEMU kept silent until `deadline`, which it does while it serves another client.
    pub async fn connect(
        dir: &InstanceDir,
        events: mpsc::UnboundedSender<QmpEvent>,
        deadline: Deadline,
    ) -> Result<Self, QmpError> {
        let stream = open(dir, deadline).await?;
        let (questions, incoming) = mpsc::channel(16);
        let (greet, greeting) = oneshot::channel();
        let pump = Pump {
            stream,
            questions: incoming,
            events,
            greet: Some(greet),
            waiting: BTreeMap::new(),
        };
        tokio::spawn(pump.run());
        let version = match timeout_at(deadline.instant().into(), greeting).await {
            Ok(Ok(version)) => version,
            Ok(Err(_)) => return Err(QmpError::Closed),
            Err(_) => return Err(QmpError::Busy),
        };
        let qmp = Self {
            questions,
            next_id: Arc::default(),
            version,
        };
        qmp.execute(qapi::qmp::qmp_capabilities { enable: None }, deadline)
            .await?;
        Ok(qmp)
    }

    /// The version in QEMU's greeting.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Asks QEMU to do `command`, and returns its answer. May be dropped at any time.
    ///
    /// # Errors
    /// When QEMU refuses, is gone, or has not answered by `deadline`.
    pub async fn execute<C: Command>(&self, command: C, deadline: Deadline) -> Result<C::Ok, QmpError> {
        let command_name = C::NAME;
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let line = wire::encode(command, id).map_err(|source| QmpError::Answer {
            command: command_name,
            source,
        })?;
        let (reply, answer) = oneshot::channel();
        let ask = async {
            let question = Question { id, line, reply };
            self.questions
                .send(question)
                .await
                .map_err(|_| QmpError::Closed)?;
            answer.await.map_err(|_| QmpError::Closed)
        };
        let reply = timeout_at(deadline.instant().into(), ask)
            .await
            .map_err(|_| QmpError::TimedOut {
                command: command_name,
            })??;
        let value = reply.map_err(|source| QmpError::Refused {
            command: command_name,
            source,
        })?;
        serde_json::from_value(value).map_err(|source| QmpError::Answer {
            command: command_name,
            source,
        })
    }
}

async fn open(dir: &InstanceDir, deadline: Deadline) -> Result<UnixStream, QmpError> {
    loop {
        match UnixStream::connect(dir.socket_path()).await {
            Ok(stream) => return Ok(stream),
            // The queue of waiting clients is full (unix(7): EAGAIN), which only waiting can change.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if deadline.has_passed() {
                    return Err(QmpError::Busy);
                }
                tokio::time::sleep(deadline.remaining().min(Duration::from_millis(50))).await;
            }
            Err(error) => return Err(QmpError::NotListening(error)),
        }
    }
}

struct Pump {
    stream: UnixStream,
    questions: mpsc::Receiver<Question>,
    events: mpsc::UnboundedSender<QmpEvent>,
    greet: Option<oneshot::Sender<Version>>,
    waiting: BTreeMap<u64, oneshot::Sender<Reply>>,
}

impl Pump {
    /// Until QEMU closes the connection or nobody is left to ask anything.
    async fn run(mut self) {
        let mut lines = Lines::default();
        let mut bytes = vec![0; 16 << 10];
        loop {
            tokio::select! {
                got = self.stream.read(&mut bytes) => match got {
                    Ok(0) | Err(_) => return,
                    Ok(count) => {
                        lines.push(&bytes[..count]);
                        while let Some(line) = lines.next() {
                            self.hear(&line);
                        }
                    }
                },
                question = self.questions.recv() => match question {
                    None => return,
                    Some(Question { id, line, reply }) => {
                        self.waiting.insert(id, reply);
                        if self.stream.write_all(&line).await.is_err() {
                            return;
                        }
                    }
                },
            }
        }
    }

    fn hear(&mut self, line: &[u8]) {
        // Whoever asked may have given up since, and nobody may care for events: both are no failure.
        match wire::decode(line) {
            Incoming::Greeting(version) => {
                if let Some(greet) = self.greet.take() {
                    let _ = greet.send(version);
                }
            }
            Incoming::Reply { id, result } => {
                if let Some(reply) = self.waiting.remove(&id) {
                    drop(reply.send(result));
                }
            }
            Incoming::Event(event) => {
                drop(self.events.send(event));
            }
            Incoming::Noise => {}
        }
    }
}
