//! What a sandboxed program may use.

use std::fmt;
use std::time::Duration;

use crate::deadline::Deadline;

/// The ends of a program's means. Sizes are bytes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Wall-clock end of the whole sandbox.
    pub deadline: Deadline,
    /// Processor time of each process, rounded up to seconds.
    pub cpu: Duration,
    /// Address space of each process.
    pub address_space: u64,
    /// Private memory of all processes together.
    pub memory: u64,
    /// Size of each file written.
    pub file_size: u64,
    /// Size of `/tmp` inside (held in memory).
    pub tmp: u64,
    /// Processes and threads at once.
    pub processes: u32,
    /// Bytes of standard output and error together.
    pub output: usize,
}

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

impl Limits {
    /// For compiling a student's files: generous against a module's 2 s and 150 MiB, small against this host.
    pub fn for_compile(deadline: Deadline) -> Self {
        Self {
            deadline,
            cpu: Duration::from_secs(60),
            address_space: 2 * GIB,
            memory: 2 * GIB,
            file_size: 256 * MIB,
            tmp: 256 * MIB,
            processes: 128,
            output: MIB as usize,
        }
    }

    /// For building a kernel or an image from inputs that are pinned: the link step maps gigabytes (vmlinux.o with
    /// its debug information, pahole).
    pub fn for_pinned_build(deadline: Deadline) -> Self {
        Self {
            deadline,
            cpu: Duration::from_secs(3600),
            address_space: 16 * GIB,
            memory: 12 * GIB,
            file_size: 8 * GIB,
            tmp: 2 * GIB,
            processes: 4096,
            output: 64 * MIB as usize,
        }
    }
}

/// A limit that ended a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    Time,
    Output,
    Memory,
    Processes,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Time => "time",
            Self::Output => "output",
            Self::Memory => "memory",
            Self::Processes => "number of processes",
        })
    }
}
