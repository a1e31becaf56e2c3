//! The steps of an exercise, carried out in order in one guest. What a step means is not known here; how it ended is
//! written down.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStringExt as _;
use std::time::Duration;

use super::params;
use super::window::step_mark;
use crate::grade::evidence::{StepKindName, StepRecord, StepStatus};
use crate::guest::{
    Command, Exec, ExecError, Finished, Input, Outcome, Running, Sink, Stream, WaitError, quote,
};
use crate::session::Lab;
use crate::spec::exercise::{ModuleRef, Program, Step, StepKind, StopSignal, Until};
use crate::spec::text::Text;
use crate::supervise::Cancel;

/// The first bytes of each stream of a program that are kept as evidence.
const KEEP: usize = 256 << 10;

/// Arguments with their variables filled in.
pub(super) type Fill<'a> = &'a dyn Fn(&Text) -> Result<String, StepError>;

/// Why the steps cannot be carried out at all.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    #[error("interrupted")]
    Cancelled,
    #[error("an argument of the step `{step}` cannot be computed")]
    Argument {
        step: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error(transparent)]
    Exec(ExecError),
}

/// The steps' state in the guest.
pub(super) struct Steps<'a> {
    lab: &'a Lab,
    cancel: &'a Cancel,
    fill: Fill<'a>,
    nonce: &'a str,
    /// Artefacts that were built, by name.
    built: &'a BTreeSet<String>,
    started: BTreeMap<String, Running>,
    loaded: BTreeSet<String>,
    /// A start, exec or wait has failed: later ones would only repeat its failure.
    broken: bool,
    /// The id of the step during which the guest was lost.
    pub(super) lost_in: Option<String>,
    pub(super) records: Vec<StepRecord>,
}

impl<'a> Steps<'a> {
    pub(super) fn new(
        lab: &'a Lab,
        cancel: &'a Cancel,
        fill: Fill<'a>,
        nonce: &'a str,
        built: &'a BTreeSet<String>,
    ) -> Self {
        Self {
            lab,
            cancel,
            fill,
            nonce,
            built,
            started: BTreeMap::new(),
            loaded: BTreeSet::new(),
            broken: false,
            lost_in: None,
            records: Vec::new(),
        }
    }

    /// Carries out `steps`.
    ///
    /// # Errors
    /// A stop was asked for, or labctl's own part failed; how the student's programs ended is in the records.
    pub(super) async fn run(&mut self, steps: &[Step]) -> Result<(), StepError> {
        for step in steps {
            let (kind, outcome) = if self.lost_in.is_some() {
                (StepKindName::from(&step.kind), Done::not_run())
            } else {
                self.one(step).await?
            };
            if outcome.status == StepStatus::Lost {
                self.lost_in = Some(step.id.clone());
            }
            self.records.push(StepRecord {
                id: step.id.clone(),
                kind,
                status: outcome.status,
                stdout: outcome.stdout,
                stderr: outcome.stderr,
                pid: None,
                started_us: None,
                ended_us: None,
            });
        }
        Ok(())
    }

    /// Ends whatever still runs and completes the records of started programs with all that they printed.
    pub(super) async fn finish(&mut self) {
        for (id, running) in std::mem::take(&mut self.started) {
            let (stdout, stderr) = (running.output(Stream::Stdout), running.output(Stream::Stderr));
            if let Some(record) = self.records.iter_mut().find(|record| record.id == id) {
                record.stdout = stdout.text();
                record.stderr = stderr.text();
            }
            if self.lost_in.is_none() && running.outcome().is_none() {
                // Its end is of no interest any more.
                let kill = tokio::time::timeout(Duration::from_secs(5), running.kill());
                drop(kill.await);
            }
        }
    }

    async fn one(&mut self, step: &Step) -> Result<(StepKindName, Done), StepError> {
        let within = Duration::from_secs(u64::from(step.within));
        let done = match &step.kind {
            StepKind::Load { module, params } => self.load(step, module, params, within).await?,
            StepKind::Unload { module } => self.unload(step, module, within).await?,
            StepKind::Start { program, args, until } => {
                self.start(step, program, args, until, within).await?
            }
            StepKind::Exec { program, args, stdin } => {
                self.exec(step, program, args, stdin.as_ref(), within).await?
            }
            StepKind::Wait { step: of } => self.wait(of, within).await?,
            StepKind::Stop { step: of, signal } => self.stop(of, *signal, within).await?,
        };
        let kind = StepKindName::from(&step.kind);
        let must_succeed = matches!(
            kind,
            StepKindName::Start | StepKindName::Exec | StepKindName::Wait
        );
        let succeeded = matches!(done.status, StepStatus::Started | StepStatus::Exited(0));
        // A program that reports a failure has still run: what it did counts. Only one that never came to its end
        // leaves the later ones without a basis.
        let came_to_its_end = matches!(done.status, StepStatus::Exited(_)) && kind == StepKindName::Exec;
        self.broken |= must_succeed && !succeeded && !came_to_its_end;
        Ok((kind, done))
    }

    async fn load(
        &mut self,
        step: &Step,
        module: &ModuleRef,
        params: &[Text],
        within: Duration,
    ) -> Result<Done, StepError> {
        if matches!(module, ModuleRef::Student(name) if !self.built.contains(name)) {
            return Ok(Done::not_run());
        }
        let mut argv = vec!["insmod".to_owned(), params::module(module.name())];
        for param in params {
            argv.push((self.fill)(param)?);
        }
        let done = self.to_its_end(step, &argv, Input::Empty, within).await?;
        if done.status == StepStatus::Exited(0) {
            self.loaded.insert(module.name().to_owned());
        }
        Ok(done)
    }

    async fn unload(&mut self, step: &Step, module: &ModuleRef, within: Duration) -> Result<Done, StepError> {
        if !self.loaded.remove(module.name()) {
            return Ok(Done::not_run());
        }
        let argv = ["rmmod".to_owned(), module.name().to_owned()];
        self.to_its_end(step, &argv, Input::Empty, within).await
    }

    async fn exec(
        &mut self,
        step: &Step,
        program: &Program,
        args: &[Text],
        stdin: Option<&Text>,
        within: Duration,
    ) -> Result<Done, StepError> {
        let Some(argv) = self.argv(program, args)? else {
            return Ok(Done::not_run());
        };
        let stdin = match stdin {
            Some(text) => Input::Bytes((self.fill)(text)?.into_bytes()),
            None => Input::Empty,
        };
        self.to_its_end(step, &argv, stdin, within).await
    }

    async fn start(
        &mut self,
        step: &Step,
        program: &Program,
        args: &[Text],
        until: &Until,
        within: Duration,
    ) -> Result<Done, StepError> {
        let Some(argv) = self.argv(program, args)? else {
            return Ok(Done::not_run());
        };
        let deadline = self.lab.deadline(within);
        let exec = self.exec_of(step, &argv)?;
        let running = match self.lab.guest().spawn(exec, deadline, self.cancel).await {
            Ok(running) => running,
            Err(error) => return Done::of_error(error),
        };
        let ready = async {
            match until {
                Until::Started => Ok(StepStatus::Started),
                Until::Output(text) => {
                    let wanted = (self.fill)(text)?.into_bytes();
                    let find = |seen: &[u8]| {
                        seen.windows(wanted.len().max(1))
                            .any(|at| at == wanted)
                            .then_some(())
                    };
                    let found = running
                        .wait_for_output(Stream::Stdout, find, deadline, self.cancel)
                        .await;
                    found.map_or_else(|error| Done::of_wait(&error), |()| Ok(StepStatus::Started))
                }
                Until::UdpBound(port) => self.bound(step, "udp", "07", port, &running, within).await,
                Until::TcpListening(port) => self.bound(step, "tcp", "0A", port, &running, within).await,
                Until::Probed(names) => self.probed(step, names, &running, within).await,
            }
        };
        let status = tokio::select! {
            status = ready => status?,
            _ = self.lab.vm().ended() => StepStatus::Lost,
        };
        if status == StepStatus::TimedOut {
            // What is waited for will not come; that it still runs would only disturb the rest.
            running.signal("TERM");
        }
        // Its output is filled in when the run is over: it goes on printing.
        self.started.insert(step.id.clone(), running);
        Ok(Done {
            status,
            stdout: String::new(),
            stderr: String::new(),
        })
    }

    /// Waits, inside the guest, until a socket of `protocol` in `state` (`include/net/tcp_states.h`; a bound UDP
    /// socket is in TCP_CLOSE, 7) has the local port.
    async fn bound(
        &self,
        step: &Step,
        protocol: &str,
        state: &str,
        port: &Text,
        running: &Running,
        within: Duration,
    ) -> Result<StepStatus, StepError> {
        let text = (self.fill)(port)?;
        let port: u16 = text.trim().parse().map_err(|source| StepError::Argument {
            step: step.id.clone(),
            source: Box::new(source),
        })?;
        // A row is "  sl: LOCAL:PORT REMOTE:PORT STATE …", the port in upper-case hexadecimal digits.
        let line = format!(
            "until grep -q '^ *[0-9]*: [0-9A-F]*:{port:04X} [0-9A-F]*:[0-9A-F]* {state} ' /proc/net/{protocol}; \
             do usleep 5000; done"
        );
        self.until_holds(step, line, running, within).await
    }

    /// Waits, inside the guest, until one of the functions has a kprobe and bpftrace, if that is what sets them, has set all
    /// of its own. A line of the list is `ADDRESS  k  SYMBOL+0x0 …` (Documentation/trace/kprobes.rst); `r` instead of `k` is a
    /// kretprobe.
    async fn probed(
        &self,
        step: &Step,
        names: &[String],
        running: &Running,
        within: Duration,
    ) -> Result<StepStatus, StepError> {
        let any: Vec<_> = names.iter().map(|name| format!("k:{name}+0x0")).collect();
        let any = any.join("|");
        // bpftrace sets its probes one after the other, under load with seconds in between, and waits for what they have to
        // say once all are there. What a process waits in is the first word of /proc/PID/syscall: one of poll, select,
        // epoll_wait, pselect6, ppoll and epoll_pwait (arch/x86/entry/syscalls/syscall_64.tbl). Until there is a probe no
        // program is started but for the pause: each takes of the emulated processor that bpftrace needs.
        let line = format!(
            "there() {{ while read -r at kind where rest; do case $kind:$where in {any}) return 0 ;; esac; \
             done < /sys/kernel/debug/kprobes/list; return 1; }}; \
             busy() {{ for pid in $(pidof bpftrace); do call=; read -r call rest < /proc/$pid/syscall; \
             case $call in 7|23|232|270|271|281) ;; *) return 0 ;; esac; done; return 1; }}; \
             until there && ! busy; do usleep 200000; done"
        );
        self.until_holds(step, line, running, within).await
    }

    /// Runs the shell command `line`, which ends when what is waited for has come about.
    async fn until_holds(
        &self,
        step: &Step,
        line: String,
        running: &Running,
        within: Duration,
    ) -> Result<StepStatus, StepError> {
        let watch = Command::shell(line).map_err(|source| StepError::Argument {
            step: step.id.clone(),
            source: Box::new(source),
        })?;
        tokio::select! {
            watched = self.lab.guest().exec(watch, self.lab.deadline(within), self.cancel) => match watched {
                Ok(Finished { outcome: Outcome::Exited(0), .. }) => Ok(StepStatus::Started),
                Ok(finished) => Done::of_finished(finished).map(|done| match done.status {
                    StepStatus::Lost => StepStatus::Lost,
                    _ => StepStatus::TimedOut,
                }),
                Err(error) => Done::of_error(error).map(|done| done.status),
            },
            outcome = running.wait() => Done::of_outcome(outcome),
        }
    }

    async fn wait(&mut self, of: &str, within: Duration) -> Result<Done, StepError> {
        let Some(running) = self.started.get(of).filter(|_| !self.broken) else {
            return Ok(Done::not_run());
        };
        let deadline = self.lab.deadline(within);
        let status = tokio::select! {
            biased;
            () = self.cancel.requested() => return Err(StepError::Cancelled),
            outcome = running.wait() => Done::of_outcome(outcome)?,
            _ = self.lab.vm().ended() => StepStatus::Lost,
            () = tokio::time::sleep_until(deadline.instant().into()) => StepStatus::TimedOut,
        };
        Ok(Done {
            status,
            stdout: String::new(),
            stderr: String::new(),
        })
    }

    async fn stop(&mut self, of: &str, signal: StopSignal, within: Duration) -> Result<Done, StepError> {
        let Some(running) = self.started.get(of) else {
            return Ok(Done::not_run());
        };
        if running.outcome().is_none() {
            running.signal(signal.name());
        }
        let deadline = self.lab.deadline(within);
        let status = tokio::select! {
            biased;
            () = self.cancel.requested() => return Err(StepError::Cancelled),
            outcome = running.wait() => match Done::of_outcome(outcome)? {
                StepStatus::Lost => StepStatus::Lost,
                // That it ended is what was asked for.
                _ => StepStatus::Exited(0),
            },
            _ = self.lab.vm().ended() => StepStatus::Lost,
            () = tokio::time::sleep_until(deadline.instant().into()) => StepStatus::TimedOut,
        };
        Ok(Done {
            status,
            stdout: String::new(),
            stderr: String::new(),
        })
    }

    /// The program with its arguments; `None` when it was not built or is not to be run any more.
    fn argv(&self, program: &Program, args: &[Text]) -> Result<Option<Vec<String>>, StepError> {
        if self.broken || matches!(program, Program::Student(name) if !self.built.contains(name)) {
            return Ok(None);
        }
        let mut argv = match program {
            Program::Student(name) => vec![params::student(name)],
            Program::Tool(name) => vec![params::tool(name)],
            Program::Command(name) => vec![name.clone()],
            Program::Script(path) if path.ends_with(".bt") => {
                vec!["bpftrace".to_owned(), params::script(path)]
            }
            Program::Script(path) => vec!["sh".to_owned(), params::script(path)],
        };
        for arg in args {
            argv.push((self.fill)(arg)?);
        }
        Ok(Some(argv))
    }

    /// The command behind its mark in the kernel log: from it everybody knows, by the guest's own clock, what was
    /// printed before a program was started and what after.
    fn exec_of(&self, step: &Step, argv: &[String]) -> Result<Exec, StepError> {
        let unusable = |source| StepError::Argument {
            step: step.id.clone(),
            source: Box::new(source),
        };
        let mut line = b"echo ".to_vec();
        line.extend(quote(step_mark(self.nonce, &step.id)).map_err(unusable)?);
        line.extend(b" > /dev/kmsg; ");
        line.extend(params::SEARCH_PATH.as_bytes());
        line.extend(b" exec");
        for word in argv {
            line.push(b' ');
            line.extend(quote(word).map_err(unusable)?);
        }
        let line = std::ffi::OsString::from_vec(line);
        let command = Command::shell(line).map_err(unusable)?;
        Ok(Exec::new(command)
            .stdout(Sink::capture(KEEP))
            .stderr(Sink::capture(KEEP)))
    }

    async fn to_its_end(
        &self,
        step: &Step,
        argv: &[String],
        stdin: Input,
        within: Duration,
    ) -> Result<Done, StepError> {
        let exec = self.exec_of(step, argv)?.stdin(stdin);
        tokio::select! {
            finished = self.lab.guest().exec(exec, self.lab.deadline(within), self.cancel) => match finished {
                Ok(finished) => Done::of_finished(finished),
                Err(error) => Done::of_error(error),
            },
            // A panic does not close connections: they would stay silent until the keep-alive gives up.
            _ = self.lab.vm().ended() => Ok(Done { status: StepStatus::Lost, stdout: String::new(), stderr: String::new() }),
        }
    }
}

/// How one step ended.
struct Done {
    status: StepStatus,
    stdout: String,
    stderr: String,
}

impl Done {
    fn not_run() -> Self {
        Self {
            status: StepStatus::NotRun,
            stdout: String::new(),
            stderr: String::new(),
        }
    }

    fn of_outcome(outcome: Outcome) -> Result<StepStatus, StepError> {
        Ok(match outcome {
            Outcome::Exited(status) => StepStatus::Exited(status),
            Outcome::Signaled(name) => StepStatus::Signaled(name),
            Outcome::TimedOut | Outcome::Killed => StepStatus::TimedOut,
            Outcome::Lost(_) => StepStatus::Lost,
            Outcome::Cancelled => return Err(StepError::Cancelled),
        })
    }

    fn of_finished(finished: Finished) -> Result<Self, StepError> {
        Ok(Self {
            status: Self::of_outcome(finished.outcome)?,
            stdout: finished.stdout.text(),
            stderr: finished.stderr.text(),
        })
    }

    fn of_error(error: ExecError) -> Result<Self, StepError> {
        let status = match error {
            // A server that cannot start a program any more has no processes or no memory left: what it ran before has taken
            // them, and the guest is as lost as one that is silent.
            ExecError::Lost(_) | ExecError::Refused { .. } => StepStatus::Lost,
            ExecError::TimedOut => StepStatus::TimedOut,
            ExecError::Cancelled(_) => return Err(StepError::Cancelled),
            error => return Err(StepError::Exec(error)),
        };
        Ok(Self {
            status,
            stdout: String::new(),
            stderr: String::new(),
        })
    }

    fn of_wait(error: &WaitError) -> Result<StepStatus, StepError> {
        match error {
            WaitError::Ended(outcome) => Self::of_outcome(outcome.clone()),
            WaitError::TimedOut => Ok(StepStatus::TimedOut),
            WaitError::Cancelled(_) => Err(StepError::Cancelled),
        }
    }
}
