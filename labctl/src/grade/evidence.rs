//! What the host recorded during one run: everything a verdict may rest on, and nothing else.
//!
//! `evidence.json` in the run folder is this type, so a stored run can be graded again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::spec::exercise::StepKind;

/// The version that this labctl writes and reads.
pub const EVIDENCE_VERSION: u32 = 1;

/// A file that is not evidence.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// Not JSON, or not of this shape.
    #[error("not an evidence file")]
    Json(#[from] serde_json::Error),
    /// Written by another labctl.
    #[error("evidence has version {found}, this labctl reads version {EVIDENCE_VERSION}")]
    Version {
        /// The version in the file.
        found: u32,
    },
}

/// The record of one run of one exercise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// [`EVIDENCE_VERSION`].
    pub version: u32,
    /// `module7/exercise-b`.
    pub exercise: String,
    /// `lesson`, or the seed the givens are derived from.
    pub seed: String,
    /// Per-run values by name, as drawn by the runner (`spec::draw`): numbers and strings.
    #[serde(default)]
    pub draws: BTreeMap<String, serde_json::Value>,
    /// The answers file as it was found; `None` when the workspace has none or the exercise asks nothing.
    #[serde(default)]
    pub answers: Option<AnswersInput>,
    /// By artefact name (`send_trace`, `sender`), for everything of the student's that was to be built.
    #[serde(default)]
    pub builds: BTreeMap<String, BuildRecord>,
    /// In the order of execution; a step that was never reached is there too, as `NotRun`.
    #[serde(default)]
    pub steps: Vec<StepRecord>,
    /// Kernel log records inside this run's window: from before the first step until after the last.
    #[serde(default)]
    pub kernel_log: Vec<KernelRecord>,
    /// Kernel log records of the window that are known to be missing (gaps in the sequence numbers, or the recorder's cap).
    #[serde(default)]
    pub kernel_log_lost: u64,
    /// The copies that the witness recorded, each a JSON object as `tracer` printed it.
    #[serde(default)]
    pub witness: Vec<serde_json::Value>,
    /// The functions that followed packets passed, likewise, in order.
    #[serde(default)]
    pub events: Vec<serde_json::Value>,
    /// Where the witness's probes sat, and which could not be placed.
    #[serde(default)]
    pub probes: Vec<serde_json::Value>,
    /// Copies and events that the witness saw but could not store.
    #[serde(default)]
    pub witness_dropped: u64,
    /// Structures of the kernel that ran, by name, as its BTF describes them; one that it does not have is not here.
    #[serde(default)]
    pub types: BTreeMap<String, StructLayout>,
    /// Source files of functions of the kernel that ran, by name, as far as it tells.
    #[serde(default)]
    pub origins: BTreeMap<String, String>,
    /// Kernel splats inside the window, in order.
    #[serde(default)]
    pub splats: Vec<SplatRecord>,
    /// Set when the guest did not live to the end of the steps.
    #[serde(default)]
    pub guest_lost: Option<GuestLost>,
}

impl Evidence {
    /// Evidence of a run in which nothing happened yet.
    #[must_use]
    pub fn new(exercise: &str, seed: &str) -> Self {
        Self {
            version: EVIDENCE_VERSION,
            exercise: exercise.to_owned(),
            seed: seed.to_owned(),
            draws: BTreeMap::new(),
            answers: None,
            builds: BTreeMap::new(),
            steps: Vec::new(),
            kernel_log: Vec::new(),
            kernel_log_lost: 0,
            witness: Vec::new(),
            events: Vec::new(),
            probes: Vec::new(),
            witness_dropped: 0,
            types: BTreeMap::new(),
            origins: BTreeMap::new(),
            splats: Vec::new(),
            guest_lost: None,
        }
    }

    /// Reads `evidence.json`.
    ///
    /// # Errors
    /// When the text is not JSON of this shape, or of another version.
    pub fn from_json(text: &str) -> Result<Self, EvidenceError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let Versioned { version } = serde_json::from_str(text)?;
        if version != EVIDENCE_VERSION {
            return Err(EvidenceError::Version { found: version });
        }
        Ok(serde_json::from_str(text)?)
    }

    /// Writes `evidence.json`, with indentation.
    ///
    /// # Errors
    /// Never in practice: every member has a JSON form.
    pub fn to_json(&self) -> Result<String, EvidenceError> {
        Ok(serde_json::to_string_pretty(self)?)
    }

    /// The record of a step.
    #[must_use]
    pub fn step(&self, id: &str) -> Option<&StepRecord> {
        self.steps.iter().find(|step| step.id == id)
    }
}

/// How a structure lies in memory. Members of anonymous structures and unions in it count as its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StructLayout {
    /// Bytes.
    pub size: u64,
    /// In the order of the declaration.
    pub members: Vec<MemberLayout>,
}

/// One member of a structure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberLayout {
    pub name: String,
    /// Bytes from the start of the structure; of a bit field, those before its first bit.
    pub offset: u64,
    /// Bytes; of a bit field, those of its type.
    pub size: u64,
}

/// An answers file, not yet looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswersInput {
    /// The name to use in messages: `answers/exercise-b.yaml`.
    pub file: String,
    /// Its text (lossy UTF-8).
    pub text: String,
}

/// What became of one artefact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildRecord {
    /// See [`BuildOutcome`].
    pub outcome: BuildOutcome,
    /// The compiler's diagnostics, files as paths in the workspace.
    #[serde(default)]
    pub diagnostics: Vec<Diagnostic>,
    /// The whole output of the build, capped by the builder.
    #[serde(default)]
    pub log: String,
}

/// How a build ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BuildOutcome {
    /// The artefact exists.
    Ok,
    /// The compiler or linker refused the source.
    Failed,
    /// The student's source file is not there; the path in the workspace.
    Missing(String),
    /// The source made the build exceed a limit (time, memory, output); which one, as a sentence.
    Limit(String),
    /// The build environment failed; not the student's doing.
    Broken(String),
}

/// One line of a compiler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Path in the workspace, `src/send_trace.c`.
    pub file: String,
    /// From 1; 0 when the tool gave none.
    pub line: u32,
    /// From 1; 0 when the tool gave none.
    pub column: u32,
    /// `error`, `warning` or `note`.
    pub severity: Severity,
    /// The tool's sentence.
    pub message: String,
}

/// How bad a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Stops the build.
    Error,
    /// Does not.
    Warning,
    /// Belongs to the diagnostic before it.
    Note,
}

/// What kind of step a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKindName {
    /// A module was inserted.
    Load,
    /// A module was removed.
    Unload,
    /// A program was started in the background.
    Start,
    /// A program was run to its end.
    Exec,
    /// A started program was waited for.
    Wait,
    /// A started program was told to end.
    Stop,
}

impl From<&StepKind> for StepKindName {
    fn from(kind: &StepKind) -> Self {
        match kind {
            StepKind::Load { .. } => Self::Load,
            StepKind::Unload { .. } => Self::Unload,
            StepKind::Start { .. } => Self::Start,
            StepKind::Exec { .. } => Self::Exec,
            StepKind::Wait { .. } => Self::Wait,
            StepKind::Stop { .. } => Self::Stop,
        }
    }
}

impl StepKindName {
    /// How a step of this kind ends when nothing goes wrong.
    pub fn going_well(self) -> StepStatus {
        match self {
            Self::Start => StepStatus::Started,
            _ => StepStatus::Exited(0),
        }
    }
}

/// What became of one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The id from the exercise (`spec::exercise::Step::id`).
    pub id: String,
    /// The kind, for people who read the file.
    pub kind: StepKindName,
    /// How it ended.
    pub status: StepStatus,
    /// Standard output (lossy UTF-8, capped by the runner). For `start`: everything the program ever printed, also
    /// what came after the condition was met.
    #[serde(default)]
    pub stdout: String,
    /// Standard error, likewise. For `load` and `unload`: what the insertion said.
    #[serde(default)]
    pub stderr: String,
    /// Process id in the guest, where the runner knows it.
    #[serde(default)]
    pub pid: Option<u32>,
    /// Guest uptime at the start, microseconds, where known.
    #[serde(default)]
    pub started_us: Option<u64>,
    /// Guest uptime at the end, microseconds, where known.
    #[serde(default)]
    pub ended_us: Option<u64>,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// The program ended with this status. A `load`, `unload` or `stop` that worked is `Exited(0)`.
    /// For `start`: the program ended before its condition was met.
    Exited(i32),
    /// The program was ended by this signal (`SEGV`).
    Signaled(String),
    /// Only for `start`: the condition was met and the program went on.
    Started,
    /// The step's time limit passed first.
    TimedOut,
    /// The guest or the connection went away during the step.
    Lost,
    /// Never begun: a build or an earlier step had failed.
    NotRun,
}

/// One record of the kernel log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelRecord {
    /// Sequence number in the guest's log.
    pub seq: u64,
    /// Severity, 0 (emergency) to 7 (debug).
    pub level: u8,
    /// Guest uptime, microseconds.
    pub us: u64,
    /// The text without prefix and without the final newline.
    pub text: String,
}

/// One oops, BUG, warning, lock-up or panic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplatRecord {
    /// Kebab-case kind of the kernel log parser: `null-dereference`, `page-fault`, `warning`, `soft-lockup`, `panic` …
    pub kind: String,
    /// The headline of the report.
    pub title: String,
    /// Module of the faulting instruction, or of the topmost call-trace frame that lies in a module.
    #[serde(default)]
    pub module: Option<String>,
    /// `handler_send+0x12`.
    #[serde(default)]
    pub symbol: Option<String>,
    /// Where that is in the student's source.
    #[serde(default)]
    pub source: Option<SourceLine>,
    /// Guest uptime of the first line, microseconds.
    #[serde(default)]
    pub us: u64,
    /// The report's lines.
    #[serde(default)]
    pub text: String,
}

/// A place in a source file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceLine {
    /// Path in the workspace.
    pub file: String,
    /// From 1.
    pub line: u32,
}

/// The guest did not live to the end of the steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestLost {
    /// How it was lost.
    pub kind: GuestLostKind,
    /// For people: `kernel panic: Fatal exception in interrupt`.
    pub reason: String,
    /// The record shows that code of the student's did it: a panic or a hang of the guest's own kernel after one of the
    /// student's modules was loaded. A QEMU that was killed, or a connection that broke with the guest alive, is not.
    pub student_fault: bool,
    /// The step during which it happened.
    #[serde(default)]
    pub step: Option<String>,
}

/// How a guest can be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuestLostKind {
    /// The guest's kernel panicked.
    Panicked,
    /// The guest's kernel runs no more programs, and QEMU still runs.
    Hung,
    /// The guest powered itself off or rebooted.
    PoweredOff,
    /// QEMU ended or was killed.
    QemuExited,
    /// The connection broke although the guest lives.
    ConnectionLost,
    /// It could not be started.
    NeverReady,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_survives_its_file() {
        let mut evidence = Evidence::new("module7/exercise-b", "lesson");
        evidence.steps.push(StepRecord {
            id: "sender".to_owned(),
            kind: StepKindName::Exec,
            status: StepStatus::Signaled("SEGV".to_owned()),
            stdout: "Sending\n".to_owned(),
            stderr: String::new(),
            pid: Some(7),
            started_us: Some(1),
            ended_us: None,
        });
        let text = evidence.to_json().unwrap();
        assert_eq!(Evidence::from_json(&text).unwrap(), evidence);
    }

    #[test]
    fn another_version_is_named() {
        let error = Evidence::from_json(r#"{"version": 99, "anything": true}"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "evidence has version 99, this labctl reads version 1"
        );
    }
}
