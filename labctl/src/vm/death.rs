//! Why a QEMU ended by itself: from its exit and its own words to a cause that a message can advise on. Pure.

use std::fmt;

use super::process::Exit;

const SIGXFSZ: i32 = 25;

/// The situation behind an end that nobody asked for. The words that QEMU uses were read off QEMU 7.2 and its sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeathCause {
    /// Another process has the forwarded port.
    PortTaken,
    /// KVM is not there, not allowed, or cannot run this guest.
    KvmRefused,
    /// This QEMU was built without its system-call filter, or the kernel refuses to install it.
    NoSandbox,
    /// A machine, device or option that this QEMU does not know.
    Unsupported,
    /// The host could not give the guest its memory.
    OutOfMemory,
    /// A firmware or ROM file of QEMU's own is not installed.
    MissingFirmware,
    /// A file that labctl named (a kernel, a disk) could not be opened or used.
    BadFile,
    /// A log reached its limit: the guest flooded its console.
    LogLimit,
    /// It ended well, without having been asked to by us: the guest powered off.
    PoweredOff,
    /// A signal that labctl did not send.
    Signal,
    /// Anything else; QEMU's own words have to do.
    Unknown,
}

/// An end that nobody asked for, with what QEMU said last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    pub exit: Exit,
    pub cause: DeathCause,
    /// The last lines of QEMU's standard error.
    pub said: Vec<String>,
}

impl Death {
    /// The line of QEMU's that says most: the first that calls itself an error, else the last.
    pub fn telling_line(&self) -> Option<&str> {
        let error = self.said.iter().find(|line| line.contains("error: "));
        let line = error.or(self.said.last())?;
        // `qemu-system-x86_64: error: …` is about itself.
        Some(line.strip_prefix("qemu-system-x86_64: ").unwrap_or(line))
    }

    /// Reads a cause off the exit and what QEMU wrote to its standard error.
    pub fn classify(exit: Exit, stderr: &str) -> Self {
        let lines: Vec<&str> = stderr.lines().filter(|line| !line.trim().is_empty()).collect();
        Self {
            exit,
            cause: cause(exit, &lines),
            said: lines[lines.len().saturating_sub(5)..]
                .iter()
                .map(|line| printable(line))
                .collect(),
        }
    }
}

fn printable(line: &str) -> String {
    line.chars()
        .take(400)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn cause(exit: Exit, stderr: &[&str]) -> DeathCause {
    let says = |words: &[&str]| {
        stderr
            .iter()
            .any(|line| words.iter().any(|word| line.contains(word)))
    };
    if says(&["Could not set up host forwarding rule"]) {
        return DeathCause::PortTaken;
    }
    if says(&[
        "KVM kernel module",
        "failed to initialize kvm",
        "failed to set MSR",
        "kvm_",
        "KVM:",
        "KVM is not",
    ]) {
        return DeathCause::KvmRefused;
    }
    if says(&["sandbox", "seccomp"]) {
        return DeathCause::NoSandbox;
    }
    if says(&["cannot set up guest memory", "annot allocate memory"]) {
        return DeathCause::OutOfMemory;
    }
    if says(&[
        "could not load PC BIOS",
        "failed to find romfile",
        "Could not open option rom",
    ]) {
        return DeathCause::MissingFirmware;
    }
    if says(&[
        "invalid option",
        "is not a valid device model name",
        "invalid accelerator",
        "unsupported machine type",
        "unable to find CPU model",
        "Invalid parameter",
        "' not found",
        "invalid object type",
    ]) {
        return DeathCause::Unsupported;
    }
    if says(&[
        "could not open",
        "Could not open",
        "could not load kernel",
        "could not load initrd",
        "without PVH ELF Note",
        "can't open",
    ]) {
        return DeathCause::BadFile;
    }
    match exit {
        Exit::Code(0) => DeathCause::PoweredOff,
        Exit::Signal(SIGXFSZ) => DeathCause::LogLimit,
        Exit::Signal(_) => DeathCause::Signal,
        Exit::Code(_) | Exit::Unknown => DeathCause::Unknown,
    }
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            DeathCause::PortTaken => f.write_str("the forwarded port was taken by another process")?,
            DeathCause::KvmRefused => f.write_str("KVM cannot run this guest")?,
            DeathCause::NoSandbox => f.write_str("this QEMU has no working `-sandbox`")?,
            DeathCause::Unsupported => f.write_str("this QEMU lacks something the machine needs")?,
            DeathCause::OutOfMemory => f.write_str("the host has not enough memory for the guest")?,
            DeathCause::MissingFirmware => f.write_str("a firmware file of QEMU is not installed")?,
            DeathCause::BadFile => f.write_str("QEMU could not use a file it was given")?,
            DeathCause::LogLimit => f.write_str("the guest flooded its console beyond the limit")?,
            DeathCause::PoweredOff => f.write_str("the guest powered off")?,
            DeathCause::Signal | DeathCause::Unknown => write!(f, "QEMU {}", self.exit)?,
        }
        match self.telling_line() {
            Some(line) => write!(f, " (`{line}`)"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Death {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qemus_own_words_name_the_cause() {
        use DeathCause as C;
        let failed = Exit::Code(1);
        // As printed by QEMU 7.2.22, except the two about `-sandbox`, which are from its sources.
        for (exit, stderr, want) in [
            (
                failed,
                "qemu-system-x86_64: -netdev user,id=n,hostfwd=tcp:127.0.0.1:34599-:22: Could not set up host \
                 forwarding rule 'tcp:127.0.0.1:34599-:22'",
                C::PortTaken,
            ),
            (
                Exit::Signal(6),
                "qemu-system-x86_64: error: failed to set MSR 0x10a to 0x69\nqemu-system-x86_64: \
                 ../../target/i386/kvm/kvm.c:3183: kvm_buf_set_msrs: Assertion `ret == cpu->kvm_msr_buf->nmsrs' failed.",
                C::KvmRefused,
            ),
            (
                failed,
                "Could not access KVM kernel module: Permission denied",
                C::KvmRefused,
            ),
            (
                failed,
                "qemu-system-x86_64: -device nosuch: 'nosuch' is not a valid device model name",
                C::Unsupported,
            ),
            (
                failed,
                "qemu-system-x86_64: Property 'pc-q35-7.2-machine.nosuch' not found",
                C::Unsupported,
            ),
            (
                failed,
                "qemu-system-x86_64: -nosuchopt: invalid option",
                C::Unsupported,
            ),
            (
                failed,
                "qemu-system-x86_64: cannot set up guest memory 'pc.ram': Cannot allocate memory",
                C::OutOfMemory,
            ),
            (
                failed,
                "qemu: could not load PC BIOS 'bios-256k.bin'",
                C::MissingFirmware,
            ),
            (
                failed,
                "qemu: could not open kernel file '/nosuch': No such file or directory",
                C::BadFile,
            ),
            (
                failed,
                "qemu-system-x86_64: Error loading uncompressed kernel without PVH ELF Note",
                C::BadFile,
            ),
            (
                failed,
                "qemu-system-x86_64: -sandbox support is not enabled in this QEMU binary",
                C::NoSandbox,
            ),
            (
                failed,
                "qemu-system-x86_64: failed to install seccomp syscall filter in the kernel",
                C::NoSandbox,
            ),
            (Exit::Code(0), "", C::PoweredOff),
            (Exit::Signal(9), "", C::Signal),
            (Exit::Signal(SIGXFSZ), "", C::LogLimit),
            (failed, "something new", C::Unknown),
        ] {
            assert_eq!(Death::classify(exit, stderr).cause, want, "{stderr}");
        }
    }

    #[test]
    fn a_hostile_line_cannot_drive_the_terminal() {
        let death = Death::classify(Exit::Code(1), "x\u{1b}[2Jy\n");
        assert_eq!(death.to_string(), "QEMU exited with status 1 (`x [2Jy`)");
    }
}
