//! Lines inside a report.

use super::code_loc::is_module_name;
use super::{CodeLoc, Frame, LinkedModule, Splat};
use crate::text::{hex, leading_decimal, leading_hex};

/// Where in its report the reader is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    trace: Trace,
    /// The registers that are being printed belong to the fault.
    registers: bool,
}

/// The first call trace is the one that counts; a report on all processors has more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Trace {
    #[default]
    Before,
    Inside,
    After,
}

/// What a line was to its report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Part,
    /// The last line.
    End,
    /// No line of this report: another's, printed in between.
    Foreign,
}

/// Takes what `text` says into the report.
pub(super) fn absorb(splat: &mut Splat, place: &mut Place, text: &str) -> Role {
    if text.starts_with("---[ end ") {
        return Role::End;
    }
    if text.starts_with(' ') && place.trace == Trace::Inside && frame(splat, place, text) {
        return Role::Part;
    }
    let part = task(splat, text)
        || instruction(splat, place, text)
        || registers(splat, place, text)
        || modules(splat, text)
        || access(splat, text)
        || trace_edge(place, text)
        || is_known(text);
    if part { Role::Part } else { Role::Foreign }
}

fn trace_edge(place: &mut Place, text: &str) -> bool {
    let is_start = text == "Call Trace:" || text == "Call trace:";
    if is_start {
        place.trace = if place.trace == Trace::Before {
            Trace::Inside
        } else {
            Trace::After
        };
        place.registers = false;
    } else if text.starts_with("Allocated by task ") || text.starts_with("Freed by task ") {
        // Histories of an object (KASAN), printed like a trace.
        place.trace = Trace::After;
    } else {
        return false;
    }
    true
}

/// ` f+0x1/0x2 [m]`, ` ? f+0x1/0x2`, ` <IRQ>` (`arch/x86/kernel/dumpstack.c`).
fn frame(splat: &mut Splat, place: &mut Place, text: &str) -> bool {
    let entry = text.trim();
    if entry == "</TASK>" {
        place.trace = Trace::After;
        return true;
    }
    if entry.starts_with('<') && entry.ends_with('>') {
        return true;
    }
    let (entry, reliable) = match entry.strip_prefix("? ") {
        Some(entry) => (entry, false),
        None => (entry, true),
    };
    // Kernels before 4.10 print the address first: `[<ffffffff81000000>] f+0x1/0x2`.
    let entry = entry
        .strip_prefix("[<")
        .and_then(|rest| rest.split_once(">] "))
        .map_or(entry, |(_, entry)| entry);
    if let Some(loc) = CodeLoc::parse(entry) {
        splat.frames.push(Frame { loc, reliable });
        return true;
    }
    // Code that has no symbol any more.
    hex(entry).is_some()
}

/// `CPU: 0 UID: 0 PID: 174 Comm: sender Tainted: G  OE  6.12.0 #1` (`dump_stack_print_info` in `lib/dump_stack.c`; no
/// `UID:` before 6.12).
fn task(splat: &mut Splat, text: &str) -> bool {
    let Some((cpu, rest)) = text.strip_prefix("CPU: ").and_then(leading_decimal::<u32>) else {
        return false;
    };
    let rest = match rest.strip_prefix(" UID: ").and_then(leading_decimal::<u32>) {
        Some((_, rest)) => rest,
        None => rest,
    };
    let Some((pid, rest)) = rest.strip_prefix(" PID: ").and_then(leading_decimal::<u32>) else {
        return false;
    };
    // The opening line of a lockup knows better than the processor that prints.
    splat.cpu.get_or_insert(cpu);
    splat.pid.get_or_insert(pid);
    let Some(rest) = rest.strip_prefix(" Comm: ") else {
        return true;
    };
    // The name is the task's to choose, but it is short, and what follows it is the kernel's.
    let end = ["Not tainted ", "Tainted: ", "Kdump: loaded "]
        .iter()
        .filter_map(|mark| rest.find(&format!(" {mark}")))
        .min()
        .unwrap_or(rest.len());
    let (comm, after) = rest.split_at(end);
    splat.comm.get_or_insert_with(|| comm.to_owned());
    if let Some((_, letters)) = after.split_once("Tainted: ")
        && splat.taint.is_empty()
    {
        let letters = letters
            .chars()
            .take_while(|c| c.is_ascii_uppercase() || *c == ' ');
        splat.taint = letters.filter(|c| *c != ' ').collect();
    }
    true
}

/// `RIP: 0010:f+0x1/0x2 [m]`, or a bare address where no symbol covers it (`show_ip`).
fn instruction(splat: &mut Splat, place: &mut Place, text: &str) -> bool {
    let Some(rest) = text.trim_start().strip_prefix("RIP: ") else {
        return false;
    };
    // The two low bits of the selector are the privilege level: a program's registers say nothing of the kernel's fault.
    let (in_kernel, at) = match rest.split_once(':') {
        Some((selector, at)) => (hex(selector).is_some_and(|selector| selector & 3 == 0), at),
        None => (true, rest),
    };
    let first = splat.rip.is_none() && splat.registers.rip.is_none();
    place.registers = in_kernel && first;
    if !in_kernel {
        return true;
    }
    let loc = CodeLoc::parse(at);
    // An interrupt's trace: what it interrupted goes on below.
    if place.trace == Trace::Inside
        && let Some(loc) = &loc
    {
        splat.frames.push(Frame {
            loc: loc.clone(),
            reliable: true,
        });
    }
    if first {
        splat.registers.rip = if loc.is_none() {
            leading_hex(at).map(|(rip, _)| rip)
        } else {
            None
        };
        splat.rip = loc;
    }
    true
}

/// `RDX: … RSI: … RDI: …` (`__show_regs` in `arch/x86/kernel/process_64.c`), `Code: …`, `CR2: …`.
fn registers(splat: &mut Splat, place: &Place, text: &str) -> bool {
    if let Some(code) = text.strip_prefix("Code: ") {
        if place.registers && splat.code.is_none() {
            splat.code = Some(code.to_owned());
        }
        return true;
    }
    const STARTS: [&str; 12] = [
        "RSP: ", "RAX: ", "RDX: ", "RBP: ", "R10: ", "R13: ", "FS:  ", "CS:  ", "CR2: ", "DR0: ", "DR3: ",
        "PKRU: ",
    ];
    if !STARTS.iter().any(|start| text.starts_with(start)) {
        return false;
    }
    let mut words = text.split_ascii_whitespace();
    while let (Some(name), Some(value)) = (words.next(), words.next()) {
        // The stack pointer comes with its segment: `RSP: 0018:ffffc900001bfd80`.
        let value = hex(value.rsplit_once(':').map_or(value, |(_, value)| value));
        let slot = match name {
            "RDI:" => &mut splat.registers.rdi,
            "RSI:" => &mut splat.registers.rsi,
            "RDX:" => &mut splat.registers.rdx,
            "RAX:" => &mut splat.registers.rax,
            "RSP:" => &mut splat.registers.rsp,
            "EFLAGS:" => {
                splat.impossible_flags |= value.is_some_and(is_impossible);
                continue;
            }
            "CR2:" => &mut splat.registers.cr2,
            _ => continue,
        };
        if place.registers && slot.is_none() {
            *slot = value;
        }
    }
    true
}

/// Bit 1 of the flags is always set; bits 3, 5, 15 and 22 to 63 never are (Intel SDM, volume 1, 3.4.3).
fn is_impossible(flags: u64) -> bool {
    const ALWAYS: u64 = 1 << 1;
    const NEVER: u64 = !0x3f_ffff | 0x8028;
    flags & ALWAYS == 0 || flags & NEVER != 0
}

/// `Modules linked in: a(OE) b [last unloaded: c(OE)]` (`print_modules` in `kernel/module/main.c`).
fn modules(splat: &mut Splat, text: &str) -> bool {
    let Some(rest) = text.strip_prefix("Modules linked in:") else {
        return false;
    };
    if !splat.modules.is_empty() || splat.last_unloaded.is_some() {
        return true;
    }
    let (list, unloaded) = match rest.split_once("[last unloaded: ") {
        Some((list, unloaded)) => (list, unloaded.split(']').next()),
        None => (rest, None),
    };
    splat.modules = list.split_ascii_whitespace().filter_map(linked_module).collect();
    splat.last_unloaded = unloaded
        .and_then(|name| linked_module(name.trim()))
        .map(|module| module.name);
    true
}

fn linked_module(word: &str) -> Option<LinkedModule> {
    let (name, taints) = match word.split_once('(') {
        Some((name, taints)) => (name, taints.strip_suffix(')')?),
        None => (word, ""),
    };
    is_module_name(name).then(|| LinkedModule {
        name: name.to_owned(),
        taints: taints.to_owned(),
    })
}

/// `#PF: supervisor write access in kernel mode` (`show_fault_oops` in `arch/x86/mm/fault.c`).
fn access(splat: &mut Splat, text: &str) -> bool {
    let Some(rest) = text.strip_prefix("#PF: ") else {
        return false;
    };
    let found = [
        (" write access", "write"),
        (" read access", "read"),
        (" instruction fetch", "fetch"),
    ];
    if let Some((_, access)) = found.iter().find(|(says, _)| rest.contains(says)) {
        splat.access.get_or_insert(*access);
    }
    true
}

/// Other lines that reports have.
fn is_known(text: &str) -> bool {
    const STARTS: [&str; 22] = [
        "Tainted: ",
        "Hardware name: ",
        "Workqueue: ",
        "Stopper: ",
        "PGD ",
        "BAD",
        "Kernel Offset: ",
        "irq event stamp: ",
        "hardirqs last ",
        "softirqs last ",
        "stack backtrace:",
        "rcu: \\t",
        "Sending NMI from CPU ",
        "NMI backtrace for cpu ",
        "task:",
        "in_atomic(): ",
        "preempt_count: ",
        "RCU nest depth: ",
        "Preemption disabled at:",
        "Mem-Info:",
        "The buggy address ",
        "================",
    ];
    STARTS.iter().any(|start| text.starts_with(start))
        || text.starts_with("note: ") && text.contains(" exited with ")
}
