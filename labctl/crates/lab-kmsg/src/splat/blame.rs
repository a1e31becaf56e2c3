//! Whose fault a report is.

use super::{CodeLoc, Splat, SplatKind};

/// How the module was found, the surest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlameReason {
    /// The report names a place in the module.
    Named,
    /// The processor was in the module's code.
    Instruction,
    /// The innermost dependable frame in a module.
    CallTrace,
    /// The processor was where no code is any more, and this module was the last to be unloaded.
    Unloaded,
    /// Only an undependable frame points at it.
    StackLeftover,
}

/// The module to blame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blame {
    pub module: String,
    /// Where in the module; look it up with the offset as it is for [`BlameReason::Instruction`], minus one for a frame.
    pub loc: Option<CodeLoc>,
    pub reason: BlameReason,
}

/// Functions that call a probe's handler (`kernel/kprobes.c`, `arch/x86/kernel/kprobes`, `kernel/trace/rethook.c`,
/// `kernel/trace/fprobe.c`).
const PROBE_CALLERS: [&str; 11] = [
    "kprobe_ftrace_handler",
    "aggr_pre_handler",
    "aggr_post_handler",
    "opt_pre_handler",
    "optimized_callback",
    "kprobe_int3_handler",
    "kprobe_post_process",
    "pre_handler_kretprobe",
    "kretprobe_rethook_handler",
    "rethook_trampoline_handler",
    "fprobe_handler",
];

impl Splat {
    /// The module to blame, if a module is.
    pub fn blame(&self) -> Option<Blame> {
        self.named_blame()
            .or_else(|| blame_at(self.rip.as_ref(), BlameReason::Instruction))
            .or_else(|| self.frame_blame(true, BlameReason::CallTrace))
            .or_else(|| self.unloaded_blame())
            .or_else(|| self.frame_blame(false, BlameReason::StackLeftover))
    }

    /// Every module in the report's dependable places, innermost first, each once.
    pub fn modules_involved(&self) -> Vec<&str> {
        let frames = self
            .frames
            .iter()
            .filter(|frame| frame.reliable)
            .map(|frame| &frame.loc);
        let places = self.named.iter().chain(&self.rip).chain(frames);
        let mut found: Vec<&str> = Vec::new();
        for module in places.filter_map(|loc| loc.module.as_deref()) {
            if !found.contains(&module) {
                found.push(module);
            }
        }
        found
    }

    /// Whether it happened inside a probe's handler.
    pub fn in_probe_handler(&self) -> bool {
        self.frames.iter().any(|frame| {
            // Compilers append `.cold`, `.isra.0` and the like.
            let base = frame.loc.symbol.split('.').next().unwrap_or_default();
            PROBE_CALLERS.contains(&base)
        })
    }

    fn named_blame(&self) -> Option<Blame> {
        blame_at(self.named.as_ref(), BlameReason::Named).or_else(|| {
            let module = self.named_module.clone()?;
            Some(Blame {
                module,
                loc: None,
                reason: BlameReason::Named,
            })
        })
    }

    fn frame_blame(&self, reliable: bool, reason: BlameReason) -> Option<Blame> {
        self.frames
            .iter()
            .filter(|frame| frame.reliable == reliable)
            .find_map(|frame| blame_at(Some(&frame.loc), reason))
    }

    fn unloaded_blame(&self) -> Option<Blame> {
        let wild = self.rip.is_none() && self.registers.rip.is_some_and(|rip| rip != 0);
        let fault = matches!(
            self.kind,
            SplatKind::PageFault | SplatKind::Oops | SplatKind::InvalidOpcode | SplatKind::GeneralProtection
        );
        let module = self.last_unloaded.clone().filter(|_| wild && fault)?;
        Some(Blame {
            module,
            loc: None,
            reason: BlameReason::Unloaded,
        })
    }
}

fn blame_at(loc: Option<&CodeLoc>, reason: BlameReason) -> Option<Blame> {
    let loc = loc?;
    let module = loc.module.clone()?;
    Some(Blame {
        module,
        loc: Some(loc.clone()),
        reason,
    })
}
