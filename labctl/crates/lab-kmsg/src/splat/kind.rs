//! What kinds of report there are.

use std::fmt;

/// How bad it is for the machine. Ordered: the later, the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The kernel refused something (a module, a probe), or a program crashed.
    Notice,
    /// The kernel found a fault and goes on.
    Warning,
    /// Kernel code died; the machine may go on without the task.
    Oops,
    /// The machine is lost.
    Panic,
}

/// The kind of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SplatKind {
    NullDereference,
    PageFault,
    GeneralProtection,
    InvalidOpcode,
    KernelBug,
    DivideError,
    StackOverflow,
    DoubleFault,
    /// Any other exception that killed kernel code.
    Oops,
    Warning,
    Panic,
    BootFailure,
    StackProtector,
    Kasan,
    Kfence,
    Kcsan,
    Kmsan,
    Ubsan,
    Lockdep,
    Spinlock,
    RcuStall,
    SoftLockup,
    HardLockup,
    HungTask,
    OutOfMemory,
    SchedulingWhileAtomic,
    SleepInAtomic,
    PreemptibleSmpProcessorId,
    BadPage,
    /// The kernel refused a kprobe, or complains of one.
    Kprobe,
    /// The kernel refused to load a module.
    ModuleLoad,
    /// The kernel could not use the initramfs or its `/init`.
    BootTrouble,
    /// A program of user space died of a signal that its own fault raised.
    UserFault,
}

impl SplatKind {
    /// A stable name, for rules and machine-readable output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NullDereference => "null-dereference",
            Self::PageFault => "page-fault",
            Self::GeneralProtection => "general-protection",
            Self::InvalidOpcode => "invalid-opcode",
            Self::KernelBug => "kernel-bug",
            Self::DivideError => "divide-error",
            Self::StackOverflow => "stack-overflow",
            Self::DoubleFault => "double-fault",
            Self::Oops => "oops",
            Self::Warning => "warning",
            Self::Panic => "panic",
            Self::BootFailure => "boot-failure",
            Self::StackProtector => "stack-protector",
            Self::Kasan => "kasan",
            Self::Kfence => "kfence",
            Self::Kcsan => "kcsan",
            Self::Kmsan => "kmsan",
            Self::Ubsan => "ubsan",
            Self::Lockdep => "lockdep",
            Self::Spinlock => "spinlock",
            Self::RcuStall => "rcu-stall",
            Self::SoftLockup => "soft-lockup",
            Self::HardLockup => "hard-lockup",
            Self::HungTask => "hung-task",
            Self::OutOfMemory => "out-of-memory",
            Self::SchedulingWhileAtomic => "scheduling-while-atomic",
            Self::SleepInAtomic => "sleep-in-atomic",
            Self::PreemptibleSmpProcessorId => "preemptible-smp-processor-id",
            Self::BadPage => "bad-page",
            Self::Kprobe => "kprobe",
            Self::ModuleLoad => "module-load",
            Self::BootTrouble => "boot-trouble",
            Self::UserFault => "user-fault",
        }
    }

    /// What it is, as a phrase for a sentence about it.
    pub fn phrase(self) -> &'static str {
        match self {
            Self::NullDereference => "NULL pointer dereference",
            Self::PageFault => "access to an address that is not mapped",
            Self::GeneralProtection => "general protection fault",
            Self::InvalidOpcode => "invalid instruction",
            Self::KernelBug => "BUG() hit",
            Self::DivideError => "division by zero",
            Self::StackOverflow => "kernel stack overflow",
            Self::DoubleFault => "double fault",
            Self::Oops => "kernel oops",
            Self::Warning => "kernel warning",
            Self::Panic => "kernel panic",
            Self::BootFailure => "boot failure",
            Self::StackProtector => "overwritten kernel stack",
            Self::Kasan => "memory error (KASAN)",
            Self::Kfence => "memory error (KFENCE)",
            Self::Kcsan => "data race (KCSAN)",
            Self::Kmsan => "use of uninitialised memory (KMSAN)",
            Self::Ubsan => "undefined behaviour (UBSAN)",
            Self::Lockdep => "locking error",
            Self::Spinlock => "misused spinlock",
            Self::RcuStall => "RCU stall",
            Self::SoftLockup => "soft lockup",
            Self::HardLockup => "hard lockup",
            Self::HungTask => "hung task",
            Self::OutOfMemory => "out of memory",
            Self::SchedulingWhileAtomic => "scheduling while atomic",
            Self::SleepInAtomic => "sleeping function called from invalid context",
            Self::PreemptibleSmpProcessorId => "smp_processor_id() in preemptible code",
            Self::BadPage => "corrupted page state",
            Self::Kprobe => "kprobe trouble",
            Self::ModuleLoad => "module refused",
            Self::BootTrouble => "boot trouble",
            Self::UserFault => "program crashed",
        }
    }

    /// Whether the kernel names this fault on a line of its own, before the one that counts the oopses (`[#1]`).
    pub(crate) fn is_announced(self) -> bool {
        matches!(
            self,
            Self::NullDereference | Self::PageFault | Self::KernelBug | Self::StackOverflow
        )
    }

    pub fn severity(self) -> Severity {
        match self {
            Self::Panic | Self::BootFailure | Self::StackProtector | Self::DoubleFault => Severity::Panic,
            Self::NullDereference
            | Self::PageFault
            | Self::GeneralProtection
            | Self::InvalidOpcode
            | Self::KernelBug
            | Self::DivideError
            | Self::StackOverflow
            | Self::Oops
            | Self::SoftLockup
            | Self::HardLockup => Severity::Oops,
            Self::Warning
            | Self::Kasan
            | Self::Kfence
            | Self::Kcsan
            | Self::Kmsan
            | Self::Ubsan
            | Self::Lockdep
            | Self::Spinlock
            | Self::RcuStall
            | Self::HungTask
            | Self::OutOfMemory
            | Self::SchedulingWhileAtomic
            | Self::SleepInAtomic
            | Self::PreemptibleSmpProcessorId
            | Self::BadPage => Severity::Warning,
            Self::Kprobe | Self::ModuleLoad | Self::BootTrouble | Self::UserFault => Severity::Notice,
        }
    }
}

impl fmt::Display for SplatKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
