//! What came of a class: one row for every student, whatever happened.

use crate::grade::results::Results;
use crate::grade::verdict::Verdict;

/// All rows, in the order of the list.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassResults {
    /// Name of the course.
    pub course: String,
    /// Id of the module.
    pub module: String,
    /// The columns, in the order of the module.
    pub exercises: Vec<ClassExercise>,
    pub rows: Vec<Row>,
}

/// One exercise of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassExercise {
    pub id: String,
    pub title: String,
    pub max_points: u32,
}

/// Where a student stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// There are verdicts.
    Graded,
    /// What was handed in could not be read.
    Refused,
    /// Nothing was handed in.
    Missing,
}

impl Standing {
    /// `graded`, `refused`, `missing`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Graded => "graded",
            Self::Refused => "refused",
            Self::Missing => "missing",
        }
    }
}

/// One student.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub id: String,
    pub name: String,
    pub email: String,
    pub section: String,
    pub standing: Standing,
    /// Whether a list names this student; without a list everybody is.
    pub listed: bool,
    /// The same however often it is graded: what was passed over, why it was refused.
    pub notes: Vec<String>,
    /// Of a graded row.
    pub results: Option<Results>,
}

/// What a cell of the table says of one exercise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Graded {
    pub verdict: Verdict,
    /// Nothing where the laboratory failed: that is nobody's zero.
    pub points: Option<u32>,
}

impl Row {
    /// The verdict of one exercise; nothing for a row that was not graded.
    #[must_use]
    pub fn cell(&self, exercise: &str) -> Option<Graded> {
        let results = self.results.as_ref()?;
        let found = results.exercises.iter().find(|one| one.result.id == exercise)?;
        let verdict = found.result.verdict;
        Some(Graded {
            verdict,
            points: (verdict != Verdict::Inconclusive).then_some(found.result.points),
        })
    }

    /// All points; nothing while an exercise is inconclusive. A row without verdicts has none.
    #[must_use]
    pub fn points(&self) -> Option<u32> {
        match &self.results {
            Some(results) if results.any_inconclusive() => None,
            Some(results) => Some(results.points()),
            None => Some(0),
        }
    }

    /// The laboratory failed for some exercise.
    #[must_use]
    pub fn is_inconclusive(&self) -> bool {
        self.results.as_ref().is_some_and(Results::any_inconclusive)
    }

    /// The mistakes that were recognised, as `exercise: id`, each once, in the order of the checks.
    #[must_use]
    pub fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        for exercise in self.results.iter().flat_map(|results| &results.exercises) {
            for check in &exercise.result.checks {
                if let Some(mistake) = &check.mistake {
                    let text = format!("{}: {mistake}", exercise.result.id);
                    if !mistakes.contains(&text) {
                        mistakes.push(text);
                    }
                }
            }
        }
        mistakes
    }
}

impl ClassResults {
    /// Points that there are to earn.
    #[must_use]
    pub fn max_points(&self) -> u32 {
        self.exercises.iter().map(|exercise| exercise.max_points).sum()
    }

    /// Rows that the laboratory failed for.
    #[must_use]
    pub fn inconclusive(&self) -> Vec<&Row> {
        self.rows.iter().filter(|row| row.is_inconclusive()).collect()
    }
}
