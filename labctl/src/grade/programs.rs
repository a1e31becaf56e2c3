//! Judging the student's own programs.

use super::evidence::{BuildOutcome, StepRecord, StepStatus};
use super::outcome::{Board, Outcome};
use super::structure::{View, last_line};
use crate::spec::builtin::{Builtin, BuiltinKind, KERNEL_HEALTHY};
use crate::spec::exercise::{Step, StepKind, Until};

impl View<'_> {
    pub(super) fn runs(&self, program: &str, step: &str, board: &Board, builtin: &Builtin) -> Outcome {
        if let Some(build) = self.evidence.builds.get(program)
            && build.outcome != BuildOutcome::Ok
        {
            return Outcome::blocked(format!("{program}-builds"));
        }
        let Some(record) = self.record(step) else {
            let earlier = self.exercise.builtins();
            let earlier = earlier.iter().take_while(|other| other.id != builtin.id);
            let ids: Vec<&str> = earlier
                .filter(|other| matches!(other.kind, BuiltinKind::Runs { .. }))
                .map(|other| other.id.as_str())
                .collect();
            return match board.obstacle(ids) {
                Some(id) => Outcome::blocked(id),
                None => self.not_reached(step, None),
            };
        };
        let waits = self
            .step(step)
            .is_some_and(|step| matches!(step.kind, StepKind::Wait { .. }));
        let start = self.step(step).and_then(until);
        match &record.status {
            StepStatus::Exited(0) if start.is_none() => Outcome::passed(format!("`{program}` ended with status 0")),
            StepStatus::Started => Outcome::passed(format!("`{program}` got ready")),
            _ if self.is_hurt() => Outcome::blocked(KERNEL_HEALTHY),
            StepStatus::Exited(code) => {
                let when = if start.is_some() { " before it was ready" } else { "" };
                let why = self.last_words(step, record);
                let why = why.map(|line| format!(": {line}")).unwrap_or_default();
                Outcome::failed(
                    format!("`{program}` ended with status {code}{when}{why}"),
                    "check what each system call returns, and return 0 from main when all went well",
                )
            }
            StepStatus::Signaled(signal) => Outcome::failed(
                format!("`{program}` was killed by SIG{}", signal.trim_start_matches("SIG")),
                "a segmentation fault is a wrong pointer: look at what the last system call or copy was given",
            ),
            StepStatus::TimedOut => match start {
                Some(until) => Outcome::failed(
                    format!("`{program}` did not get ready in time: {until}"),
                    match self.step(step).map(|step| &step.kind) {
                        Some(StepKind::Start { until: Until::Probed(_), .. }) => {
                            "the experiment goes on when the probe is set: does the script name the right function?"
                        }
                        _ => "the experiment goes on when the socket is bound: check the port and what bind() returns",
                    },
                ),
                None if waits => Outcome::failed(
                    format!("`{program}` never ended: the datagram did not reach it"),
                    "is the sender's port the receiver's, in network byte order (htons)? Does it send to 127.0.0.1?",
                )
                .mistake("no-packet"),
                None => Outcome::failed(format!("`{program}` never ended"), "what is it waiting for?"),
            },
            StepStatus::Lost | StepStatus::NotRun => self.laboratory_failed(step),
        }
    }

    /// The last thing a program said, rather on standard error; for one that was waited for it is with its start.
    fn last_words<'a>(&'a self, step: &str, own: &'a StepRecord) -> Option<&'a str> {
        let record = match self.step(step).map(|step| &step.kind) {
            Some(StepKind::Wait { step: started }) => self.evidence.step(started).unwrap_or(own),
            _ => own,
        };
        last_line(&record.stderr).or_else(|| last_line(&record.stdout))
    }
}

/// For a `start`: what it was waited for.
fn until(step: &Step) -> Option<&'static str> {
    match &step.kind {
        StepKind::Start { until, .. } => Some(match until {
            Until::Started => "it could not be started",
            Until::Output(_) => "it did not print what was expected",
            Until::UdpBound(_) => "no UDP socket was bound to the port",
            Until::TcpListening(_) => "no TCP socket listened on the port",
            Until::Probed(_) => "none of the functions in question got a kprobe",
        }),
        _ => None,
    }
}
