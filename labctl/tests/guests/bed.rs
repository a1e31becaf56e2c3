//! One test's surroundings: a state folder of its own, the user's store, and one guest at a time.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fs_err as fs;
use rustix::process::{Pid, Signal, kill_process};

/// Guests of several tests at once would only slow each other down, until a deadline is missed.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

pub(crate) struct Bed {
    state: tempfile::TempDir,
    /// Every temporary file of a command, and the mark by which its processes are known: they inherit the variable.
    tmp: tempfile::TempDir,
    /// A store of its own, where the user's would be harmed or must not help.
    cache: Option<tempfile::TempDir>,
    /// Where commands are started: outside of any course or workspace.
    pub(crate) dir: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

/// A bed, or `None` where this host cannot run guests.
pub(crate) fn bed() -> Option<Bed> {
    let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let bed = Bed {
        state: tempfile::tempdir().unwrap(),
        tmp: tempfile::tempdir().unwrap(),
        cache: None,
        dir: tempfile::tempdir().unwrap(),
        _turn: turn,
    };
    let doctor = bed.labctl(&["doctor"]);
    if doctor.status.code() == Some(4) {
        let why = String::from_utf8_lossy(&doctor.stdout).into_owned();
        crate::skip(&format!("this host cannot run guests:\n{why}"));
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
            .env("TMPDIR", self.tmp.path())
            .env_remove("LABCTL_COURSE")
            .stdin(Stdio::null());
        if let Some(cache) = &self.cache {
            command.env("XDG_CACHE_HOME", cache.path());
        }
        command
    }

    /// The root of the store that commands use.
    pub(crate) fn store(&self) -> PathBuf {
        let cache = match &self.cache {
            Some(cache) => cache.path().to_owned(),
            None => std::env::var_os("XDG_CACHE_HOME")
                .map_or_else(|| std::env::home_dir().unwrap().join(".cache"), PathBuf::from),
        };
        cache.join("labctl/v1")
    }

    /// From here on with an empty store, but for those buckets of the user's that are named.
    pub(crate) fn own_store(&mut self, shared: &[&str]) {
        let users = self.store();
        let cache = tempfile::tempdir().unwrap();
        let own = cache.path().join("labctl/v1");
        fs::create_dir_all(&own).unwrap();
        for bucket in shared {
            fs::os::unix::fs::symlink(users.join(bucket), own.join(bucket)).unwrap();
        }
        self.cache = Some(cache);
    }

    /// Starts a command and returns when it has said that `stage` begins.
    pub(crate) fn started(&self, args: &[&str], stage: &str) -> Running {
        let mut child = self
            .command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut running = Running {
            stderr: BufReader::new(child.stderr.take().unwrap()),
            child,
            said: String::new(),
        };
        running.until(stage);
        running
    }

    /// The process number of the QEMU of the only instance there is. To be asked once it has begun to boot.
    pub(crate) fn qemu(&self) -> Pid {
        let instances = self.state().join("instances");
        loop {
            let records = fs::read_dir(&instances)
                .unwrap()
                .filter_map(|entry| fs::read(entry.ok()?.path().join("instance.json")).ok());
            for record in records {
                let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
                if let Some(pid) = record["process"]["pid"].as_i64() {
                    return Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
                }
            }
            // `boot` is said a moment before there is a process to write down.
            std::thread::yield_now();
        }
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

    /// Nothing of this bed may be left: no process, and so no port; no instance, no lock, no temporary file, nothing
    /// half made in the store.
    pub(crate) fn assert_nothing_left(&self) {
        self.assert_no_process();
        let mut left = inside(&self.state().join("instances"));
        left.extend(inside(self.tmp.path()));
        left.extend(self.half_made());
        assert!(left.is_empty(), "left behind: {left:?}");
    }

    /// What lies in the staging folder of the bed's own store and no later run can resume.
    pub(crate) fn half_made(&self) -> Vec<PathBuf> {
        if self.cache.is_none() {
            // Others may be at work in the user's.
            return Vec::new();
        }
        let mut found = inside(&self.store().join("staging"));
        found.retain(|path| path.to_string_lossy().contains('~'));
        found
    }

    fn assert_no_process(&self) {
        let left: Vec<String> = self
            .processes()
            .map(|(pid, name)| format!("{} {name}", pid.as_raw_nonzero()))
            .collect();
        assert!(left.is_empty(), "left running: {left:?}");
    }

    /// Every process that was started with this bed's TMPDIR, lives in its folders, or has them mounted.
    fn processes(&self) -> impl Iterator<Item = (Pid, String)> {
        let mut marks = vec![self.tmp.path(), self.state.path()];
        marks.extend(self.cache.as_ref().map(tempfile::TempDir::path));
        let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        entries.filter_map(move |entry| {
            let process = entry.path();
            let pid = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
            let text: Vec<u8> = ["environ", "cmdline", "mountinfo"]
                .iter()
                .flat_map(|file| fs::read(process.join(file)).unwrap_or_default())
                .collect();
            let cwd = process.join("cwd").read_link().unwrap_or_default();
            let ours = marks.iter().any(|mark| {
                let bytes = mark.as_os_str().as_encoded_bytes();
                text.windows(bytes.len()).any(|at| at == bytes) || cwd.starts_with(mark)
            });
            let name = fs::read(process.join("cmdline")).unwrap_or_default();
            (ours && !name.is_empty()).then(|| (pid, String::from_utf8_lossy(&name).into_owned()))
        })
    }
}

impl Drop for Bed {
    /// A test that failed leaves what it was about to look at. Its guests would outlive the run and slow the others down.
    fn drop(&mut self) {
        if std::thread::panicking() {
            for (pid, _) in self.processes() {
                kill_process(pid, Signal::KILL).ok();
            }
        }
    }
}

fn inside(dir: &Path) -> Vec<PathBuf> {
    match fs::read_dir(dir) {
        Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
        Err(_) => Vec::new(),
    }
}

/// A command at work.
pub(crate) struct Running {
    pub(crate) child: Child,
    stderr: BufReader<ChildStderr>,
    /// All that it has said so far.
    pub(crate) said: String,
}

impl Running {
    /// Returns when it has said that `stage` begins.
    pub(crate) fn until(&mut self, stage: &str) {
        loop {
            let mut line = String::new();
            if self.stderr.read_line(&mut line).unwrap() == 0 {
                panic!(
                    "it ended before `{stage}`: {:?}\n{}",
                    self.child.wait(),
                    self.said
                );
            }
            self.said.push_str(&line);
            if line.trim_start().starts_with(stage) {
                return;
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for its end; its exit status, stdout, and all that it said.
    pub(crate) fn end(mut self) -> (Option<i32>, String, String) {
        let mut stdout = String::new();
        self.stderr.read_to_string(&mut self.said).unwrap();
        if let Some(mut out) = self.child.stdout.take() {
            out.read_to_string(&mut stdout).unwrap();
        }
        (self.child.wait().unwrap().code(), stdout, self.said)
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

/// Where the user keeps what can be made again.
pub(crate) fn cache_dir() -> PathBuf {
    let home = || std::env::home_dir().unwrap().join(".cache");
    std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from)
}
