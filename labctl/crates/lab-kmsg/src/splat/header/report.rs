//! What the kernel finds and survives: warnings, locking errors, stalls, exhausted memory, crashed programs.

use super::Opening;
use super::opening::skip_source;
use crate::splat::{CodeLoc, SplatKind as Kind};
use crate::text::{decimal, leading_decimal, leading_hex};

pub(super) fn opening(text: &str) -> Option<Opening> {
    warning(text)
        .or_else(|| stall(text))
        .or_else(|| memory(text))
        .or_else(|| user_fault(text))
}

fn warning(text: &str) -> Option<Opening> {
    if text.starts_with("[ BUG: Invalid wait context ]") {
        return Some(Opening::block(Kind::Lockdep));
    }
    if let Some(rest) = text.strip_prefix("UBSAN: ") {
        let (_, place) = rest.rsplit_once(" in ")?;
        return Some(Opening::block(Kind::Ubsan).source(place));
    }
    let what = text.strip_prefix("WARNING: ")?;
    if is_lockdep(what) {
        return Some(Opening::block(Kind::Lockdep));
    }
    numbered_warning(what).or_else(|| placed_warning(what))
}

/// `CPU: 0 PID: 12 at file.c:34 f+0x1/0x2 [m]` (`__warn` in `kernel/panic.c`).
fn numbered_warning(what: &str) -> Option<Opening> {
    let (cpu, rest) = leading_decimal(what.strip_prefix("CPU: ")?)?;
    let (pid, rest) = leading_decimal(rest.strip_prefix(" PID: ")?)?;
    let place = rest.strip_prefix(" at ")?;
    let mut opening = Opening::block(Kind::Warning).source(place);
    opening.cpu = Some(cpu);
    opening.pid = Some(pid);
    opening.named = CodeLoc::parse(place.rsplit_once(' ').map_or(place, |_| skip_source(place)));
    Some(opening)
}

/// `file.c:34 at f+0x1/0x2 [m], CPU#0: comm/12`, as kernels from 6.18 on say it; `[condition] ` may come first.
fn placed_warning(what: &str) -> Option<Opening> {
    let (place, task) = what.rsplit_once(", CPU#")?;
    let (source, at) = place
        .rsplit_once(" at ")
        .map_or(("", place), |(source, at)| (source, at));
    let source = source.rsplit_once("] ").map_or(source, |(_, source)| source);
    let (cpu, task) = leading_decimal(task)?;
    let mut opening = Opening::block(Kind::Warning).source(source);
    opening.named = CodeLoc::parse(at);
    opening.cpu = Some(cpu);
    match task.strip_prefix(": ").and_then(|task| task.rsplit_once('/')) {
        Some((comm, pid)) => Some(opening.task(comm, decimal(pid))),
        None => Some(opening),
    }
}

/// `kernel/locking/lockdep.c`.
fn is_lockdep(what: &str) -> bool {
    const STARTS: [&str; 11] = [
        "possible circular locking dependency detected",
        "possible recursive locking detected",
        "possible irq lock inversion dependency detected",
        "inconsistent lock state",
        "suspicious RCU usage",
        "bad unlock balance detected!",
        "bad contention detected!",
        "held lock freed!",
        "Nested lock was not taken",
        "lock held when returning to user space!",
        "chain_key collision",
    ];
    STARTS.iter().any(|start| what.starts_with(start))
        || what.ends_with(" lock order detected")
        || what.ends_with(" still has locks held!")
}

/// `kernel/rcu/tree_stall.h`, `kernel/hung_task.c`, `kernel/watchdog.c`.
fn stall(text: &str) -> Option<Opening> {
    if let Some((_, cpu)) = text.split_once("atchdog detected hard LOCKUP on cpu ") {
        let mut opening = Opening::block(Kind::HardLockup);
        opening.cpu = leading_decimal(cpu).map(|(cpu, _)| cpu);
        return Some(opening);
    }
    let what = text
        .strip_prefix("rcu: ")
        .unwrap_or(text)
        .strip_prefix("INFO: ")?;
    if what.starts_with("rcu") && what.contains(" stall") {
        return Some(Opening::block(Kind::RcuStall));
    }
    if let Some((task, _)) = what
        .strip_prefix("task ")
        .and_then(|rest| rest.split_once(" blocked "))
    {
        let (comm, pid) = task.rsplit_once(':')?;
        return Some(Opening::block(Kind::HungTask).task(comm, decimal(pid)));
    }
    what.starts_with("trying to register non-static key")
        .then(|| Opening::block(Kind::Lockdep))
}

/// `mm/oom_kill.c`.
fn memory(text: &str) -> Option<Opening> {
    if let Some((comm, _)) = text.split_once(" invoked oom-killer: gfp_mask=") {
        return Some(Opening::block(Kind::OutOfMemory).task(comm, None));
    }
    let rest = text
        .strip_prefix("Out of memory: Killed process ")
        .or_else(|| text.strip_prefix("Memory cgroup out of memory: Killed process "))?;
    let (pid, rest) = leading_decimal(rest)?;
    let (comm, _) = rest.strip_prefix(" (")?.split_once(") ")?;
    Some(Opening::line(Kind::OutOfMemory).task(comm, Some(pid)))
}

/// `sender[12]: segfault at 0 ip …` and `traps: sender[12] general protection fault ip:…` (`arch/x86/mm/fault.c`,
/// `arch/x86/kernel/traps.c`).
fn user_fault(text: &str) -> Option<Opening> {
    let (task, address) = if let Some((task, rest)) = text.split_once("]: segfault at ") {
        (task, leading_hex(rest).map(|(address, _)| address))
    } else {
        let (task, rest) = text.strip_prefix("traps: ")?.split_once("] ")?;
        rest.contains(" ip:").then_some((task, None))?
    };
    let (comm, pid) = task.rsplit_once('[')?;
    let mut opening = Opening::line(Kind::UserFault).task(comm, Some(decimal(pid)?));
    opening.address = address;
    Some(opening)
}
