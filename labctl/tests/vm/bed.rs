//! A folder of its own for each test: a fake QEMU with its script, and a root for instances.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use labctl::deadline::Deadline;
use labctl::event::Events;
use labctl::supervise::Cancel;
use labctl::vm::{InstanceDir, LaunchError, Lease, Qemu, Vm, VmConfig};

/// Generous: reached only when something hangs that should not.
pub(crate) fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

/// For what is meant to be run into.
pub(crate) fn at_once() -> Deadline {
    Deadline::after(Duration::from_millis(200))
}

pub(crate) struct Bed {
    dir: tempfile::TempDir,
    pub(crate) cancel: Cancel,
}

impl Bed {
    pub(crate) fn new(script: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_fake-qemu"), dir.path().join("qemu")).unwrap();
        fs::write(dir.path().join("fake-qemu.script"), script).unwrap();
        Self {
            dir,
            cancel: Cancel::new(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.path("instances")
    }

    pub(crate) fn qemu(&self) -> Qemu {
        Qemu::find(self.path("qemu").to_str().unwrap(), "".as_ref()).unwrap()
    }

    pub(crate) fn config(&self) -> VmConfig {
        VmConfig::new("m7", self.path("kernel"))
    }

    pub(crate) fn lease(&self) -> (Lease, InstanceDir) {
        let lease = Lease::try_take(&self.root(), "m7", "up m7").unwrap();
        let dir = lease.create_dir().unwrap();
        (lease, dir)
    }

    pub(crate) async fn start_until(&self, dir: &InstanceDir, deadline: Deadline) -> Result<Vm, LaunchError> {
        let (qemu, config) = (self.qemu(), self.config());
        Vm::start(&qemu, &config, dir, &self.cancel, deadline, &Events::silent()).await
    }

    pub(crate) async fn start(&self, dir: &InstanceDir) -> Result<Vm, LaunchError> {
        self.start_until(dir, soon()).await
    }

    /// Nothing of a machine is left: no folder, no lock, no process that runs from here.
    pub(crate) fn assert_clean(&self) {
        let left: Vec<_> = fs::read_dir(self.root())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert!(left.is_empty(), "{left:?}");
        assert_eq!(processes_of(self.dir.path()), Vec::<u32>::new());
    }
}

/// The processes whose program was called from below `dir`, without those that have ended.
fn processes_of(dir: &Path) -> Vec<u32> {
    let of = |pid: u32| {
        let cmdline = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        cmdline.starts_with(dir.to_str().unwrap().as_bytes())
    };
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .filter(|&pid| of(pid))
        .collect()
}
