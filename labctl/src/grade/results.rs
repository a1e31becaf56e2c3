//! What a whole `check` produced: the input of every report format.

use super::verdict::{ExerciseResult, Verdict};

/// Where the verdicts were reached, so that two machines' results can be compared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Environment {
    /// Version of labctl.
    pub labctl: String,
    /// `uname -r` of the guest.
    pub kernel: String,
    /// `sha256:…` of all inputs of the kernel.
    pub kernel_id: String,
    /// `sha256:…` of all inputs of the image.
    pub image_id: String,
    /// `kvm` or `tcg`.
    pub accel: String,
    /// Why this accelerator.
    pub accel_reason: String,
    /// Version of QEMU.
    pub qemu: String,
}

/// One exercise with the facts about its run that grading does not know.
#[derive(Debug, Clone, PartialEq)]
pub struct GradedExercise {
    /// The verdict.
    pub result: ExerciseResult,
    /// From the first build to the verdict, milliseconds.
    pub duration_ms: u64,
    /// The folder with the evidence; absent when nothing was run (a worksheet).
    pub run_dir: Option<String>,
}

/// All exercises of one `check`.
#[derive(Debug, Clone, PartialEq)]
pub struct Results {
    /// Name of the course, from `labs.yaml`.
    pub course: String,
    /// Id of the module.
    pub module: String,
    /// `lesson`, or the seed the givens were derived from.
    pub seed: String,
    /// Absent when no guest was needed.
    pub environment: Option<Environment>,
    /// In the order of the module.
    pub exercises: Vec<GradedExercise>,
}

impl Results {
    /// Points earned over all exercises.
    #[must_use]
    pub fn points(&self) -> u32 {
        self.exercises.iter().map(|exercise| exercise.result.points).sum()
    }

    /// Points there were to earn over all exercises.
    #[must_use]
    pub fn max_points(&self) -> u32 {
        self.exercises
            .iter()
            .map(|exercise| exercise.result.max_points)
            .sum()
    }

    /// One word for all exercises. What is wrong outranks a failure of ours, because running it again would not change
    /// it; unreadable input comes last, because it costs nothing.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let any = |wanted: &[Verdict]| {
            self.exercises
                .iter()
                .any(|exercise| wanted.contains(&exercise.result.verdict))
        };
        if any(&[Verdict::Failed, Verdict::Partial, Verdict::Blocked]) {
            if self.points() > 0 {
                Verdict::Partial
            } else {
                Verdict::Failed
            }
        } else if any(&[Verdict::Inconclusive]) {
            Verdict::Inconclusive
        } else if any(&[Verdict::Invalid]) {
            Verdict::Invalid
        } else {
            Verdict::Passed
        }
    }

    /// Every exercise passed.
    #[must_use]
    pub fn all_passed(&self) -> bool {
        self.exercises
            .iter()
            .all(|exercise| exercise.result.verdict == Verdict::Passed)
    }

    /// Some exercise could not be judged because the laboratory failed.
    #[must_use]
    pub fn any_inconclusive(&self) -> bool {
        self.exercises
            .iter()
            .any(|exercise| exercise.result.verdict == Verdict::Inconclusive)
    }
}
