//! `facts.yaml`: what the lesson claims about the kernel, and how to ask the kernel that runs. An experiment like an exercise's, with
//! claims in the place of checks.

use super::error::SpecErrors;
use super::exercise::Exercise;
use super::expr::Expr;
use super::ids::{ModuleId, is_name};
use super::raw::{RawClaim, RawExercise, RawSurvey};
use super::text::Text;
use super::validate::{ALWAYS, Checker, Names, Surroundings};
use super::yaml::{Mapping, Source};

/// Name of the file in a module's folder.
pub const SURVEY_FILE: &str = "facts.yaml";

/// The experiment and the claims.
#[derive(Debug, Clone)]
pub struct Survey {
    /// What is run in the guest and read from it. It has no checks.
    pub experiment: Exercise,
    /// In the order of the file.
    pub claims: Vec<Claim>,
}

/// One sentence of the lesson that a kernel can be asked about.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// Unique in the file.
    pub id: String,
    /// The heading of the lesson under which it stands.
    pub heading: String,
    /// What the lesson says.
    pub lesson: String,
    /// How the kernel is asked.
    pub ask: String,
    /// Whether the kernel says so, too.
    pub holds: Expr,
    /// What the kernel says.
    pub kernel: Text,
}

/// Reads and checks `facts.yaml`.
///
/// # Errors
/// Every mistake in the file, each with its place.
pub fn survey(source: &Source, module: &ModuleId, around: &Surroundings) -> Result<Survey, SpecErrors> {
    let raw: RawSurvey = source.read()?;
    let written = raw.claims;
    let raw = RawExercise {
        id: raw.id,
        title: raw.title,
        summary: raw.summary,
        needs: raw.needs,
        layers: raw.layers,
        draw: raw.draw,
        vars: raw.vars,
        build: raw.build,
        witness: raw.witness,
        run: raw.run,
        facts: raw.facts,
        hints: Vec::new(),
        figures: Vec::new(),
        givens: Mapping::default(),
        require: Vec::new(),
        worksheet: Vec::new(),
        checks: Vec::new(),
    };
    let mut checker = Checker::new(source, &around.mistakes);
    let names = Names::of(&raw);
    let experiment = checker.exercise(raw, module, around);
    let mut claims: Vec<Claim> = Vec::new();
    for raw in written {
        if !is_name(&raw.id.value) || claims.iter().any(|claim| claim.id == raw.id.value) {
            checker.error(
                &raw.id,
                format!("`{}` is no name for a claim, or is one already", raw.id.value),
            );
        }
        claims.extend(claim(&mut checker, raw, &names));
    }
    match experiment {
        Some(experiment) => SpecErrors::check(checker.errors, Survey { experiment, claims }),
        None => SpecErrors::check(checker.errors, ()).and(Err(source.error(1, 1, "cannot be used").into())),
    }
}

fn claim(checker: &mut Checker<'_>, raw: RawClaim, names: &Names) -> Option<Claim> {
    let lists: &[&[String]] = &[&names.vars, &names.facts];
    let holds = checker.expr(&raw.holds, lists, ALWAYS);
    let kernel = checker.text(&raw.kernel, lists, ALWAYS);
    Some(Claim {
        id: raw.id.value,
        heading: raw.heading,
        lesson: raw.lesson,
        ask: raw.ask,
        holds: holds?,
        kernel: kernel?,
    })
}
