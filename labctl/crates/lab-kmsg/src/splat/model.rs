//! The shape of a report.

use super::{CodeLoc, SplatKind};

/// A file and a line, as the compiler recorded them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceLine {
    pub file: String,
    pub line: u32,
}

/// One entry of the call trace, innermost first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub loc: CodeLoc,
    /// The unwinder vouches for it; without, it is an address that merely lay on the stack (`? `).
    pub reliable: bool,
}

/// A module of the `Modules linked in:` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedModule {
    pub name: String,
    /// Why it taints the kernel, in the kernel's letters: `OE` is out of tree and unsigned. Often empty.
    pub taints: String,
}

/// The registers that explain a fault, where the report has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// Only where the kernel had no symbol for it.
    pub rip: Option<u64>,
    pub rdi: Option<u64>,
    pub rsi: Option<u64>,
    pub rdx: Option<u64>,
    pub rax: Option<u64>,
    pub rsp: Option<u64>,
    /// The address of a page fault.
    pub cr2: Option<u64>,
}

/// The lines of a report: positions in the slice that was searched, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineRange {
    pub first: usize,
    pub last: usize,
}

/// One report of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splat {
    pub kind: SplatKind,
    /// The opening line, safe to show.
    pub title: String,
    /// What the kernel said just before a warning or a `BUG()`: the message of `WARN(…)`, a list corruption.
    pub detail: Vec<String>,
    pub pid: Option<u32>,
    /// The task's name. It is the task's to choose.
    pub comm: Option<String>,
    pub cpu: Option<u32>,
    /// Where the processor was; `None` too where the kernel has no symbol for it (see [`Registers::rip`]).
    pub rip: Option<CodeLoc>,
    /// The place that the opening line itself names.
    pub named: Option<CodeLoc>,
    /// The file and line that the opening line names.
    pub source: Option<SourceLine>,
    /// The module that the opening line names.
    pub named_module: Option<String>,
    /// The address that could not be accessed.
    pub address: Option<u64>,
    /// `read`, `write` or `fetch`, where a page fault says so.
    pub access: Option<&'static str>,
    pub frames: Vec<Frame>,
    pub registers: Registers,
    /// The machine code around the instruction, as printed: the faulting byte in `<>`.
    pub code: Option<String>,
    /// The kernel's taint letters at that time.
    pub taint: String,
    pub modules: Vec<LinkedModule>,
    /// The module that was unloaded last before this.
    pub last_unloaded: Option<String>,
    pub lines: LineRange,
    /// Microseconds since boot, of the opening line.
    pub ts_us: Option<u64>,
    /// The flags register shows what no processor has. Either a stack was overwritten or, where no code of anybody's can be
    /// blamed, the emulator is at fault: QEMU before 8.0 lets an interrupt after `cmpxchg16b` see a stale condition
    /// code (TCG), and the guest dies of it in many ways.
    pub impossible_flags: bool,
    /// This panic only says that an earlier report was fatal.
    pub consequence: bool,
}

impl Splat {
    /// Modules that the kernel marks as tainting, with their letters.
    pub fn tainting_modules(&self) -> impl Iterator<Item = &LinkedModule> {
        self.modules.iter().filter(|module| !module.taints.is_empty())
    }

    /// One line for a person: what, where, in which process.
    pub fn summary(&self) -> String {
        let mut out = match self.kind {
            SplatKind::Panic
            | SplatKind::BootFailure
            | SplatKind::Kprobe
            | SplatKind::ModuleLoad
            | SplatKind::BootTrouble
            | SplatKind::UserFault => return self.title.clone(),
            kind => kind.phrase().to_owned(),
        };
        if let Some(address) = self.address {
            out.push_str(&format!(" at {address:#x}"));
        }
        if let Some(loc) = self
            .blame()
            .and_then(|blame| blame.loc)
            .or_else(|| self.rip.clone())
        {
            out.push_str(&format!(" in {loc}"));
        }
        if let Some(comm) = &self.comm {
            out.push_str(&format!(", while `{comm}` was running"));
        }
        out
    }
}
