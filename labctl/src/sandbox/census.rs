//! Counting what runs inside. `RLIMIT_NPROC` does not bind the host's root, even inside a user namespace
//! (`copy_process` in kernel/fork.c exempts the initial user), and no rlimit sums memory over processes, so that the
//! sandbox is also watched from outside.

use std::path::Path;

/// Totals over a process and all its descendants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Census {
    /// Threads of all processes.
    pub(super) threads: u32,
    /// Private (anonymous) memory, bytes.
    pub(super) private_bytes: u64,
}

impl Census {
    /// Stops descending beyond `max_threads`: a fork bomb is not to slow its own discovery.
    pub(super) fn of(pid: u32, max_threads: u32) -> Self {
        let page = rustix::param::page_size() as u64;
        let mut census = Self::default();
        let mut left = vec![pid];
        while let Some(pid) = left.pop() {
            let proc = Path::new("/proc").join(pid.to_string());
            if let Some(pages) = private_pages(&proc) {
                census.private_bytes += pages * page;
            }
            // A process that ended meanwhile is simply not counted.
            let Ok(tasks) = fs_err::read_dir(proc.join("task")) else {
                continue;
            };
            for task in tasks.flatten() {
                census.threads += 1;
                if let Ok(children) = fs_err::read_to_string(task.path().join("children")) {
                    left.extend(
                        children
                            .split_ascii_whitespace()
                            .filter_map(|pid| pid.parse::<u32>().ok()),
                    );
                }
            }
            if census.threads > max_threads {
                break;
            }
        }
        census
    }
}

/// proc_pid_statm(5): size, resident, shared, … in pages.
fn private_pages(proc: &Path) -> Option<u64> {
    let statm = fs_err::read_to_string(proc.join("statm")).ok()?;
    let mut fields = statm.split(' ').skip(1);
    let resident: u64 = fields.next()?.parse().ok()?;
    let shared: u64 = fields.next()?.parse().ok()?;
    Some(resident.saturating_sub(shared))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_this_process_and_its_memory() {
        let census = Census::of(std::process::id(), 10_000);
        assert!(census.threads >= 1);
        assert!(census.private_bytes > 0);
    }

    #[test]
    fn a_process_that_is_gone_counts_nothing() {
        // Larger than any pid_max (2^22).
        assert_eq!(Census::of(5_000_000, 10), Census::default());
    }
}
