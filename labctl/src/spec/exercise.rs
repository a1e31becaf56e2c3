//! An exercise after checking: what a runner executes and what grading evaluates.

use std::collections::BTreeMap;

use super::answers::Blank;
use super::builtin::{self, Builtin};
use super::chance::Chance;
use super::expr::{EvalError, Expr};
use super::figure::Figure;
use super::givens::Given;
use super::ids::{CheckId, ExerciseId, MistakeId, ModuleId};
use super::pattern::Pattern;
use super::scope::Scope;
use super::text::Text;
use super::value;

/// The seed that stands for the lesson's own numbers.
pub const LESSON_SEED: &str = "lesson";

/// A checked exercise: every expression compiled, every name resolved.
#[derive(Debug, Clone)]
pub struct Exercise {
    /// Unique within the module.
    pub id: ExerciseId,
    /// The module it belongs to.
    pub module: ModuleId,
    /// One line for people.
    pub title: String,
    /// A paragraph for the student; may be empty.
    pub summary: String,
    /// The hint ladder for a student who has no mistake yet, from a nudge to almost the answer.
    pub hints: Vec<Text>,
    /// Features that the guest's kernel must have, by the names in `kernels/*/kernel.yaml`.
    pub needs: Vec<String>,
    /// Tool layers of the image that the guest has, sorted.
    pub layers: Vec<String>,
    /// The numbers that the worksheet is about.
    pub givens: Vec<Given>,
    /// Conditions that drawn givens must meet together.
    pub require: Vec<Expr>,
    /// The blanks, in the order of the lesson.
    pub worksheet: Vec<Blank>,
    /// Values that differ from run to run.
    pub draws: Vec<Draw>,
    /// Values computed from givens, draws and each other, each after what it needs.
    pub vars: Vec<(String, Expr)>,
    /// What is compiled from the workspace, in the order of the file.
    pub build: Vec<Artefact>,
    /// Loads the witness before the first step, and reads it until after the last.
    pub witness: Option<Witness>,
    /// What happens in the guest, in order; empty for a pure worksheet.
    pub run: Vec<Step>,
    /// What is read from the evidence, each after what it needs.
    pub facts: Vec<Fact>,
    /// The author's rules, parents before children.
    pub checks: Vec<Check>,
    /// What the report shows beside the verdict.
    pub figures: Vec<Figure>,
}

/// A value that is drawn anew for every run.
#[derive(Debug, Clone, PartialEq)]
pub struct Draw {
    /// Its name in expressions.
    pub name: String,
    /// What it looks like.
    pub kind: DrawKind,
}

/// What may be drawn for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrawKind {
    /// This many hex digits, a string.
    Hex(usize),
    /// An integer in this range, both ends included.
    Integer(u64, u64),
    /// A port number outside the well-known and the ephemeral range (Linux: 32768–60999), 10000–29999.
    Port,
}

/// Something compiled from the student's sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artefact {
    /// The module is `<name>.ko`; the program's file, and so its `comm`, is `<name>`.
    pub name: String,
    /// Kernel module or user program.
    pub kind: ArtefactKind,
    /// Paths in the workspace; the first is the one to name in messages.
    pub sources: Vec<String>,
}

/// What a compiler makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArtefactKind {
    /// A kernel module, for the guest's kernel.
    Module,
    /// A statically linked program for the guest.
    Program,
}

/// How the witness watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// Names of the processes whose copies are recorded; all when empty.
    pub comms: Vec<String>,
    /// Whether each copy comes with the functions on the stack.
    pub stacks: bool,
    /// Whether each packet that these processes allocate is followed until it is freed.
    pub skbs: bool,
}

/// One step in the guest.
///
/// What a runner does when something goes wrong, so that as much as possible can be judged:
/// a step whose artefact was not built, or whose `Load`/`Start` (for `Unload`, `Wait`, `Stop`) failed, is `NotRun`; a failed `Load`
/// does not stop the run, one that timed out does; after a failed `Start`, `Exec` or `Wait` the later `Start`, `Exec` and `Wait` are `NotRun`; `Unload`
/// and `Stop` are always tried; once the guest is lost everything later is `NotRun`.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Unique within the exercise; the id of the step's record in the evidence.
    pub id: String,
    /// What to do.
    pub kind: StepKind,
    /// Time limit in seconds of an unhurried guest; the runner scales it with the accelerator.
    pub within: u32,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub enum StepKind {
    /// Inserts a kernel module.
    Load {
        /// Whose, and its name.
        module: ModuleRef,
        /// `name=value` parameters.
        params: Vec<Text>,
    },
    /// Removes a kernel module that an earlier step inserted.
    Unload {
        /// Whose, and its name.
        module: ModuleRef,
    },
    /// Starts a program in the background and goes on when `until` holds. Its record collects all it ever prints.
    Start {
        /// What to start.
        program: Program,
        /// Its arguments.
        args: Vec<Text>,
        /// When to go on.
        until: Until,
    },
    /// Runs a program to its end.
    Exec {
        /// What to run.
        program: Program,
        /// Its arguments.
        args: Vec<Text>,
        /// What it reads from standard input; nothing when absent.
        stdin: Option<Text>,
    },
    /// Waits for the end of a started program. The record of this step has the exit status.
    Wait {
        /// Id of the `Start` step.
        step: String,
    },
    /// Ends a started program with a signal.
    Stop {
        /// Id of the `Start` step.
        step: String,
        /// See [`StopSignal`].
        signal: StopSignal,
    },
}

/// How a program is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGTERM.
    Term,
    /// SIGINT, as Ctrl-C sends it: bpftrace and perf then print what they have.
    Int,
}

impl StopSignal {
    /// Its name without `SIG`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Term => "TERM",
            Self::Int => "INT",
        }
    }
}

/// A kernel module to load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModuleRef {
    /// Built from the workspace (an [`Artefact`]).
    Student(String),
    /// One of the guest tools' modules, listed in `labs.yaml`.
    Tool(String),
}

impl ModuleRef {
    /// The module's name, without `.ko`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Student(name) | Self::Tool(name) => name,
        }
    }
}

/// A program to run in the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// Built from the workspace (an [`Artefact`]), pushed to the guest under its name.
    Student(String),
    /// One of the guest tools' programs, listed in `labs.yaml`, pushed to the guest under its name.
    Tool(String),
    /// A program of the image, found on the guest's `PATH` (`bpftrace`).
    Command(String),
    /// A shell or bpftrace script of the workspace; the path in the workspace.
    Script(String),
}

impl Program {
    /// The name for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Student(name) | Self::Tool(name) | Self::Command(name) | Self::Script(name) => name,
        }
    }

    /// Whether its behaviour is the student's doing.
    #[must_use]
    pub fn is_student(&self) -> bool {
        matches!(self, Self::Student(_) | Self::Script(_))
    }
}

/// When a started program is ready.
#[derive(Debug, Clone, PartialEq)]
pub enum Until {
    /// At once.
    Started,
    /// When its standard output contains this text.
    Output(Text),
    /// When a UDP socket of the guest is bound to this port (`/proc/net/udp`). Holds also for programs that do not flush.
    UdpBound(Text),
    /// When a TCP socket of the guest listens on this port (`/proc/net/tcp`).
    TcpListening(Text),
    /// When one of these functions has a kprobe (`/sys/kernel/debug/kprobes/list`). That of a kretprobe, such as the witness's, does not count.
    Probed(Vec<String>),
}

/// A named list (or value) that is read from the evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// Its name in expressions.
    pub name: String,
    /// Where it comes from.
    pub kind: FactKind,
}

/// Where a fact comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum FactKind {
    /// Kernel log lines that match: maps with the holes' names, `us`, `seq`, `level` and `text`.
    Dmesg {
        /// The whole line.
        pattern: Pattern,
        /// A prefix that a line may have in front.
        prefix: Option<String>,
        /// Over `f`, the map.
        filter: Option<Expr>,
    },
    /// Lines of a step's output that match: maps with the holes' names and `text`.
    Output {
        /// Id of the step.
        step: String,
        /// Standard error instead of standard output.
        stderr: bool,
        /// Blanks around a line are cut off, and runs of them in it count as one space: for tables.
        squeeze: bool,
        /// The whole line.
        pattern: Pattern,
        /// Over `f`, the map.
        filter: Option<Expr>,
    },
    /// Copies that the witness recorded and for which this holds (over `w`).
    Witness(Expr),
    /// The layout of this structure in the kernel that runs, from its BTF; null where it has none of the name.
    Struct(String),
    /// The source file of this function in the kernel that runs, from its table of warnings; null where that does not tell.
    Origin(String),
    /// Functions that a followed packet passed, in order, where this holds (over `e`).
    Events(Expr),
    /// The witness's probes for which this holds (over `p`).
    Probes(Expr),
    /// Computed from other facts.
    Value(Expr),
}

/// A rule of the author.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Unique within the exercise.
    pub id: CheckId,
    /// One line for people.
    pub title: String,
    /// Checks that must have passed for this one to make sense, built-in ones included.
    pub needs: Vec<CheckId>,
    /// Points for passing; may be 0.
    pub points: u32,
    /// Who is to blame when the rule does not hold.
    pub fault: Fault,
    /// The rule.
    pub pass: Expr,
    /// What is said when it holds.
    pub passed: Text,
    /// What is said when it does not.
    pub message: Text,
    /// What to try.
    pub help: Text,
    /// What a right run shows.
    pub expected: Option<Text>,
    /// What this run shows.
    pub actual: Option<Text>,
    /// Known mistakes, first match wins.
    pub explain: Vec<Explain>,
}

/// Who is to blame when a rule does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The check is `failed`.
    Student,
    /// The check is `inconclusive`: the rule guards the laboratory's own part.
    Laboratory,
}

/// A mistake that the course expects.
#[derive(Debug, Clone, PartialEq)]
pub struct Explain {
    /// Its id.
    pub id: MistakeId,
    /// Holds when this mistake was made.
    pub when: Expr,
    /// Replaces the check's message.
    pub message: Option<Text>,
    /// Replaces the check's help.
    pub help: Text,
}

impl Exercise {
    /// `module7/exercise-b`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.module, self.id)
    }

    /// Whether a guest is needed.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !self.run.is_empty()
    }

    /// Points of all blanks and checks.
    #[must_use]
    pub fn max_points(&self) -> u32 {
        let blanks: u32 = self.worksheet.iter().map(|blank| blank.points).sum();
        let checks: u32 = self.checks.iter().map(|check| check.points).sum();
        blanks + checks
    }

    /// The checks that follow from the structure, in the order of the report.
    #[must_use]
    pub fn builtins(&self) -> Vec<Builtin> {
        builtin::of(self)
    }

    /// Draws this run's values. The same `run_seed` gives the same values.
    #[must_use]
    pub fn draw(&self, run_seed: &str) -> BTreeMap<String, serde_json::Value> {
        let one = |draw: &Draw| {
            let mut chance = Chance::new(run_seed, &format!("{}/draw/{}", self.full_name(), draw.name));
            let value = match draw.kind {
                DrawKind::Hex(digits) => serde_json::Value::from(chance.hex_digits(digits)),
                DrawKind::Integer(low, high) => serde_json::Value::from(chance.between(low, high)),
                DrawKind::Port => serde_json::Value::from(chance.between(10_000, 29_999)),
            };
            (draw.name.clone(), value)
        };
        self.draws.iter().map(one).collect()
    }

    /// The variables that arguments of steps may use: givens, this run's draws, and `vars`.
    ///
    /// # Errors
    /// When an expression of the course does not fit its values.
    pub fn variables(
        &self,
        seed: &str,
        draws: &BTreeMap<String, serde_json::Value>,
    ) -> Result<Scope<'static>, EvalError> {
        let mut scope = Scope::new();
        for (name, value) in super::givens::values(self, seed)? {
            scope.set(&name, value);
        }
        // A run that ended before anything was drawn is graded, too; values nobody used stand in.
        let absent = if draws.is_empty() {
            self.draw("absent")
        } else {
            BTreeMap::new()
        };
        for draw in &self.draws {
            let drawn = draws.get(&draw.name).or_else(|| absent.get(&draw.name));
            scope.set(&draw.name, drawn.map_or(cel::Value::Null, value::from_json));
        }
        for (name, expr) in &self.vars {
            let value = expr.eval(&scope)?;
            scope.set(name, value);
        }
        Ok(scope)
    }

    /// Names of the kernel's structures that the facts ask for.
    #[must_use]
    pub fn structs(&self) -> Vec<&str> {
        let asked = self.facts.iter().filter_map(|fact| match &fact.kind {
            FactKind::Struct(name) => Some(name.as_str()),
            _ => None,
        });
        asked.collect()
    }

    /// Names of the kernel's functions whose source file the facts ask for.
    #[must_use]
    pub fn origins(&self) -> Vec<&str> {
        let asked = self.facts.iter().filter_map(|fact| match &fact.kind {
            FactKind::Origin(name) => Some(name.as_str()),
            _ => None,
        });
        asked.collect()
    }

    /// The artefact of this name.
    #[must_use]
    pub fn artefact(&self, name: &str) -> Option<&Artefact> {
        self.build.iter().find(|artefact| artefact.name == name)
    }
}
