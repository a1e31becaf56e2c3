//! What a process takes of the host's memory, as `/proc/PID/smaps_rollup` has it (proc_pid_smaps(5)).

use fs_err as fs;

/// In bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Memory {
    /// Nobody else has it: it goes when the process goes.
    pub(super) private: u64,
    /// That, and a share of what it has together with others.
    pub(super) proportional: u64,
}

/// Of a running process; `None` when it has ended or is not ours to look at.
pub(super) fn memory(pid: u32) -> Option<Memory> {
    parse(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?)
}

fn parse(rollup: &str) -> Option<Memory> {
    let bytes = |name: &str| -> Option<u64> {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
        kib.checked_mul(1024)
    };
    Some(Memory {
        private: bytes("Private_Clean:")?.checked_add(bytes("Private_Dirty:")?)?,
        proportional: bytes("Pss:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_is_what_is_clean_and_what_is_dirty() {
        let text = "55d0-7ffe ---p 00000000 00:00 0    [rollup]\nRss:      61000 kB\nPss:              50001 kB\n\
            Pss_Dirty:        1 kB\nPrivate_Clean:     1000 kB\nPrivate_Dirty:    47000 kB\n";
        let expected = Memory {
            private: 48_000 * 1024,
            proportional: 50_001 * 1024,
        };
        assert_eq!(parse(text), Some(expected));
        assert_eq!(parse("Pss: 1 kB\n"), None);
    }

    #[test]
    fn this_process_has_some() {
        let own = memory(std::process::id()).unwrap();
        assert!(own.private > 0 && own.proportional >= own.private);
        assert_eq!(memory(0), None);
    }
}
