//! From lines to reports.

use super::body::{self, Place, Role};
use super::header::{Extent, Opening, opening};
use super::model::{LineRange, Registers, Splat};
use super::{Severity, SplatKind};
use crate::line::{LogLine, Origin};

/// A report ends when so many lines in a row have nothing to do with it. Memory reports of the OOM killer have the longest
/// stretches of lines that are of no use here.
const FOREIGN_MAX: usize = 80;

/// What the kernel may print between the `cut here` line and the opening line.
const DETAIL_MAX: usize = 8;

const CUT_HERE: &str = "------------[ cut here ]------------";

/// All reports, in their order.
///
/// Lines that a process wrote to `/dev/kmsg` are never looked at; lines without a time stamp only when no line has one.
pub fn find(lines: &[LogLine]) -> Vec<Splat> {
    let any_timed = lines.iter().any(|line| line.ts_us.is_some());
    let mut search = Search::default();
    for (index, line) in lines.iter().enumerate() {
        let counts = match line.origin {
            Origin::Kernel | Origin::Console => true,
            Origin::Untimed => !any_timed,
            Origin::User => false,
        };
        if counts {
            search.line(index, line);
        }
    }
    search.close();
    search.found
}

/// The report that explains the others: the first that killed kernel code, else the first panic, else the first
/// warning.
pub fn root_cause(splats: &[Splat]) -> Option<&Splat> {
    let own = || splats.iter().filter(|splat| !splat.consequence);
    own()
        .find(|splat| splat.kind.severity() >= Severity::Oops)
        .or_else(|| {
            splats
                .iter()
                .find(|splat| splat.kind.severity() == Severity::Panic)
        })
        .or_else(|| own().find(|splat| splat.kind.severity() == Severity::Warning))
        .or_else(|| splats.first())
}

#[derive(Default)]
struct Search {
    found: Vec<Splat>,
    open: Option<Open>,
    cut: Option<Cut>,
}

struct Open {
    splat: Splat,
    place: Place,
    /// Lines since the last one of this report.
    foreign: usize,
    /// Its `[#1]` line has been seen.
    died: bool,
}

struct Cut {
    first: usize,
    detail: Vec<String>,
}

impl Search {
    fn line(&mut self, index: usize, line: &LogLine) {
        if line.text == CUT_HERE {
            self.close();
            self.cut = Some(Cut {
                first: index,
                detail: Vec::new(),
            });
            return;
        }
        match opening(&line.text) {
            Some(opening) => self.open(index, line, opening),
            None => self.body(index, line),
        }
    }

    fn open(&mut self, index: usize, line: &LogLine, opening: Opening) {
        match opening.extent {
            Extent::Die if self.goes_on(index, &opening) => return,
            // The killer's choice ends the report of what it was called for.
            Extent::Line if opening.kind == SplatKind::OutOfMemory => {
                if let Some(open) = &mut self.open
                    && open.splat.kind == SplatKind::OutOfMemory
                {
                    open.splat.lines.last = index;
                    open.splat.detail.push(line.text.clone());
                    self.close();
                    return;
                }
            }
            // One line in the middle of a report, most likely of another processor.
            Extent::Line if self.open.is_some() => {
                self.found.push(new_splat(index, line, opening, self.cut.take()));
                return;
            }
            _ => {}
        }
        self.close();
        let single = opening.extent == Extent::Line;
        let died = opening.extent == Extent::Die;
        let is_panic = opening.extent == Extent::Panic;
        let mut splat = new_splat(index, line, opening, self.cut.take());
        splat.consequence = is_panic && self.explains(&splat.title);
        self.open = Some(Open {
            splat,
            place: Place::default(),
            foreign: 0,
            died,
        });
        if single {
            self.close();
        }
    }

    /// Whether a `[#1]` line belongs to the report that is open.
    fn goes_on(&mut self, index: usize, opening: &Opening) -> bool {
        let Some(open) = &mut self.open else {
            return false;
        };
        if !open.splat.kind.is_announced() || open.died {
            return false;
        }
        open.died = true;
        open.foreign = 0;
        open.splat.lines.last = index;
        open.splat.address = open.splat.address.or(opening.address);
        true
    }

    /// Whether a panic of this title is the end of something that was reported before.
    fn explains(&self, title: &str) -> bool {
        const SAYS: [(&str, Severity); 7] = [
            ("Fatal exception", Severity::Oops),
            ("Attempted to kill init!", Severity::Oops),
            ("Aiee, killing interrupt handler!", Severity::Oops),
            ("Attempted to kill the idle task!", Severity::Oops),
            ("softlockup: hung tasks", Severity::Oops),
            ("hung_task: blocked tasks", Severity::Warning),
            ("panic_on_warn set", Severity::Warning),
        ];
        let fatal = SAYS
            .iter()
            .find(|(says, _)| title.contains(says))
            .map(|(_, least)| *least);
        let lockup = title.contains("Hard LOCKUP") || title.contains("RCU Stall");
        match fatal.or(lockup.then_some(Severity::Warning)) {
            Some(least) => self.found.iter().any(|splat| splat.kind.severity() >= least),
            None => false,
        }
    }

    fn body(&mut self, index: usize, line: &LogLine) {
        if let Some(cut) = &mut self.cut {
            if cut.detail.len() < DETAIL_MAX {
                cut.detail.push(line.text.clone());
            } else {
                self.cut = None;
            }
            return;
        }
        let Some(open) = &mut self.open else {
            return;
        };
        match body::absorb(&mut open.splat, &mut open.place, &line.text) {
            Role::Part => {
                open.splat.lines.last = index;
                open.foreign = 0;
            }
            Role::End => {
                open.splat.lines.last = index;
                self.close();
            }
            Role::Foreign => {
                open.foreign += 1;
                if open.foreign > FOREIGN_MAX {
                    self.close();
                }
            }
        }
    }

    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.found.push(open.splat);
        }
    }
}

fn new_splat(index: usize, line: &LogLine, opening: Opening, cut: Option<Cut>) -> Splat {
    let (first, detail) = match cut {
        Some(cut) => (cut.first, cut.detail),
        None => (index, Vec::new()),
    };
    Splat {
        kind: opening.kind,
        title: line.text.clone(),
        detail,
        pid: opening.pid,
        comm: opening.comm,
        cpu: opening.cpu,
        rip: None,
        named: opening.named,
        source: opening.source,
        named_module: opening.module,
        address: opening.address,
        access: None,
        frames: Vec::new(),
        registers: Registers::default(),
        code: None,
        taint: String::new(),
        modules: Vec::new(),
        last_unloaded: None,
        lines: LineRange { first, last: index },
        ts_us: line.ts_us,
        impossible_flags: false,
        consequence: false,
    }
}
