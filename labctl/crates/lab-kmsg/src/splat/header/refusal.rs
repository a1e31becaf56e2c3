//! What the kernel will not do: load a module, place a probe, use an initramfs.

use super::Opening;
use crate::splat::SplatKind as Kind;
use crate::splat::code_loc::is_module_name;
use crate::text::between;

pub(super) fn opening(text: &str) -> Option<Opening> {
    module_load(text).or_else(|| probe(text)).or_else(|| boot(text))
}

/// `kernel/module/main.c`, `kernel/module/version.c`, `kernel/module/signing.c`, `kernel/bpf/btf.c`.
fn module_load(text: &str) -> Option<Opening> {
    const SAYS: [&str; 10] = [
        "Unknown symbol ",
        "version magic ",
        "disagrees about version of symbol ",
        "no symbol version for ",
        "exports duplicate symbol ",
        "module uses GPL-only symbols ",
        "Symbol ",
        "Could not allocate ",
        "module is marked as livepatch module",
        "section size must match the kernel's built struct module size",
    ];
    const WHOLE: [&str; 7] = [
        "Loading of ",
        "Invalid ELF ",
        "Only one .modinfo section must exist.",
        "Invalid module architecture in ELF header",
        "Invalid architecture in ELF header",
        "module: Skipping invalid relocation target",
        "ELF Spec violation",
    ];
    if let Some(name) = between(text, "failed to validate module [", "] BTF: ") {
        return Some(Opening::line(Kind::ModuleLoad).module(name));
    }
    if let Some(name) = text
        .strip_prefix("Module ")
        .and_then(|rest| rest.strip_suffix(" is blacklisted"))
    {
        return Some(Opening::line(Kind::ModuleLoad).module(name));
    }
    if WHOLE.iter().any(|start| text.starts_with(start)) {
        return Some(Opening::line(Kind::ModuleLoad));
    }
    let text = text.strip_prefix("module ").unwrap_or(text);
    let (name, says) = text.split_once(": ").filter(|(name, _)| is_module_name(name))?;
    SAYS.iter()
        .any(|start| says.starts_with(start))
        .then(|| Opening::line(Kind::ModuleLoad).module(name))
}

/// `kernel/kprobes.c`, `kernel/trace/trace_kprobe.c`, `arch/x86/kernel/kprobes/core.c`.
fn probe(text: &str) -> Option<Opening> {
    const SAYS: [&str; 9] = [
        "trace_kprobe: Could not ",
        "trace_kprobe: error",
        "kprobes: Failed to ",
        "kprobes: kretprobe: Return address not found",
        "kprobes: Unrecoverable kprobe detected",
        "Unrecoverable kprobe detected",
        "Kprobes error: ",
        "kprobes: Dump kprobe:",
        "kprobes: Recover from ",
    ];
    SAYS.iter()
        .any(|start| text.starts_with(start))
        .then(|| Opening::line(Kind::Kprobe))
}

/// `init/main.c`, `init/initramfs.c`.
fn boot(text: &str) -> Option<Opening> {
    const SAYS: [&str; 6] = [
        "Initramfs unpacking failed: ",
        "rootfs image is not initramfs (",
        "Failed to execute ",
        "Starting init: ",
        "Warning: unable to open an initial console",
        "check access for rdinit=",
    ];
    SAYS.iter()
        .any(|start| text.starts_with(start))
        .then(|| Opening::line(Kind::BootTrouble))
}
