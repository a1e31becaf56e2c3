//! The kernel's file systems, and the settings that depend on them.

use std::fs;
use std::io;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::unistd::sethostname;

struct FileSystem {
    kind: &'static str,
    at: &'static str,
    flags: MsFlags,
    options: &'static str,
}

const HARDENED: MsFlags = MsFlags::MS_NOSUID
    .union(MsFlags::MS_NODEV)
    .union(MsFlags::MS_NOEXEC);
const DEV_FLAGS: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NOEXEC);
const TMP_FLAGS: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV);

const fn fs(kind: &'static str, at: &'static str, flags: MsFlags, options: &'static str) -> FileSystem {
    FileSystem {
        kind,
        at,
        flags,
        options,
    }
}

const DEV: FileSystem = fs("devtmpfs", "/dev", DEV_FLAGS, "mode=0755");

/// In the order of mounting: what is mounted inside of another comes after it.
const NEEDED: [FileSystem; 6] = [
    fs("proc", "/proc", HARDENED, ""),
    fs("sysfs", "/sys", HARDENED, ""),
    // gid 5 is `tty`: dropbear hands a terminal to that group.
    fs("devpts", "/dev/pts", DEV_FLAGS, "mode=0620,ptmxmode=0666,gid=5"),
    fs("tmpfs", "/dev/shm", TMP_FLAGS, "mode=1777"),
    fs("tmpfs", "/run", TMP_FLAGS, "mode=0755"),
    fs("tmpfs", "/tmp", TMP_FLAGS, "mode=1777"),
];

/// They exist only on kernels that were built with them.
const OPTIONAL: [FileSystem; 5] = [
    fs("debugfs", "/sys/kernel/debug", HARDENED, ""),
    fs("tracefs", "/sys/kernel/tracing", HARDENED, ""),
    fs("securityfs", "/sys/kernel/security", HARDENED, ""),
    fs("bpf", "/sys/fs/bpf", HARDENED, ""),
    fs("cgroup2", "/sys/fs/cgroup", HARDENED, ""),
];

/// A file system that could not be mounted, or a setting that the kernel refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MountError {
    /// The mount point could not be made.
    #[error("cannot make `{at}`")]
    MountPoint {
        /// The mount point.
        at: &'static str,
        #[source]
        source: io::Error,
    },
    /// The kernel refused the mount.
    #[error("cannot mount {kind} at `{at}`")]
    Mount {
        /// The file system's type.
        kind: &'static str,
        /// The mount point.
        at: &'static str,
        #[source]
        source: Errno,
    },
    /// A setting could not be made.
    #[error("cannot set {what}")]
    Setting {
        /// What was to be set.
        what: &'static str,
        #[source]
        source: io::Error,
    },
}

/// Mounts `/dev`, without which there is no console to complain on.
pub(crate) fn dev() -> Result<(), MountError> {
    DEV.mount()
}

/// Mounts what the guest is of no use without.
pub(crate) fn needed_file_systems() -> Result<(), MountError> {
    NEEDED.iter().try_for_each(FileSystem::mount)
}

/// Mounts what this kernel has of the rest.
pub(crate) fn optional_file_systems() {
    for file_system in &OPTIONAL {
        file_system.mount().ok();
    }
}

impl FileSystem {
    fn mount(&self) -> Result<(), MountError> {
        // Inside of sysfs the kernel makes the directory, if it has the file system at all.
        let is_kernel_made = self.at.starts_with("/sys/");
        if !is_kernel_made {
            fs::create_dir_all(self.at).map_err(|source| MountError::MountPoint { at: self.at, source })?;
        }
        match mount(
            Some(self.kind),
            self.at,
            Some(self.kind),
            self.flags,
            Some(self.options),
        ) {
            // Busy: the kernel mounted it before init (CONFIG_DEVTMPFS_MOUNT).
            Ok(()) | Err(Errno::EBUSY) => Ok(()),
            Err(source) => Err(MountError::Mount {
                kind: self.kind,
                at: self.at,
                source,
            }),
        }
    }
}

/// Messages below this level go to the serial console: errors and warnings do, a module's `pr_info` does not.
/// Each character costs an exit to the host, and the kernel log reaches it through its own channel anyway.
const CONSOLE_LOG_LEVEL: &str = "5";

/// The kernel runs modprobe for whatever it misses, twice or more while file systems are mounted, and a process
/// each time costs as much as all of the mounts. The guest has no modules for modprobe to find: what it needs is
/// listed. A line break is the way to set an empty path, which the kernel takes as "do not try" (kmod.c).
const NO_MODPROBE: &str = "\n";

/// Sets the console's log level, the host name, and that modules are loaded by name only.
pub(crate) fn settings() -> Result<(), MountError> {
    let setting = |what| move |source| MountError::Setting { what, source };
    fs::write("/proc/sys/kernel/modprobe", NO_MODPROBE).map_err(setting("the path of modprobe"))?;
    fs::write("/proc/sys/kernel/printk", CONSOLE_LOG_LEVEL).map_err(setting("the console's log level"))?;
    match fs::read_to_string("/etc/lab/hostname") {
        Ok(name) => sethostname(name.trim()).map_err(|e| setting("the host name")(e.into())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(setting("the host name")(e)),
    }
}
