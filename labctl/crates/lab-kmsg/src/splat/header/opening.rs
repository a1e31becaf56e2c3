//! What an opening line says.

use super::{fault, refusal, report};
use crate::splat::{CodeLoc, SourceLine, SplatKind as Kind};
use crate::text::leading_decimal;

/// What an opening line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opening {
    pub(crate) kind: Kind,
    pub(in crate::splat) extent: Extent,
    pub(in crate::splat) named: Option<CodeLoc>,
    pub(in crate::splat) source: Option<SourceLine>,
    pub(in crate::splat) module: Option<String>,
    pub(in crate::splat) cpu: Option<u32>,
    pub(in crate::splat) pid: Option<u32>,
    pub(in crate::splat) comm: Option<String>,
    pub(in crate::splat) address: Option<u64>,
}

/// How far a report reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::splat) enum Extent {
    /// The opening line is all.
    Line,
    /// More lines follow.
    Block,
    /// `Oops: … [#1]` (`__die_header` in `arch/x86/kernel/dumpstack.c`): goes on with a fault or `BUG()` that was just
    /// announced, else opens a block itself.
    Die,
    /// A panic, which often only ends what an earlier report began.
    Panic,
}

impl Opening {
    /// Whether this is a `[#1]` line, which goes on with a fault that was announced.
    pub(crate) fn goes_on(&self) -> bool {
        self.extent == Extent::Die
    }

    pub(super) fn new(kind: Kind, extent: Extent) -> Self {
        Self {
            kind,
            extent,
            named: None,
            source: None,
            module: None,
            cpu: None,
            pid: None,
            comm: None,
            address: None,
        }
    }

    pub(super) fn block(kind: Kind) -> Self {
        Self::new(kind, Extent::Block)
    }

    pub(super) fn line(kind: Kind) -> Self {
        Self::new(kind, Extent::Line)
    }

    pub(super) fn task(mut self, comm: &str, pid: Option<u32>) -> Self {
        self.comm = Some(comm.to_owned());
        self.pid = pid;
        self
    }

    pub(super) fn source(mut self, text: &str) -> Self {
        self.source = source_line(text);
        self
    }

    pub(super) fn module(mut self, name: &str) -> Self {
        self.module = Some(name.to_owned());
        self
    }
}

/// Recognises an opening line.
pub(crate) fn opening(text: &str) -> Option<Opening> {
    let first = *text.as_bytes().first()?;
    // Call traces, register dumps and most ordinary output end here.
    if first == b' ' {
        return None;
    }
    fault::opening(text)
        .or_else(|| report::opening(text))
        .or_else(|| refusal::opening(text))
}

/// Reads `path/file.c:34`, alone or followed by `!`, a space, or a column.
fn source_line(text: &str) -> Option<SourceLine> {
    let (file, rest) = text.split_once(':')?;
    let (line, _) = leading_decimal(rest)?;
    let plausible = !file.is_empty() && !file.contains(' ');
    plausible.then(|| SourceLine {
        file: file.to_owned(),
        line,
    })
}

/// What follows `file.c:34 `, or all of `text` when it does not start with a file.
pub(super) fn skip_source(text: &str) -> &str {
    match text.split_once(' ') {
        Some((file, rest)) if source_line(file).is_some() => rest,
        _ => text,
    }
}
