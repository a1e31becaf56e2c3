//! What a kernel says about the lesson's claims: evidence in, answers out.

use super::evaluate::GradeError;
use super::evidence::Evidence;
use super::scope;
use crate::spec::survey::Survey;

/// A claim and the kernel's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    pub id: String,
    /// The heading of the lesson under which the claim stands.
    pub heading: String,
    /// What the lesson says.
    pub lesson: String,
    /// How the kernel was asked.
    pub ask: String,
    /// What the kernel says.
    pub kernel: String,
    /// Whether that is what the lesson says.
    pub holds: bool,
}

/// Confronts every claim with the evidence, in the order of the file.
///
/// # Errors
/// When a rule of the course cannot be evaluated on this evidence.
pub fn answer(survey: &Survey, evidence: &Evidence) -> Result<Vec<Answered>, GradeError> {
    let (scope, _) = scope::of(&survey.experiment, evidence, None)?;
    let mut answered = Vec::new();
    for claim in &survey.claims {
        answered.push(Answered {
            id: claim.id.clone(),
            heading: claim.heading.clone(),
            lesson: claim.lesson.clone(),
            ask: claim.ask.clone(),
            kernel: claim.kernel.render(&scope)?,
            holds: claim.holds.holds(&scope)?,
        });
    }
    Ok(answered)
}
