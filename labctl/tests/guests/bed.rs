//! One test's surroundings: a state folder of its own, the user's store, and one guest at a time.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fs_err as fs;

/// Guests of several tests at once would only slow each other down, until a deadline is missed.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

pub(crate) struct Bed {
    state: tempfile::TempDir,
    /// Where commands are started: outside of any course or workspace.
    pub(crate) dir: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

/// A bed, or `None` where this host cannot run guests.
pub(crate) fn bed() -> Option<Bed> {
    let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let bed = Bed {
        state: tempfile::tempdir().unwrap(),
        dir: tempfile::tempdir().unwrap(),
        _turn: turn,
    };
    let doctor = bed.labctl(&["doctor"]);
    if doctor.status.code() == Some(4) {
        let why = String::from_utf8_lossy(&doctor.stdout).into_owned();
        assert!(
            std::env::var_os("LABCTL_FORBID_SKIP").is_none(),
            "this host cannot run guests:\n{why}"
        );
        eprintln!("skipped: this host cannot run guests:\n{why}");
        return None;
    }
    assert!(doctor.status.success(), "{doctor:?}");
    Some(bed)
}

#[expect(clippy::disallowed_methods, reason = "the program under test")]
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    Command::new(program)
}

impl Bed {
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = command(env!("CARGO_BIN_EXE_labctl"));
        command
            .args(args)
            .current_dir(self.dir.path())
            .env("XDG_STATE_HOME", self.state.path())
            .env_remove("LABCTL_COURSE")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn labctl(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs and insists on success; returns what was printed on stdout.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let output = self.labctl(args);
        assert!(output.status.success(), "labctl {args:?}: {}", explain(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.state.path().join("labctl")
    }

    /// Nothing of this bed may be left: no QEMU that names its folder, no instance, no lock.
    pub(crate) fn assert_nothing_left(&self) {
        let marker = self.state.path().to_str().unwrap().as_bytes().to_vec();
        for entry in fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
            let arguments = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let cwd = entry.path().join("cwd").read_link().unwrap_or_default();
            let ours =
                arguments.windows(marker.len()).any(|at| at == marker) || cwd.starts_with(self.state.path());
            assert!(!ours, "left running: {}", String::from_utf8_lossy(&arguments));
        }
        let instances = self.state().join("instances");
        if instances.exists() {
            let left: Vec<_> = fs::read_dir(&instances)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .collect();
            assert!(left.is_empty(), "left behind: {left:?}");
        }
    }
}

pub(crate) fn explain(output: &Output) -> String {
    format!(
        "{}\n--- stdout\n{}\n--- stderr\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Writes files (path -> text) below `dir`.
pub(crate) fn write_all(dir: &Path, files: &std::collections::BTreeMap<String, String>) {
    for (path, text) in files {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}
