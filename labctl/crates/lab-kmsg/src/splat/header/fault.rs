//! Faults of kernel code: exceptions, `BUG()`, panics, and what starts with `BUG: `.

use super::{Extent, Opening};
use crate::splat::{CodeLoc, SplatKind as Kind};
use crate::text::{between, decimal, hex, leading_decimal, leading_hex};

pub(super) fn opening(text: &str) -> Option<Opening> {
    die(text).or_else(|| panic(text)).or_else(|| bug(text))
}

/// `general protection fault, probably for …: 0000 [#1] PREEMPT SMP`, since 6.10 with `Oops: ` before it.
fn die(text: &str) -> Option<Opening> {
    let (before, after) = text.split_once(" [#")?;
    leading_decimal::<u32>(after).filter(|(_, rest)| rest.starts_with(']'))?;
    let (what, code) = before.rsplit_once(": ")?;
    if code.len() < 4 {
        return None;
    }
    hex(code)?;
    let what = what.strip_prefix("Oops: ").unwrap_or(what);
    let kind = match what {
        "invalid opcode" => Kind::InvalidOpcode,
        "divide error" => Kind::DivideError,
        "double fault" => Kind::DoubleFault,
        _ if what.starts_with("general protection fault") => Kind::GeneralProtection,
        _ if what.starts_with("stack guard page") || what.starts_with("kernel stack overflow") => {
            Kind::StackOverflow
        }
        _ => Kind::Oops,
    };
    let mut opening = Opening::new(kind, Extent::Die);
    opening.address = what
        .split_once(" address ")
        .and_then(|(_, rest)| leading_hex(rest))
        .map(|(address, _)| address);
    Some(opening)
}

/// `kernel/panic.c`, `init/main.c`, `init/do_mounts.c`.
fn panic(text: &str) -> Option<Opening> {
    if text.starts_with("PANIC: double fault") {
        return Some(Opening::block(Kind::DoubleFault));
    }
    let reason = text.strip_prefix("Kernel panic - not syncing: ")?;
    let mut opening = Opening::new(Kind::Panic, Extent::Panic);
    if let Some(place) = reason.strip_prefix("stack-protector: Kernel stack is corrupted in: ") {
        opening.kind = Kind::StackProtector;
        opening.named = CodeLoc::parse(place);
    } else if is_boot_failure(reason) {
        opening.kind = Kind::BootFailure;
    }
    Some(opening)
}

fn is_boot_failure(reason: &str) -> bool {
    const STARTS: [&str; 7] = [
        "VFS: Unable to mount root fs",
        "No working init found",
        "No init found",
        "Requested init ",
        "Attempted to kill init!",
        "Could not decompress initial ramdisk image",
        "Couldn't open N_TTY ldisc",
    ];
    STARTS.iter().any(|start| reason.starts_with(start))
}

fn bug(text: &str) -> Option<Opening> {
    if let Some(place) = text
        .strip_prefix("kernel BUG at ")
        .or_else(|| text.strip_prefix("Kernel BUG at "))
    {
        let mut opening = Opening::block(Kind::KernelBug).source(place);
        opening.named = CodeLoc::parse(place);
        return Some(opening);
    }
    let what = text
        .strip_prefix("BUG: ")
        .or_else(|| text.strip_prefix("watchdog: BUG: "))?;
    page_fault(what)
        .or_else(|| sanitizer(what))
        .or_else(|| soft_lockup(what))
        .or_else(|| atomic(what))
        .or_else(|| misuse(what))
}

/// `show_fault_oops` in `arch/x86/mm/fault.c`; the older wording is that of kernels before 5.1.
fn page_fault(what: &str) -> Option<Opening> {
    const STARTS: [(&str, Kind); 4] = [
        (
            "kernel NULL pointer dereference, address: ",
            Kind::NullDereference,
        ),
        ("unable to handle page fault for address: ", Kind::PageFault),
        (
            "unable to handle kernel NULL pointer dereference at ",
            Kind::NullDereference,
        ),
        ("unable to handle kernel paging request at ", Kind::PageFault),
    ];
    let (rest, kind) = STARTS
        .iter()
        .find_map(|(start, kind)| Some((what.strip_prefix(start)?, *kind)))?;
    let mut opening = Opening::block(kind);
    opening.address = leading_hex(rest).map(|(address, _)| address);
    Some(opening)
}

/// `KASAN: slab-out-of-bounds in f+0x1/0x2 [m]` and its relatives (`mm/kasan/report.c`, `mm/kfence/report.c`).
fn sanitizer(what: &str) -> Option<Opening> {
    const NAMES: [(&str, Kind); 4] = [
        ("KASAN: ", Kind::Kasan),
        ("KFENCE: ", Kind::Kfence),
        ("KCSAN: ", Kind::Kcsan),
        ("KMSAN: ", Kind::Kmsan),
    ];
    let (rest, kind) = NAMES
        .iter()
        .find_map(|(name, kind)| Some((what.strip_prefix(name)?, *kind)))?;
    let mut opening = Opening::block(kind);
    opening.named = rest
        .split_once(" in ")
        .and_then(|(_, place)| CodeLoc::parse(place));
    Some(opening)
}

/// `soft lockup - CPU#0 stuck for 22s! [insmod:123]` (`kernel/watchdog.c`).
fn soft_lockup(what: &str) -> Option<Opening> {
    let rest = what.strip_prefix("soft lockup - CPU#")?;
    let mut opening = Opening::block(Kind::SoftLockup);
    opening.cpu = leading_decimal(rest).map(|(cpu, _)| cpu);
    if let Some((comm, pid)) = between(rest, "! [", "]").and_then(|task| task.rsplit_once(':')) {
        opening = opening.task(comm, decimal(pid));
    }
    Some(opening)
}

/// `__schedule_bug` and `__might_resched` in `kernel/sched/core.c`, `lib/smp_processor_id.c`.
fn atomic(what: &str) -> Option<Opening> {
    if let Some(place) = what.strip_prefix("sleeping function called from invalid context at ") {
        return Some(Opening::block(Kind::SleepInAtomic).source(place));
    }
    if let Some(task) = what.strip_prefix("scheduling while atomic: ") {
        // The name may hold a slash, the numbers cannot.
        let mut parts = task.rsplitn(3, '/');
        let pid = parts.nth(1).and_then(decimal);
        return Some(Opening::block(Kind::SchedulingWhileAtomic).task(parts.next().unwrap_or_default(), pid));
    }
    if what.starts_with("using ") && what.contains(" in preemptible [") {
        let opening = Opening::block(Kind::PreemptibleSmpProcessorId);
        return Some(
            match what
                .split_once("] code: ")
                .and_then(|(_, task)| task.rsplit_once('/'))
            {
                Some((comm, pid)) => opening.task(comm, decimal(pid)),
                None => opening,
            },
        );
    }
    None
}

fn misuse(what: &str) -> Option<Opening> {
    const STARTS: [(&str, Kind); 7] = [
        ("spinlock ", Kind::Spinlock),
        ("rwlock ", Kind::Spinlock),
        ("Bad page ", Kind::BadPage),
        ("Bad rss-counter state", Kind::BadPage),
        ("Invalid wait context", Kind::Lockdep),
        ("held lock freed!", Kind::Lockdep),
        ("workqueue lockup", Kind::HungTask),
    ];
    if what.contains(" stack guard page was hit at ") {
        return Some(Opening::block(Kind::StackOverflow));
    }
    STARTS
        .iter()
        .find(|(start, _)| what.starts_with(start))
        .map(|(_, kind)| Opening::block(*kind))
}
