//! The shapes of the course's YAML files, as written. Nothing here is checked beyond its shape.

use serde::Deserialize;
use serde_yaml::Spanned;

use super::yaml::Mapping;

/// A value with its place.
pub type At<T> = Spanned<T>;

/// `labs.yaml`.
#[derive(Debug, Deserialize)]
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
#[derive(Debug, Default, Deserialize)]
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
#[derive(Debug, Deserialize)]
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
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawVm {
    /// Virtual CPUs.
    pub cpus: At<u32>,
    /// Memory, with unit: `384 MiB`.
    pub memory: At<String>,
}

/// `facts.yaml`.
#[derive(Debug, Deserialize)]
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
#[derive(Debug, Deserialize)]
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
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawExercise {
    pub id: At<String>,
    pub title: String,
    #[serde(default)]
    pub summary: String,
    #[serde(default)]
    pub needs: Vec<At<String>>,
    #[serde(default)]
    pub layers: Vec<At<String>>,
    #[serde(default)]
    pub givens: Mapping<RawGiven>,
    #[serde(default)]
    pub require: Vec<At<String>>,
    #[serde(default)]
    pub worksheet: Vec<RawBlank>,
    #[serde(default)]
    pub draw: Mapping<At<RawDraw>>,
    #[serde(default)]
    pub vars: Mapping<At<String>>,
    #[serde(default)]
    pub build: RawBuild,
    pub witness: Option<RawWitness>,
    #[serde(default)]
    pub run: Vec<At<RawStep>>,
    #[serde(default)]
    pub facts: Mapping<At<RawFact>>,
    #[serde(default)]
    pub checks: Vec<RawCheck>,
}

/// A given: its kind, the lesson's value, and the range for other seeds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawGiven {
    pub r#type: At<String>,
    pub lesson: At<String>,
    pub min: Option<At<String>>,
    pub max: Option<At<String>>,
    pub step: Option<At<String>>,
    pub align: Option<At<String>>,
    #[serde(default)]
    pub values: Vec<At<String>>,
}

/// A blank of the worksheet.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawBlank {
    pub id: At<String>,
    pub ask: At<String>,
    pub r#type: At<String>,
    pub unit: Option<At<String>>,
    #[serde(default)]
    pub choices: Vec<At<String>>,
    pub key: At<String>,
    pub tolerance: Option<At<f64>>,
    pub points: Option<At<u32>>,
    pub help: At<String>,
    #[serde(default)]
    pub mistakes: Vec<RawExplain>,
}

/// A predicted mistake.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawExplain {
    pub id: At<String>,
    pub when: At<String>,
    pub message: Option<At<String>>,
    pub help: At<String>,
}

/// A value drawn for every run: `{hex: 8}`, `{integer: [1, 9]}`, `port`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum RawDraw {
    Hex(usize),
    Integer(u64, u64),
    Port,
}

/// What is compiled from the workspace: name to source files.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawBuild {
    #[serde(default)]
    pub modules: Mapping<Vec<At<String>>>,
    #[serde(default)]
    pub programs: Mapping<Vec<At<String>>>,
}

/// The witness.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawWitness {
    #[serde(default)]
    pub comms: Vec<At<String>>,
}

/// A step; exactly one of `load`, `unload`, `start`, `exec`, `wait`, `stop`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawStep {
    pub id: Option<At<String>>,
    pub within: Option<At<u32>>,
    pub load: Option<Vec<At<String>>>,
    #[serde(default)]
    pub params: Vec<At<String>>,
    pub unload: Option<Vec<At<String>>>,
    pub start: Option<RawProgram>,
    pub exec: Option<RawProgram>,
    pub wait: Option<At<String>>,
    pub stop: Option<At<String>>,
    pub signal: Option<At<String>>,
}

/// A program; exactly one of `program`, `command`, `script`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawProgram {
    pub program: Option<At<String>>,
    pub command: Option<At<String>>,
    pub script: Option<At<String>>,
    #[serde(default)]
    pub args: Vec<At<String>>,
    pub until: Option<At<RawUntil>>,
    pub stdin: Option<At<String>>,
}

/// When a started program is ready.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum RawUntil {
    Started,
    Output(At<String>),
    UdpBound(At<String>),
    TcpListening(At<String>),
    Probed(Vec<At<String>>),
}

/// A fact: `from` one of `dmesg`, `stdout`, `stderr`, `witness`, `btf`, `bugs`; or a `value`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawFact {
    pub from: Option<At<String>>,
    pub step: Option<At<String>>,
    pub r#match: Option<At<String>>,
    pub prefix: Option<At<String>>,
    pub r#struct: Option<At<String>>,
    pub function: Option<At<String>>,
    #[serde(default)]
    pub squeeze: bool,
    pub r#where: Option<At<String>>,
    pub value: Option<At<String>>,
}

/// A rule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawCheck {
    pub id: At<String>,
    pub title: String,
    pub needs: Option<Vec<At<String>>>,
    pub points: At<u32>,
    /// `student` (the default) or `laboratory`.
    pub fault: Option<At<String>>,
    pub pass: At<String>,
    pub passed: At<String>,
    pub message: At<String>,
    pub help: At<String>,
    pub expected: Option<At<String>>,
    pub actual: Option<At<String>>,
    #[serde(default)]
    pub explain: Vec<RawExplain>,
}

/// `mutants/<id>.yaml`: a known wrong submission.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawMutant {
    pub id: At<String>,
    pub title: String,
    pub exercise: At<String>,
    /// Workspace file to what is changed in the solution.
    #[serde(default)]
    pub files: Mapping<Vec<RawEdit>>,
    /// Answers that replace the key's.
    #[serde(default)]
    pub answers: Mapping<At<Option<String>>>,
    /// A whole answers file instead.
    pub answers_file: Option<At<String>>,
    pub expect: RawExpect,
}

/// One change of a file: a text that occurs exactly once, and its replacement; or the whole contents.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawEdit {
    pub search: Option<At<String>>,
    pub replace: Option<At<String>>,
    pub contents: Option<At<String>>,
}

/// What grading must say about a mutant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawExpect {
    pub verdict: At<String>,
    pub check: At<String>,
    pub mistake: Option<At<String>>,
    pub finding: Option<At<String>>,
}
