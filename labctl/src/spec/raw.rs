//! The shapes of the course's YAML files, as written. Nothing here is checked beyond its shape.

use schemars::JsonSchema;
use serde::Deserialize;

use super::validate_run::FACT_SOURCES;
use super::validate_worksheet::{BLANK_TYPES, GIVEN_TYPES};
use super::yaml::{Mapping, Spanned};

/// A value with its place.
pub type At<T> = Spanned<T>;

/// `labs.yaml`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawCourse {
    /// Name of the course, for results.
    pub course: At<String>,
    /// One line for people.
    pub title: String,
    /// What `guest-tools/` offers to exercises.
    #[serde(default)]
    pub guest_tools: RawTools,
    /// By module id, in order.
    pub modules: Mapping<RawModule>,
}

/// Programs and modules of ours that run in the guest.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawTools {
    /// Kernel modules.
    #[serde(default)]
    pub modules: Vec<At<String>>,
    /// Programs.
    #[serde(default)]
    pub programs: Vec<At<String>>,
}

/// A module of the course.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawModule {
    /// One line for people.
    pub title: String,
    /// Name of the course kernel, a folder of `kernels/`.
    pub kernel: At<String>,
    /// Other kernels that it may run on.
    #[serde(default)]
    pub kernels: Vec<At<String>>,
    /// Name of the image, a folder of `images/`.
    pub image: At<String>,
    /// Shape of the virtual machine.
    pub vm: RawVm,
    /// Exercise ids, in order.
    pub exercises: Vec<At<String>>,
}

/// Shape of a virtual machine.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawVm {
    /// Virtual CPUs. More than one only where the lesson needs it: emulated ones take turns, and wait for each other.
    pub cpus: At<u32>,
    /// Memory, with unit: `384 MiB`.
    pub memory: At<String>,
}

/// `facts.yaml`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawSurvey {
    pub id: At<String>,
    pub title: String,
    #[serde(default)]
    pub summary: String,
    #[serde(default)]
    pub needs: Vec<At<String>>,
    #[serde(default)]
    pub layers: Vec<At<String>>,
    #[serde(default)]
    pub draw: Mapping<At<RawDraw>>,
    #[serde(default)]
    pub vars: Mapping<At<String>>,
    #[serde(default)]
    pub build: RawBuild,
    pub witness: Option<RawWitness>,
    pub run: Vec<At<RawStep>>,
    pub facts: Mapping<At<RawFact>>,
    pub claims: Vec<RawClaim>,
}

/// What the lesson says, and what the kernel is asked about it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawClaim {
    pub id: At<String>,
    pub heading: String,
    pub lesson: String,
    pub ask: String,
    pub holds: At<String>,
    pub kernel: At<String>,
}

/// `exercises/<id>.yaml`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawExercise {
    /// The file's name without `.yaml`.
    pub id: At<String>,
    /// One line for people.
    pub title: String,
    /// A paragraph for the student.
    #[serde(default)]
    pub summary: String,
    /// What `labctl hint` says, one text after the other, when no known mistake was made.
    #[serde(default)]
    pub hints: Vec<At<String>>,
    /// Features that the kernel must have, by their names in `kernels/*/kernel.yaml`.
    #[serde(default)]
    pub needs: Vec<At<String>>,
    /// Tool layers that the guest has, by their names in the module's `image.yaml`.
    #[serde(default)]
    pub layers: Vec<At<String>>,
    /// The numbers of the worksheet, by name.
    #[serde(default)]
    pub givens: Mapping<RawGiven>,
    /// Conditions that drawn givens must meet together.
    #[serde(default)]
    pub require: Vec<At<String>>,
    /// The blanks, in the order of the lesson.
    #[serde(default)]
    pub worksheet: Vec<RawBlank>,
    /// Values that differ from run to run, by name.
    #[serde(default)]
    pub draw: Mapping<At<RawDraw>>,
    /// Named expressions over givens, draws and each other.
    #[serde(default)]
    pub vars: Mapping<At<String>>,
    /// What is compiled from the workspace.
    #[serde(default)]
    pub build: RawBuild,
    /// Records the copies of these processes in the kernel.
    pub witness: Option<RawWitness>,
    /// What happens in the guest, in order.
    #[serde(default)]
    pub run: Vec<At<RawStep>>,
    /// What is read from the evidence, by name.
    #[serde(default)]
    pub facts: Mapping<At<RawFact>>,
    /// The rules.
    #[serde(default)]
    pub checks: Vec<RawCheck>,
    #[serde(default)]
    pub figures: Vec<RawFigure>,
}

/// A given: its kind, the lesson's value, and the range for other seeds.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawGiven {
    /// What kind of number.
    #[schemars(extend("enum" = GIVEN_TYPES))]
    pub r#type: At<String>,
    /// The lesson's own value.
    pub lesson: At<String>,
    /// Of an integer: the smallest that may be drawn.
    pub min: Option<At<String>>,
    /// Of an integer: the largest.
    pub max: Option<At<String>>,
    /// Of an integer: every value is a multiple of this.
    pub step: Option<At<String>>,
    /// Of an address: every value is a multiple of this power of two; 16 unless said.
    pub align: Option<At<String>>,
    /// Of a choice: what may be drawn.
    #[serde(default)]
    pub values: Vec<At<String>>,
    /// Not listed in the answers file: the questions show what is to be known of it.
    #[serde(default)]
    pub hidden: bool,
}

/// A blank of the worksheet.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawBlank {
    /// Key in the answers file, variable in expressions, and the check's id.
    pub id: At<String>,
    /// The question; may hold `{{expressions}}` over the givens.
    pub ask: At<String>,
    /// What an answer looks like.
    #[schemars(extend("enum" = BLANK_TYPES))]
    pub r#type: At<String>,
    /// Of bytes and seconds: the unit of a bare number.
    pub unit: Option<At<String>>,
    /// Of a choice: the words.
    #[serde(default)]
    pub choices: Vec<At<String>>,
    /// The right answer: an expression over the givens and other blanks.
    pub key: At<String>,
    /// The fraction by which an answer may be off.
    pub tolerance: Option<At<f64>>,
    /// Points for the right answer; 1 unless said.
    pub points: Option<At<u32>>,
    /// Shown for a wrong answer that is no known mistake.
    pub help: At<String>,
    /// Known wrong answers; the first that holds is told.
    #[serde(default)]
    pub mistakes: Vec<RawExplain>,
}

/// A predicted mistake.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawExplain {
    /// Its id.
    pub id: At<String>,
    /// Holds when this mistake was made.
    pub when: At<String>,
    /// Replaces the check's message.
    pub message: Option<At<String>>,
    /// What it means and what to try.
    pub help: At<String>,
}

/// A value drawn for every run: `{hex: 8}`, `{integer: [1, 9]}`, `port`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum RawDraw {
    /// This many hex digits, a text.
    Hex(usize),
    /// A whole number from the first to the second.
    Integer(u64, u64),
    /// A port number from 10000 to 29999.
    Port,
}

/// What is compiled from the workspace: name to source files.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawBuild {
    /// Kernel modules.
    #[serde(default)]
    pub modules: Mapping<Vec<At<String>>>,
    /// Programs.
    #[serde(default)]
    pub programs: Mapping<Vec<At<String>>>,
}

/// The witness.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawWitness {
    /// Names of the processes; all when empty.
    #[serde(default)]
    pub comms: Vec<At<String>>,
    /// Each copy with its callers.
    #[serde(default)]
    pub stacks: bool,
    /// The way of each packet that these processes allocate.
    #[serde(default)]
    pub skbs: bool,
}

/// A step; exactly one of `load`, `unload`, `start`, `exec`, `wait`, `stop`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawStep {
    /// Its name in rules; by default the program's, or `load_<module>`, `wait_<step>` …
    pub id: Option<At<String>>,
    /// Seconds of an unhurried guest that it may take, 1 to 600; 10 unless said.
    pub within: Option<At<u32>>,
    /// Inserts kernel modules.
    pub load: Option<Vec<At<String>>>,
    /// `name=value` parameters of the modules.
    #[serde(default)]
    pub params: Vec<At<String>>,
    /// Removes kernel modules.
    pub unload: Option<Vec<At<String>>>,
    /// Starts a program and goes on when it is ready.
    pub start: Option<RawProgram>,
    /// Runs a program to its end.
    pub exec: Option<RawProgram>,
    /// Waits for the end of a started program.
    pub wait: Option<At<String>>,
    /// Ends a started program.
    pub stop: Option<At<String>>,
    pub signal: Option<At<String>>,
}

/// A program; exactly one of `program`, `command`, `script`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawProgram {
    /// A program that `build` makes, or a guest tool.
    pub program: Option<At<String>>,
    /// A program of the image.
    pub command: Option<At<String>>,
    /// A script of the workspace.
    pub script: Option<At<String>>,
    /// Its arguments; may hold `{{expressions}}`.
    #[serde(default)]
    pub args: Vec<At<String>>,
    /// Of `start`: when it is ready.
    pub until: Option<At<RawUntil>>,
    /// Of `exec`: what it reads.
    pub stdin: Option<At<String>>,
}

/// When a started program is ready.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum RawUntil {
    /// At once.
    Started,
    /// When its output has this text.
    Output(At<String>),
    /// When a UDP socket is bound to this port.
    UdpBound(At<String>),
    /// When a TCP socket listens on this port.
    TcpListening(At<String>),
    Probed(Vec<At<String>>),
}

/// A fact: `from` one of `dmesg`, `stdout`, `stderr`, `witness`, `events`, `probes`, `btf`, `bugs`; or a `value`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawFact {
    /// Where it is read.
    #[schemars(extend("enum" = FACT_SOURCES))]
    pub from: Option<At<String>>,
    /// Of stdout and stderr: whose output.
    pub step: Option<At<String>>,
    /// The whole line, with `{name:kind}` holes; a kind is int, number, address, word or text.
    pub r#match: Option<At<String>>,
    /// Of dmesg: what a line may have in front.
    pub prefix: Option<At<String>>,
    /// Of btf: the structure.
    pub r#struct: Option<At<String>>,
    /// Of bugs: the function whose source file is wanted.
    pub function: Option<At<String>>,
    /// Of stdout and stderr: runs of blanks count as one space.
    #[serde(default)]
    pub squeeze: bool,
    /// Keeps what this holds for; over `f`, of the witness over `w`.
    pub r#where: Option<At<String>>,
    /// An expression over other facts, instead of `from`.
    pub value: Option<At<String>>,
}

/// A rule.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawCheck {
    /// Unique within the exercise.
    pub id: At<String>,
    /// One line for people.
    pub title: String,
    /// Checks that must have passed for this one to make sense.
    pub needs: Option<Vec<At<String>>>,
    /// Points for passing; 0 for a check that only guards others.
    pub points: At<u32>,
    /// `student` (the default) or `laboratory`.
    pub fault: Option<At<String>>,
    /// The rule.
    pub pass: At<String>,
    /// Said when it holds: what was proved.
    pub passed: At<String>,
    /// Said when it does not.
    pub message: At<String>,
    /// What to try.
    pub help: At<String>,
    /// What a right run shows.
    pub expected: Option<At<String>>,
    /// What this run shows.
    pub actual: Option<At<String>>,
    /// Known mistakes; the first that holds is told.
    #[serde(default)]
    pub explain: Vec<RawExplain>,
}

/// A table, with one column drawn as bars.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawFigure {
    /// Unique among the exercise's checks and figures; the name of the chart's file.
    pub id: At<String>,
    /// One line for people.
    pub title: String,
    /// Checks that must have passed; without them there may be nothing to show.
    #[serde(default)]
    pub needs: Vec<At<String>>,
    /// Headings; the first column names the row.
    pub columns: Vec<At<String>>,
    /// A list of rows, each a list with a value for each column (CEL).
    pub rows: At<String>,
    /// The column that is drawn as bars.
    pub plot: Option<At<String>>,
}

/// An entry of `mistakes.yaml`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawMistake {
    /// One line: what is believed wrongly, or what is right instead.
    pub title: At<String>,
    /// A paragraph on why it is wrong.
    pub explanation: At<String>,
    /// From a nudge to almost the answer, 2 to 4 of them.
    #[schemars(length(min = 2, max = 4))]
    pub hints: Vec<At<String>>,
}

/// `mutants/<id>.yaml`: a known wrong submission.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawMutant {
    /// The file's name without `.yaml`.
    pub id: At<String>,
    /// What is wrong, for people.
    pub title: String,
    /// Id of the exercise.
    pub exercise: At<String>,
    /// Workspace file to what is changed in the solution.
    #[serde(default)]
    pub files: Mapping<Vec<RawEdit>>,
    /// Answers that replace the key's.
    #[serde(default)]
    pub answers: Mapping<At<Option<String>>>,
    /// A whole answers file instead.
    pub answers_file: Option<At<String>>,
    /// What grading must say.
    pub expect: RawExpect,
}

/// One change of a file: a text that occurs exactly once, and its replacement; or the whole contents.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawEdit {
    /// A text that occurs exactly once.
    pub search: Option<At<String>>,
    /// What stands there instead.
    pub replace: Option<At<String>>,
    /// The whole new contents.
    pub contents: Option<At<String>>,
}

/// What grading must say about a mutant.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawExpect {
    /// The exercise's verdict.
    pub verdict: At<String>,
    /// The check that must fail.
    pub check: At<String>,
    /// The mistake that must be recognised there.
    pub mistake: Option<At<String>>,
    /// The kind of a finding that must be there.
    pub finding: Option<At<String>>,
    /// The points that are left.
    pub points: Option<At<u32>>,
}

/// `workspace.yaml`, in a student's folder.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawWorkspace {
    /// Id of the module.
    pub module: At<String>,
    /// `lesson`, or the seed of other givens.
    #[serde(default)]
    pub seed: Option<At<String>>,
}
