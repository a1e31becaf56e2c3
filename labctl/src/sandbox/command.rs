//! The sandbox as data, and the bubblewrap command line that it means.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::bubblewrap::Bubblewrap;
use super::limits::Limits;

/// A file or folder of the host that is visible inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    pub host: PathBuf,
    /// Absolute path inside.
    pub inside: String,
    pub writable: bool,
}

/// Everything about a sandbox but the program that runs in it and its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    /// The folder that becomes `/`, read-only: an unpacked package closure with at least `bash`.
    pub root: PathBuf,
    pub binds: Vec<Bind>,
    /// Where the program starts; an absolute path inside.
    pub workdir: String,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    /// Whether `/proc` exists inside. Its `mountinfo` names the host's paths, so that it stays hidden from
    /// compilers that read a student's `#include` lines.
    pub proc: bool,
}

impl Sandbox {
    /// A sandbox on `root` with an empty writable `/tmp`, a fixed locale and a fixed clock for tools that ask
    /// `SOURCE_DATE_EPOCH`.
    pub fn new(root: &Path) -> Self {
        let env = [
            ("PATH", "/usr/bin:/usr/sbin"),
            ("LC_ALL", "C"),
            ("HOME", "/tmp"),
            ("TMPDIR", "/tmp"),
            ("SOURCE_DATE_EPOCH", "0"),
        ];
        Self {
            root: root.to_owned(),
            binds: Vec::new(),
            workdir: "/tmp".to_owned(),
            env: env
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            proc: false,
        }
    }

    #[must_use]
    pub fn read_only(mut self, host: &Path, inside: &str) -> Self {
        self.binds.push(Bind {
            host: host.to_owned(),
            inside: inside.to_owned(),
            writable: false,
        });
        self
    }

    #[must_use]
    pub fn writable(mut self, host: &Path, inside: &str) -> Self {
        self.binds.push(Bind {
            host: host.to_owned(),
            inside: inside.to_owned(),
            writable: true,
        });
        self
    }

    #[must_use]
    pub fn workdir(mut self, inside: &str) -> Self {
        inside.clone_into(&mut self.workdir);
        self
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    #[must_use]
    pub fn with_proc(mut self) -> Self {
        self.proc = true;
        self
    }

    /// The arguments for bubblewrap. The program runs behind a shell that sets the limits of its processes and then
    /// writes `marker` as the first line of standard error: what comes before it is bubblewrap's own.
    pub(super) fn arguments(
        &self,
        bubblewrap: &Bubblewrap,
        limits: &Limits,
        marker: &str,
        argv: &[&str],
    ) -> Vec<OsString> {
        let mut args = Args(Vec::new());
        args.words(&[
            "--unshare-all",
            "--die-with-parent",
            "--new-session",
            "--cap-drop",
            "ALL",
        ]);
        args.words(&["--hostname", "labctl", "--clearenv"]);
        for (name, value) in &self.env {
            args.words(&["--setenv", name, value]);
        }
        args.word("--ro-bind").word(&self.root).word("/");
        args.words(&["--dev", "/dev"]);
        if self.proc {
            args.words(&["--proc", "/proc"]);
        }
        if bubblewrap.can_size_tmpfs() {
            args.words(&["--size", &limits.tmp.to_string()]);
        }
        args.words(&["--tmpfs", "/tmp"]);
        for bind in &self.binds {
            args.word(if bind.writable { "--bind" } else { "--ro-bind" });
            args.word(&bind.host).word(&bind.inside);
        }
        args.words(&[
            "--chdir",
            &self.workdir,
            "--",
            "bash",
            "-c",
            &limit_script(limits),
            marker,
        ]);
        args.words(argv);
        args.0
    }
}

struct Args(Vec<OsString>);

impl Args {
    fn word(&mut self, word: impl Into<OsString>) -> &mut Self {
        self.0.push(word.into());
        self
    }

    fn words(&mut self, words: &[&str]) {
        self.0.extend(words.iter().map(OsString::from));
    }
}

/// Exit code of the shell when a limit cannot be set, so that nothing ever runs without its limits.
pub(super) const LIMITS_REFUSED: i32 = 125;

/// bash's units: seconds for `-t`, KiB for `-v` and `-f`.
fn limit_script(limits: &Limits) -> String {
    let cpu = limits.cpu.as_secs() + u64::from(limits.cpu.subsec_nanos() > 0);
    let address_space = limits.address_space.div_ceil(1024);
    let file_size = limits.file_size.div_ceil(1024);
    let processes = limits.processes;
    format!(
        "ulimit -c 0 && ulimit -t {cpu} && ulimit -v {address_space} && ulimit -f {file_size} && \
         ulimit -u {processes} || exit {LIMITS_REFUSED}; printf '%s\\n' \"$0\" >&2; exec \"$@\""
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deadline::Deadline;
    use std::time::Duration;

    fn words(sandbox: &Sandbox, version: &str) -> Vec<String> {
        // A stand-in that only reports a version; the arguments are what is looked at.
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let fake = dir.path().join("bwrap");
        fs_err::write(&fake, format!("#!/bin/sh\necho bubblewrap {version}\n")).unwrap();
        fs_err::set_permissions(&fake, std::fs::Permissions::from_mode(0o755)).unwrap();
        let bubblewrap = Bubblewrap::find(dir.path().as_os_str()).unwrap();
        let limits = Limits::for_compile(Deadline::after(Duration::from_secs(1)));
        sandbox
            .arguments(&bubblewrap, &limits, "marker", &["gcc", "-c", "a b.c"])
            .into_iter()
            .map(|word| word.into_string().unwrap())
            .collect()
    }

    #[test]
    fn the_host_is_invisible_but_for_the_binds() {
        let sandbox = Sandbox::new(Path::new("/roots/x")).read_only(Path::new("/w/src"), "/lab/src");
        let words = words(&sandbox, "0.8.0");
        for needed in [
            "--unshare-all",
            "--die-with-parent",
            "--new-session",
            "--clearenv",
        ] {
            assert!(words.iter().any(|word| word == needed), "{needed}");
        }
        assert!(
            !words
                .iter()
                .any(|word| word == "--proc" || word == "--bind" || word == "--share-net")
        );
        let binds: Vec<_> = words
            .windows(3)
            .filter(|three| three[0] == "--ro-bind")
            .map(|three| &three[1..])
            .collect();
        assert_eq!(binds, [["/roots/x", "/"], ["/w/src", "/lab/src"]]);
        assert_eq!(words[words.len() - 4..], ["marker", "gcc", "-c", "a b.c"]);
    }

    #[test]
    fn an_old_bubblewrap_is_not_given_options_it_lacks() {
        let sandbox = Sandbox::new(Path::new("/r"));
        assert!(!words(&sandbox, "0.6.1").contains(&"--size".to_owned()));
        assert!(words(&sandbox, "0.7.0").contains(&"--size".to_owned()));
    }
}
