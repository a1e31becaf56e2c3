//! How many guests the host carries at once.

use fs_err as fs;

/// Memory that a guest takes besides its own: QEMU, its translated code, and the compiler that runs beside it.
const BESIDES_MIB: u64 = 256;
/// A bound for large hosts, where more at once was never tried.
const MOST: usize = 16;

/// Memory that the host can give away without swapping, in bytes (`MemAvailable` of proc_meminfo(5)).
pub(crate) fn memory_available() -> Option<u64> {
    parse(&fs::read_to_string("/proc/meminfo").ok()?)
}

fn parse(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    kib.checked_mul(1024)
}

/// How much is done at once, and what it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) at_once: usize,
    /// Memory of each guest with what belongs to it, MiB.
    pub(crate) each_mib: u64,
}

/// The bound for guests of `memory_mib`: `asked`, else one for each processor, as far as memory goes; at least one.
pub(crate) fn bound(memory_mib: u32, asked: Option<usize>) -> Bound {
    let processors = asked.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    Bound {
        at_once: at_once(processors, memory_available(), memory_mib),
        each_mib: u64::from(memory_mib) + BESIDES_MIB,
    }
}

/// How many guests of `memory_mib` to run at once on this host: one for each processor, as far as memory goes; at
/// least one.
pub(crate) fn guests_at_once(memory_mib: u32) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    at_once(processors, memory_available(), memory_mib)
}

fn at_once(processors: usize, available: Option<u64>, memory_mib: u32) -> usize {
    let each = (u64::from(memory_mib) + BESIDES_MIB) << 20;
    let fitting = available.map_or(1, |bytes| usize::try_from(bytes / each).unwrap_or(usize::MAX));
    processors.min(fitting).clamp(1, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn processors_and_memory_both_limit() {
        assert_eq!(at_once(2, Some(20 * GIB), 384), 2);
        assert_eq!(at_once(8, Some(2 * GIB), 384), 3);
        assert_eq!(at_once(64, Some(500 * GIB), 384), MOST);
    }

    #[test]
    fn there_is_always_one() {
        assert_eq!(at_once(8, Some(100 << 20), 384), 1);
        assert_eq!(at_once(8, None, 384), 1);
    }

    #[test]
    fn the_line_is_found() {
        let text = "MemTotal:       24621096 kB\nMemFree:        1 kB\nMemAvailable:   22539472 kB\n";
        assert_eq!(parse(text), Some(22_539_472 * 1024));
        assert_eq!(parse("MemTotal: 1 kB\n"), None);
    }
}
