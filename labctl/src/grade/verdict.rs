//! What grading says about a student's work. Plain values: the wire shape (`labctl/result/v1`) is the
//! report's business.

use std::fmt;

/// The outcome of one check or of a whole exercise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Right, all points.
    Passed,
    /// Some points were earned and some were not.
    Partial,
    /// Wrong.
    Failed,
    /// Not judged, because a check it builds on did not pass.
    Blocked,
    /// The student's input could not be read (a typo in an answers file); costs nothing.
    Invalid,
    /// The laboratory failed, not the student; costs nothing and may be run again.
    Inconclusive,
}

impl Verdict {
    /// The name in every output format: `passed`, `partial`, `failed`, `blocked`, `invalid`, `inconclusive`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Blocked => "blocked",
            Self::Invalid => "invalid",
            Self::Inconclusive => "inconclusive",
        }
    }

    /// The verdict with this name (the inverse of [`Verdict::as_str`]).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "passed" => Self::Passed,
            "partial" => Self::Partial,
            "failed" => Self::Failed,
            "blocked" => Self::Blocked,
            "invalid" => Self::Invalid,
            "inconclusive" => Self::Inconclusive,
            _ => return None,
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The result of one check: a worksheet blank, a rule over the evidence, or a built-in root check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckResult {
    /// Unique within the exercise, kebab-case: `same-kernel-address`, `send_trace-builds`.
    pub id: String,
    /// Its place among the checks of the exercise, from 0: results are told with the root cause first.
    pub position: usize,
    /// What is checked, for people.
    pub title: String,
    /// `Partial` only for checks that give partial credit.
    pub verdict: Verdict,
    /// `0..=max_points`.
    pub points: u32,
    /// 0 for checks that only guard others.
    pub max_points: u32,
    /// What was seen, in a sentence; for a passed check what was proved.
    pub message: String,
    /// What a right answer or trace shows. Absent where that would give the worksheet's key away.
    pub expected: Option<String>,
    /// What the student's work shows.
    pub actual: Option<String>,
    /// The id of the predicted mistake that explains the failure.
    pub mistake: Option<String>,
    /// What to try next.
    pub help: Option<String>,
    /// The check that did not pass, when `verdict` is `Blocked`: the root cause, not merely the parent.
    pub blocked_by: Option<String>,
}

/// A place in the student's source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingSource {
    /// Path in the workspace, `src/send_trace.c`.
    pub file: String,
    /// From 1.
    pub line: u32,
}

/// Something the evidence shows about the student's work that is worth its own paragraph: a kernel splat, a compiler
/// error, a lost guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Kebab-case: `compile-error`, or the kind the kernel log parser gave (`null-dereference`, `soft-lockup` …).
    pub kind: String,
    /// One line for people.
    pub title: String,
    /// The kernel module or program it is about.
    pub module: Option<String>,
    /// Function (and offset) in which it happened.
    pub symbol: Option<String>,
    /// The line in the student's source, where it is known.
    pub source: Option<FindingSource>,
    /// The recorded lines behind it.
    pub text: String,
}

/// A table of what was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Kebab-case; also the name of the chart's file.
    pub id: String,
    /// For people.
    pub title: String,
    /// Headings.
    pub columns: Vec<String>,
    /// As many cells each as there are headings; the first names the row.
    pub rows: Vec<Vec<String>>,
    /// The column that is drawn as bars.
    pub plot: Option<usize>,
    /// Its numbers, not negative, one for each row; empty without `plot`.
    pub bars: Vec<f64>,
}

/// The graded exercise.
#[derive(Debug, Clone, PartialEq)]
pub struct ExerciseResult {
    /// `exercise-b`.
    pub id: String,
    /// For people.
    pub title: String,
    /// See [`Verdict`]; `Blocked` never occurs here.
    pub verdict: Verdict,
    /// Sum over `checks`.
    pub points: u32,
    /// Sum over `checks`.
    pub max_points: u32,
    /// The root cause first when something failed; otherwise in the order of the exercise.
    pub checks: Vec<CheckResult>,
    /// In the order in which they happened.
    pub findings: Vec<Finding>,
    /// What was measured, in the order of the exercise.
    pub figures: Vec<Figure>,
}

impl ExerciseResult {
    /// The first check that explains why the exercise was not passed.
    #[must_use]
    pub fn root_cause(&self) -> Option<&CheckResult> {
        self.checks
            .iter()
            .find(|check| !matches!(check.verdict, Verdict::Passed | Verdict::Blocked))
    }
}
