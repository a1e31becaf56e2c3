//! Did the student's code hurt the kernel? Splats and lost guests, and whose they are.

use super::evidence::{Evidence, GuestLost, GuestLostKind, SplatRecord, StepStatus};
use super::verdict::{Finding, FindingSource};
use crate::spec::exercise::{ArtefactKind, Exercise, ModuleRef, StepKind};

/// Kinds of the kernel log parser that are no damage to the kernel: a program's own fault, a refused module, boot noise.
const HARMLESS: &[&str] = &["user-fault", "module-load", "boot-trouble"];

/// What the record shows about the kernel's health.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Health<'e> {
    /// Nothing happened.
    Well,
    /// A splat whose code or call trace lies in one of the student's modules.
    HurtBy(&'e SplatRecord),
    /// The guest was lost through the student's code, without a splat that says more.
    LostBy(&'e GuestLost),
    /// Inserting one of the student's modules never returned; the id of the step.
    HangsIn(&'e str),
    /// A splat that nothing ties to the student's code, in a run that did not complete.
    Unexplained(&'e SplatRecord),
}

pub(super) fn examine<'e>(exercise: &'e Exercise, evidence: &'e Evidence) -> Health<'e> {
    let splats = || {
        evidence
            .splats
            .iter()
            .filter(|splat| !HARMLESS.contains(&splat.kind.as_str()))
    };
    let first = splats().find(|splat| is_students(exercise, splat));
    if let Some(splat) = first.filter(|splat| !is_stall(splat)) {
        return Health::HurtBy(splat);
    }
    // Whether the watchdog had time to complain about a module that never returns, and to end the guest, is chance: the
    // step says it always.
    let hanging = exercise.run.iter().find(|step| {
        let status = evidence.step(&step.id).map(|record| &record.status);
        let ended = match status {
            Some(StepStatus::TimedOut) => true,
            Some(StepStatus::Lost) => first.is_some(),
            _ => false,
        };
        ended
            && matches!(
                &step.kind,
                StepKind::Load {
                    module: ModuleRef::Student(_),
                    ..
                }
            )
    });
    if let Some(step) = hanging {
        return Health::HangsIn(&step.id);
    }
    if let Some(splat) = first {
        return Health::HurtBy(splat);
    }
    if let Some(lost) = evidence.guest_lost.as_ref().filter(|lost| lost.student_fault) {
        return Health::LostBy(lost);
    }
    let incomplete =
        evidence.guest_lost.is_some() || evidence.steps.iter().any(|step| !step.status.is_success());
    match splats().next() {
        Some(splat) if incomplete => Health::Unexplained(splat),
        _ => Health::Well,
    }
}

impl Health<'_> {
    /// The student's code took the kernel down.
    pub(super) fn is_crash(&self) -> bool {
        matches!(self, Self::HurtBy(_) | Self::LostBy(_) | Self::HangsIn(_))
    }
}

/// The student's module is where it happened, or is in the call trace (`handler_send+0x12/0x40 [send_trace]`).
fn is_students(exercise: &Exercise, splat: &SplatRecord) -> bool {
    let modules = || {
        exercise
            .build
            .iter()
            .filter(|artefact| artefact.kind == ArtefactKind::Module)
    };
    match &splat.module {
        Some(module) => modules().any(|artefact| artefact.name == *module),
        None => modules().any(|artefact| splat.text.contains(&format!("[{}]", artefact.name))),
    }
}

fn is_stall(splat: &SplatRecord) -> bool {
    matches!(
        splat.kind.as_str(),
        "soft-lockup" | "hard-lockup" | "rcu-stall" | "hung-task"
    )
}

impl StepStatus {
    /// The step did what it was meant to do.
    #[must_use]
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Exited(0) | Self::Started)
    }
}

/// One sentence about a splat: what, where, which line.
pub(super) fn sentence(splat: &SplatRecord) -> String {
    let mut out = splat.title.clone();
    let function = |symbol: &str| symbol.split('+').next().unwrap_or(symbol).to_owned();
    if let Some(symbol) = splat
        .symbol
        .as_ref()
        .filter(|symbol| !splat.title.contains(&function(symbol)))
    {
        out.push_str(&format!(", in {symbol}"));
        if let Some(module) = &splat.module {
            out.push_str(&format!(" of {module}"));
        }
    }
    if let Some(source) = &splat.source {
        out.push_str(&format!(" ({}:{})", source.file, source.line));
    }
    out
}

/// The findings about the kernel, in the order in which they happened.
pub(super) fn findings(exercise: &Exercise, evidence: &Evidence) -> Vec<Finding> {
    let mut findings: Vec<Finding> = evidence
        .splats
        .iter()
        .filter(|splat| is_students(exercise, splat))
        .map(|splat| Finding {
            kind: splat.kind.clone(),
            title: splat.title.clone(),
            module: splat.module.clone(),
            symbol: splat.symbol.clone(),
            source: splat.source.as_ref().map(|source| FindingSource {
                file: source.file.clone(),
                line: source.line,
            }),
            text: splat.text.clone(),
        })
        .collect();
    let lost = evidence.guest_lost.as_ref().filter(|lost| lost.student_fault);
    if let (true, Some(lost)) = (findings.is_empty(), lost) {
        let kind = match lost.kind {
            GuestLostKind::Panicked => "panic",
            GuestLostKind::Hung => "hang",
            _ => "guest-lost",
        };
        findings.push(Finding {
            kind: kind.to_owned(),
            title: lost.reason.clone(),
            module: None,
            symbol: None,
            source: None,
            text: String::new(),
        });
    }
    findings
}
