//! Our own tracer in the guest, started before anything of the student's and read until after it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::guest::{Command, Exec, ExecError, NulInCommand, Outcome, Running, Sink, Stream, WaitError};
use crate::session::Lab;
use crate::spec::exercise;
use crate::supervise::Cancel;

/// More than any exercise records; a student's program that copies in a loop must not fill the host's memory.
const KEEP: usize = 64 << 20;
const START: Duration = Duration::from_secs(3);
const STOP: Duration = Duration::from_secs(3);

/// Why the witness cannot testify. Ours, never the student's.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    #[error("cannot run the witness's tools")]
    Exec(#[from] ExecError),
    #[error("the witness module cannot be loaded: `{said}`")]
    Load { said: String },
    #[error("the tracer did not start")]
    Start(#[source] WaitError),
    #[error(transparent)]
    Command(#[from] NulInCommand),
}

/// A running tracer.
pub(super) struct Witness {
    running: Running,
    /// The tracer ends at the end of its input too, which this holds open.
    _input: tokio::sync::mpsc::Sender<Vec<u8>>,
    written: Arc<Mutex<Vec<u8>>>,
}

/// What it saw.
#[derive(Debug, Default)]
pub(super) struct Testimony {
    /// The copies, in the order of their returns.
    pub(super) copies: Vec<serde_json::Value>,
    /// The functions that packets passed, in order.
    pub(super) events: Vec<serde_json::Value>,
    /// Its probes.
    pub(super) probes: Vec<serde_json::Value>,
    /// Records that it could not store.
    pub(super) dropped: u64,
    /// Its output as it came.
    pub(super) raw: Vec<u8>,
}

impl Witness {
    /// Loads the module `ko` (a path in the guest) for what the exercise asks, and starts `tracer`.
    pub(super) async fn start(
        lab: &Lab,
        ko: &str,
        tracer: &str,
        asked: &exercise::Witness,
        cancel: &Cancel,
    ) -> Result<Self, WitnessError> {
        let mut insmod = vec!["insmod".to_owned(), ko.to_owned()];
        if !asked.comms.is_empty() {
            insmod.push(format!("comms={}", asked.comms.join(",")));
        }
        for (parameter, is_asked) in [("stacks", asked.stacks), ("skbs", asked.skbs)] {
            if is_asked {
                insmod.push(format!("{parameter}=1"));
            }
        }
        let loaded = lab
            .guest()
            .exec(Command::program(&insmod)?, lab.deadline(START), cancel)
            .await?;
        match loaded.outcome {
            Outcome::Exited(0) => {}
            Outcome::Lost(lost) => return Err(WitnessError::Exec(ExecError::Lost(lost))),
            Outcome::Cancelled => {
                return Err(WitnessError::Exec(ExecError::Cancelled(
                    crate::supervise::Cancelled,
                )));
            }
            _ => {
                return Err(WitnessError::Load {
                    said: loaded.stderr.text().trim().to_owned(),
                });
            }
        }
        let written = Arc::new(Mutex::new(Vec::new()));
        let sink = written.clone();
        let stdout = Sink::capture(1 << 16).and_call(move |bytes| {
            let mut written = sink.lock().unwrap_or_else(PoisonError::into_inner);
            let room = KEEP.saturating_sub(written.len());
            written.extend_from_slice(&bytes[..bytes.len().min(room)]);
        });
        let (end_of_input, pieces) = tokio::sync::mpsc::channel(1);
        let exec = Exec::new(Command::program([tracer])?)
            .stdin(crate::guest::Input::Pieces(pieces))
            .stdout(stdout);
        let running = lab.guest().spawn(exec, lab.deadline(START), cancel).await?;
        // Its first line says that it has opened the device.
        running
            .wait_for_output(
                Stream::Stdout,
                |bytes| bytes.contains(&b'\n').then_some(()),
                lab.deadline(START),
                cancel,
            )
            .await
            .map_err(WitnessError::Start)?;
        Ok(Self {
            running,
            _input: end_of_input,
            written,
        })
    }

    /// Ends the tracer, which empties the ring first, and reads what it saw. A guest that is gone gives what came
    /// before.
    pub(super) async fn stop(self, lab: &Lab, cancel: &Cancel) -> Testimony {
        self.running.signal("TERM");
        // It ends when it has emptied the ring, or is killed; either way what came is what counts.
        let _finished = self.running.finish(lab.deadline(STOP), cancel).await;
        let raw = std::mem::take(&mut *self.written.lock().unwrap_or_else(PoisonError::into_inner));
        testimony(raw)
    }
}

fn testimony(raw: Vec<u8>) -> Testimony {
    let mut testimony = Testimony::default();
    for line in raw.split(|byte| *byte == b'\n') {
        // A line that was cut when the guest went away is no record.
        let Ok(value) = serde_json::from_slice::<serde_json::Value>(line) else {
            continue;
        };
        if let Some(dropped) = value.get("dropped").and_then(serde_json::Value::as_u64) {
            testimony.dropped += dropped;
        } else if value.get("func").is_some() {
            testimony.copies.push(value);
        } else if value.get("event").is_some() {
            testimony.events.push(value);
        } else if value.get("probe").is_some() {
            testimony.probes.push(value);
        }
    }
    testimony.raw = raw;
    testimony
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_line_goes_to_its_place_and_torn_lines_nowhere() {
        let raw = concat!(
            r#"{"witness":1,"kernel":"6"}"#,
            "\n",
            r#"{"probe":"ip_rcv","at":"entry","addr":null,"error":2}"#,
            "\n",
            r#"{"seq":1,"func":"_copy_from_iter"}"#,
            "\n",
            r#"{"seq":2,"event":"ip_rcv"}"#,
            "\n{\"dropped\":3}\n{\"seq\":3,\"fu"
        );
        let testimony = testimony(raw.as_bytes().to_vec());
        assert_eq!(testimony.copies.len(), 1);
        assert_eq!(testimony.events.len(), 1);
        assert_eq!(testimony.probes.len(), 1);
        assert_eq!(testimony.dropped, 3);
    }
}
