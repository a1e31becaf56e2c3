//! One line of a kernel log, whichever way it reached the host.

/// The severity of a record: syslog's eight levels (`include/linux/kern_levels.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    Emerg,
    Alert,
    Crit,
    Err,
    Warning,
    Notice,
    Info,
    Debug,
}

impl Level {
    /// The level in the low three bits of a syslog priority.
    pub fn from_priority(priority: u32) -> Self {
        match priority & 7 {
            0 => Self::Emerg,
            1 => Self::Alert,
            2 => Self::Crit,
            3 => Self::Err,
            4 => Self::Warning,
            5 => Self::Notice,
            6 => Self::Info,
            _ => Self::Debug,
        }
    }

    /// The name that `dmesg --level` uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Emerg => "emerg",
            Self::Alert => "alert",
            Self::Crit => "crit",
            Self::Err => "err",
            Self::Warning => "warn",
            Self::Notice => "notice",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

/// Who printed: only there on kernels with `CONFIG_PRINTK_CALLER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Caller {
    /// A task, by its id in the initial PID namespace.
    Task(u32),
    /// Interrupt context on this CPU.
    Cpu(u32),
}

impl Caller {
    /// Reads `T123` or `C0`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut chars = text.chars();
        let kind = chars.next()?;
        let number = crate::text::decimal(chars.as_str())?;
        match kind {
            'T' => Some(Self::Task(number)),
            'C' => Some(Self::Cpu(number)),
            _ => None,
        }
    }
}

/// Where a line comes from, as far as its carrier can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// Kernel code: facility 0 in `/dev/kmsg`, which the kernel refuses to writers from user space.
    Kernel,
    /// A process that wrote to `/dev/kmsg`.
    User,
    /// A time-stamped console line: the kernel's own output, or a process that wrote to `/dev/kmsg`.
    Console,
    /// A console line without a time stamp: firmware, a process writing to the console, or garbage.
    Untimed,
}

/// One line of log text, with what is known about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Zero-based position in the source: the record in a kmsg stream, the line in a console log.
    pub index: usize,
    pub origin: Origin,
    /// Microseconds since boot, by the guest's clock.
    pub ts_us: Option<u64>,
    pub level: Option<Level>,
    pub caller: Option<Caller>,
    /// Without line ending, time stamp and caller; safe to show (see [`crate::sanitize::lossless`]).
    pub text: String,
    /// The carrier was cut inside this line, so its text may be incomplete.
    pub torn: bool,
}
