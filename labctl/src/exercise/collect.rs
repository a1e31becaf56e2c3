//! From logs to splats: what the kernel reported in this run, in whose module, and at which line of whose source.

use std::collections::BTreeMap;
use std::path::PathBuf;

use lab_kmsg::splat::{self, Splat};
use lab_kmsg::{BlameReason, LogLine, Severity, console};

use super::window::Window;
use crate::cbuild::{CodeAddress, CompileError, Compiler};
use crate::grade::evidence::{GuestLost, GuestLostKind, SourceLine, SplatRecord};
use crate::supervise::Cancel;
use crate::vm::{Ended, PanicInfo, PowerCause, RunState};

/// A report's text in the evidence is capped: a flood of warnings must not be kept a thousand times over.
const TEXT: usize = 16 << 10;
const SPLATS: usize = 32;

/// Finds every report of the run. A guest that panicked had no time to pass its last records on, but prints them on
/// the console; one that lives has all of them in the log, and only the loud ones on the console.
///
/// `is_students` knows the modules that were built from the student's sources: a report that blames one is kept however
/// many there are of others.
pub(super) fn splats(
    window: &Window,
    console_bytes: &[u8],
    panicked: bool,
    is_students: impl Fn(&str) -> bool,
) -> Vec<Found> {
    let console_lines = || -> Vec<LogLine> {
        let mut lines = console::parse(console_bytes);
        lines.retain(|line| {
            line.ts_us
                .zip(window.begin_us)
                .is_none_or(|(at, begin)| at >= begin)
        });
        lines
    };
    let lines = if panicked {
        console_lines()
    } else {
        window.lines.clone()
    };
    let mut found = splat::find(&lines);
    found.retain(|splat| splat.kind.severity() != Severity::Notice);
    found.sort_by_cached_key(|splat| !splat.blame().is_some_and(|blame| is_students(&blame.module)));
    found.truncate(SPLATS);
    found.sort_by_key(|splat| splat.lines.first);
    found
        .into_iter()
        .map(|splat| {
            let mut text: String = lines[splat.lines.first..=splat.lines.last]
                .iter()
                .map(|line| format!("{}\n", line.text))
                .collect();
            let cut = (0..=TEXT.min(text.len()))
                .rev()
                .find(|at| text.is_char_boundary(*at))
                .unwrap_or(0);
            text.truncate(cut);
            Found { splat, text }
        })
        .collect()
}

/// A report with its lines.
pub(super) struct Found {
    splat: Splat,
    text: String,
}

/// Turns reports into evidence, with the line of source where a student's module is to blame. Blocking.
pub(super) fn symbolise(
    found: Vec<Found>,
    modules: &BTreeMap<String, PathBuf>,
    compiler: &Compiler,
    cancel: &Cancel,
) -> Result<Vec<SplatRecord>, CompileError> {
    found
        .into_iter()
        .map(|Found { splat, text }| {
            let blame = splat.blame();
            let module = blame.as_ref().map(|blame| blame.module.clone());
            let loc = blame.as_ref().and_then(|blame| blame.loc.as_ref());
            let source = match (loc, module.as_ref().and_then(|name| modules.get(name))) {
                (Some(loc), Some(ko)) => {
                    let address = CodeAddress {
                        symbol: loc.symbol.clone(),
                        offset: loc.offset,
                        size: Some(loc.size),
                        is_return_address: blame.as_ref().is_some_and(|blame| {
                            matches!(blame.reason, BlameReason::CallTrace | BlameReason::StackLeftover)
                        }),
                    };
                    let resolved = compiler.symbolise(ko, &[address], cancel)?;
                    resolved
                        .first()
                        .and_then(|resolved| resolved.student_frame())
                        .map(|frame| SourceLine {
                            file: frame.file.clone(),
                            line: frame.line,
                        })
                }
                _ => None,
            };
            Ok(SplatRecord {
                kind: splat.kind.as_str().to_owned(),
                title: splat.summary(),
                symbol: loc.map(|loc| format!("{}+{:#x}", loc.symbol, loc.offset)),
                module,
                source,
                us: splat.ts_us.unwrap_or(0),
                text,
            })
        })
        .collect()
}

/// How a guest was lost, and whether the record says that the student's code did it. `student_ran` says whether any
/// module or program of theirs had been started by then.
pub(super) fn lost(ended: Option<&Ended>, step: &str, student_ran: bool) -> GuestLost {
    let (kind, reason, guests_own_doing) = match ended {
        None => (
            GuestLostKind::Hung,
            "the guest no longer answers".to_owned(),
            true,
        ),
        Some(ended) => match (&ended.state, ended.state.panic()) {
            (_, Some(PanicInfo::Kernel { reason })) => {
                (GuestLostKind::Panicked, format!("kernel panic: {reason}"), true)
            }
            (_, Some(_)) => (
                GuestLostKind::Panicked,
                "the guest's kernel panicked".to_owned(),
                true,
            ),
            (
                RunState::PoweredOff(cause)
                | RunState::Gone {
                    power: Some(cause), ..
                },
                None,
            ) => match cause {
                PowerCause::Guest | PowerCause::GuestReset => (
                    GuestLostKind::PoweredOff,
                    "the guest switched itself off".to_owned(),
                    true,
                ),
                PowerCause::Host => (
                    GuestLostKind::QemuExited,
                    "QEMU was told to quit".to_owned(),
                    false,
                ),
            },
            (RunState::Gone { .. }, None) => (GuestLostKind::QemuExited, ended.to_string(), false),
            (RunState::Booting | RunState::Running | RunState::Alarmed(_), None) => (
                GuestLostKind::ConnectionLost,
                "the connection to the guest broke".to_owned(),
                false,
            ),
            (RunState::Panicked(_), None) => (
                GuestLostKind::Panicked,
                "the guest's kernel panicked".to_owned(),
                true,
            ),
        },
    };
    GuestLost {
        kind,
        reason,
        student_fault: guests_own_doing && student_ran,
        step: Some(step.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The console of a kernel that warned once, on behalf of the module `send_trace`.
    const WARNING: &[u8] = include_bytes!("../../tests/corpus/warn-lab-6.12.console");

    #[test]
    fn the_students_report_is_not_lost_among_others() {
        let text = String::from_utf8_lossy(WARNING).into_owned();
        let students = splats(&Window::default(), WARNING, true, |_| true);
        let blamed = students[0].splat.blame().unwrap().module;
        let others = text.replace(&blamed, "somebody_else").repeat(2 * SPLATS);
        let console = others + &text;
        let kept = splats(&Window::default(), console.as_bytes(), true, |module| {
            module == blamed
        });
        assert_eq!(kept.len(), SPLATS);
        let last = kept.last().unwrap().splat.blame().unwrap();
        assert_eq!(last.module, blamed);
    }

    #[test]
    fn a_report_is_quoted_from_its_first_line_also_when_others_came_before_the_run() {
        let whole = &splats(&Window::default(), WARNING, true, |_| true)[0].text;
        let window = Window {
            begin_us: Some(12_000_000),
            ..Window::default()
        };
        let cut = &splats(&window, WARNING, true, |_| true)[0].text;
        assert!(
            cut.starts_with("------------[ cut here ]------------\nWARNING: CPU: 1"),
            "{cut}"
        );
        assert_eq!(cut, whole);
    }
}
