//! Running a program in a sandbox to its end, or to the end of its limits.

use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::bubblewrap::{Bubblewrap, SandboxError};
use super::census::Census;
use super::command::{LIMITS_REFUSED, Sandbox};
use super::limits::{Limit, Limits};
use super::obstacle::{HostFacts, Obstacle};
use super::pump::{self, Lines, Stream};
use crate::supervise::{Cancel, blocking_command};

/// How often limits and cancellation are looked at while nothing is written.
const TICK: Duration = Duration::from_millis(50);
/// How long the pipes of a killed sandbox may take to close.
const DRAIN: Duration = Duration::from_secs(5);
/// bubblewrap reports a program killed by signal N as exit code 128 + N, as shells do.
const SIGNAL_BASE: i32 = 128;

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Exited(i32),
    Signaled(i32),
    /// It was killed because it reached a limit.
    LimitReached(Limit),
}

impl Outcome {
    pub fn is_success(self) -> bool {
        self == Self::Exited(0)
    }
}

/// A program's end and what it wrote, cut at the output limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    pub outcome: Outcome,
    pub stdout: String,
    pub stderr: String,
    pub wall: Duration,
}

impl Sandbox {
    /// Runs `argv` and waits for its end on this thread; `on_line` is told each line as it comes. The program has no
    /// standard input.
    ///
    /// # Errors
    /// [`SandboxError`] when the sandbox could not be made or a stop was asked for; never for what the program did.
    pub fn run(
        &self,
        bubblewrap: &Bubblewrap,
        argv: &[&str],
        limits: &Limits,
        cancel: &Cancel,
        on_line: &mut dyn FnMut(Stream, &str),
    ) -> Result<Finished, SandboxError> {
        if !self.root.is_dir() {
            let path = self.root.clone();
            return Err(SandboxError::NoRoot { path });
        }
        let start = Instant::now();
        let marker = format!("labctl-sandbox-{:032x}", rand::random::<u128>());
        let mut child = blocking_command(bubblewrap.program())
            .args(self.arguments(bubblewrap, limits, &marker, argv))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(SandboxError::io("start bubblewrap"))?;
        let pieces = read_streams(&mut child);
        let mut running = Running {
            child,
            limits,
            output: Output::new(&marker, limits.output),
        };
        let outcome = running.wait(&pieces, cancel, on_line)?;
        let Output { stdout, stderr, .. } = std::mem::take(&mut running.output);
        Ok(Finished {
            outcome,
            stdout,
            stderr,
            wall: start.elapsed(),
        })
    }
}

type Piece = (Stream, Vec<u8>);

fn read_streams(child: &mut Child) -> Receiver<Piece> {
    let (sender, pieces) = mpsc::sync_channel(64);
    if let Some(stdout) = child.stdout.take() {
        let sender = sender.clone();
        std::thread::spawn(move || pump::forward(Stream::Stdout, stdout, &sender));
    }
    if let Some(stderr) = child.stderr.take() {
        std::thread::spawn(move || pump::forward(Stream::Stderr, stderr, &sender));
    }
    pieces
}

/// A started sandbox; dropping it kills what still runs.
struct Running<'a> {
    child: Child,
    limits: &'a Limits,
    output: Output,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Running<'_> {
    fn wait(
        &mut self,
        pieces: &Receiver<Piece>,
        cancel: &Cancel,
        on_line: &mut dyn FnMut(Stream, &str),
    ) -> Result<Outcome, SandboxError> {
        let mut next_census = Instant::now() + TICK;
        loop {
            let wait = TICK.min(self.limits.deadline.remaining());
            match pieces.recv_timeout(wait) {
                Ok((stream, bytes)) => self.output.push(stream, &bytes, on_line),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if cancel.is_requested() {
                self.end(pieces, on_line);
                return Err(SandboxError::Cancelled);
            }
            let mut reached = self.limit_reached();
            if reached.is_none() && Instant::now() >= next_census {
                next_census = Instant::now() + TICK;
                reached = self.overpopulation();
            }
            if let Some(limit) = reached {
                self.end(pieces, on_line);
                return Ok(Outcome::LimitReached(limit));
            }
        }
        self.output.finish(on_line);
        let status = self.wait_for_exit(cancel)?;
        self.judge(status)
    }

    fn limit_reached(&self) -> Option<Limit> {
        if self.output.is_full() {
            Some(Limit::Output)
        } else if self.limits.deadline.has_passed() {
            Some(Limit::Time)
        } else {
            None
        }
    }

    fn overpopulation(&self) -> Option<Limit> {
        let census = Census::of(self.child.id(), self.limits.processes);
        if census.threads > self.limits.processes {
            Some(Limit::Processes)
        } else if census.private_bytes > self.limits.memory {
            Some(Limit::Memory)
        } else {
            None
        }
    }

    /// The streams have ended, but a program may close them and stay.
    fn wait_for_exit(&mut self, cancel: &Cancel) -> Result<Option<ExitStatus>, SandboxError> {
        loop {
            let status = self
                .child
                .try_wait()
                .map_err(SandboxError::io("wait for bubblewrap"))?;
            if status.is_some() {
                return Ok(status);
            }
            if cancel.is_requested() {
                return Err(SandboxError::Cancelled);
            }
            if self.limits.deadline.has_passed() {
                self.kill();
                return Ok(None);
            }
            // There is no portable wait with a time limit; the usual case ended with its streams, a moment ago.
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }

    fn judge(&mut self, status: Option<ExitStatus>) -> Result<Outcome, SandboxError> {
        use std::os::unix::process::ExitStatusExt as _;

        let Some(status) = status else {
            return Ok(Outcome::LimitReached(Limit::Time));
        };
        if !self.output.marker_seen {
            let message = self.output.stderr.trim().to_owned();
            if status.code() == Some(LIMITS_REFUSED) {
                let message = format!("the limits could not be set: {message}");
                return Err(SandboxError::Setup { message });
            }
            return Err(match Obstacle::diagnose(&HostFacts::read(), &message) {
                Some(obstacle) => SandboxError::Forbidden(obstacle),
                None => SandboxError::Setup { message },
            });
        }
        Ok(match (status.code(), status.signal()) {
            (Some(code), _) if code > SIGNAL_BASE => Outcome::Signaled(code - SIGNAL_BASE),
            (Some(code), _) => Outcome::Exited(code),
            (None, signal) => Outcome::Signaled(signal.unwrap_or_default()),
        })
    }

    /// Kills everything inside, then reads what was already in the pipes.
    fn end(&mut self, pieces: &Receiver<Piece>, on_line: &mut dyn FnMut(Stream, &str)) {
        self.kill();
        let until = Instant::now() + DRAIN;
        while let Ok((stream, bytes)) = pieces.recv_timeout(until.saturating_duration_since(Instant::now())) {
            self.output.push(stream, &bytes, on_line);
        }
        self.output.finish(on_line);
    }

    fn kill(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            // Either call can only fail because the process has ended.
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

/// What was written so far, with bubblewrap's own words apart from the program's.
#[derive(Default)]
struct Output {
    marker: String,
    marker_seen: bool,
    stdout: String,
    stderr: String,
    lines: [Lines; 2],
    room: usize,
}

impl Output {
    fn new(marker: &str, room: usize) -> Self {
        Self {
            marker: marker.to_owned(),
            room,
            ..Self::default()
        }
    }

    fn is_full(&self) -> bool {
        self.room == 0
    }

    fn push(&mut self, stream: Stream, bytes: &[u8], on_line: &mut dyn FnMut(Stream, &str)) {
        let bytes = &bytes[..bytes.len().min(self.room)];
        self.room -= bytes.len();
        let mut lines = std::mem::take(&mut self.lines[stream as usize]);
        lines.push(bytes, |line| self.line(stream, line, on_line));
        self.lines[stream as usize] = lines;
    }

    fn finish(&mut self, on_line: &mut dyn FnMut(Stream, &str)) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let mut lines = std::mem::take(&mut self.lines[stream as usize]);
            lines.finish(|line| self.line(stream, line, on_line));
        }
    }

    fn line(&mut self, stream: Stream, line: &str, on_line: &mut dyn FnMut(Stream, &str)) {
        if !self.marker_seen && stream == Stream::Stderr && line == self.marker {
            self.marker_seen = true;
            // Warnings that bubblewrap gave before are not the program's.
            self.stderr.clear();
            return;
        }
        let text = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        text.push_str(line);
        text.push('\n');
        if self.marker_seen || stream == Stream::Stdout {
            on_line(stream, line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_parts_bubblewraps_words_from_the_programs() {
        let mut output = Output::new("m1", 1000);
        let mut seen = Vec::new();
        let mut on_line = |stream, line: &str| seen.push((stream, line.to_owned()));
        output.push(Stream::Stderr, b"bwrap: a warning\nm1\nerr", &mut on_line);
        output.push(Stream::Stdout, b"out\n", &mut on_line);
        output.finish(&mut on_line);
        assert!(output.marker_seen);
        assert_eq!(
            (output.stdout.as_str(), output.stderr.as_str()),
            ("out\n", "err\n")
        );
        assert_eq!(
            seen,
            [
                (Stream::Stdout, "out".to_owned()),
                (Stream::Stderr, "err".to_owned())
            ]
        );
    }

    #[test]
    fn output_stops_at_its_limit() {
        let mut output = Output::new("m", 5);
        output.push(Stream::Stdout, b"0123456789", &mut |_, _| {});
        output.push(Stream::Stdout, b"more", &mut |_, _| {});
        output.finish(&mut |_, _| {});
        assert!(output.is_full());
        assert_eq!(output.stdout, "01234\n");
    }
}
