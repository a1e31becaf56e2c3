//! Hostile programs in a real sandbox. Its root is an empty folder with the host's `/usr` bound in, so that these
//! tests need no download. Where bubblewrap is missing or forbidden they say so, which `LABCTL_FORBID_SKIP` makes a
//! failure.

use std::path::Path;
use std::time::Duration;

use fs_err as fs;

use super::*;
use crate::deadline::Deadline;
use crate::supervise::Cancel;

struct Trial {
    bubblewrap: Bubblewrap,
    sandbox: Sandbox,
    limits: Limits,
    _root: tempfile::TempDir,
}

fn trial() -> Option<Trial> {
    let search_path = std::env::var_os("PATH").unwrap_or_default();
    let bubblewrap = match probe(&search_path) {
        SandboxSupport::Works { bubblewrap } => bubblewrap,
        SandboxSupport::Broken { error } => {
            assert!(std::env::var_os("LABCTL_FORBID_SKIP").is_none(), "{error}");
            #[expect(clippy::print_stderr, reason = "a skip says why")]
            {
                eprintln!("skipped: {error}");
            }
            return None;
        }
    };
    let root = tempfile::tempdir().unwrap();
    for dir in ["usr", "dev", "tmp", "proc", "work"] {
        fs::create_dir(root.path().join(dir)).unwrap();
    }
    for name in ["bin", "lib", "lib64", "sbin"] {
        fs::os::unix::fs::symlink(format!("usr/{name}"), root.path().join(name)).unwrap();
    }
    let sandbox = Sandbox::new(root.path()).read_only(Path::new("/usr"), "/usr");
    let limits = Limits::for_compile(Deadline::after(Duration::from_secs(60)));
    Some(Trial {
        bubblewrap,
        sandbox,
        limits,
        _root: root,
    })
}

impl Trial {
    fn sh(&self, script: &str) -> Finished {
        self.sandbox
            .run(
                &self.bubblewrap,
                &["bash", "-c", script],
                &self.limits,
                &Cancel::new(),
                &mut |_, _| {},
            )
            .unwrap()
    }
}

#[test]
fn streams_and_the_exit_code_come_through() {
    let Some(trial) = trial() else { return };
    let finished = trial.sh("echo out; echo err >&2; exit 7");
    assert_eq!(finished.outcome, Outcome::Exited(7));
    assert_eq!(
        (finished.stdout.as_str(), finished.stderr.as_str()),
        ("out\n", "err\n")
    );
    assert_eq!(trial.sh("kill -SEGV $$").outcome, Outcome::Signaled(11));
}

#[test]
fn the_host_is_not_visible() {
    let Some(trial) = trial() else { return };
    let secret = tempfile::NamedTempFile::new().unwrap();
    let path = secret.path().display();
    let finished = trial.sh(&format!(
        "cat {path} /etc/passwd /proc/self/mountinfo /root/.bashrc 2>/dev/null; ls / /home /proc 2>/dev/null; env; uname -n"
    ));
    assert!(!finished.stdout.contains("root:"), "{}", finished.stdout);
    for line in ["bin", "dev", "labctl", "HOME=/tmp", "SOURCE_DATE_EPOCH=0"] {
        assert!(
            finished.stdout.lines().any(|got| got == line),
            "no `{line}` in {}",
            finished.stdout
        );
    }
    for name in ["home", "etc", "var", "CARGO"] {
        assert!(
            !finished.stdout.lines().any(|got| got.starts_with(name)),
            "`{name}` in {}",
            finished.stdout
        );
    }
}

#[test]
fn there_is_no_network_and_the_root_is_read_only() {
    let Some(trial) = trial() else { return };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let finished = trial.sh(&format!("exec 3<>/dev/tcp/127.0.0.1/{port}"));
    assert_ne!(finished.outcome, Outcome::Exited(0), "{}", finished.stderr);
    assert!(
        finished.stderr.contains("refused") || finished.stderr.contains("unreachable"),
        "{}",
        finished.stderr
    );
    // `/usr` exists in every root, so that only a read-only mount can refuse this.
    let refused = trial.sh("echo x > /usr/labctl-was-here");
    assert_ne!(refused.outcome, Outcome::Exited(0));
    assert!(refused.stderr.contains("Read-only"), "{}", refused.stderr);
}

#[test]
fn a_bound_folder_is_the_only_way_out() {
    let Some(mut trial) = trial() else { return };
    let out = tempfile::tempdir().unwrap();
    trial.sandbox = trial
        .sandbox
        .clone()
        .writable(out.path(), "/work")
        .workdir("/work");
    assert_eq!(trial.sh("echo made > here").outcome, Outcome::Exited(0));
    assert_eq!(fs::read_to_string(out.path().join("here")).unwrap(), "made\n");
}

#[test]
fn a_fork_bomb_is_limited() {
    let Some(mut trial) = trial() else { return };
    trial.limits.processes = 40;
    // Not one that doubles: for the host's root the limit is watched, not enforced by the kernel, and on a busy host
    // thousands of runnable processes would be there, and have to be ended, before the watch had its turn.
    let finished = trial.sh("while :; do sleep 1000 & done");
    // An unprivileged user is stopped by the rlimit as well, and bash then gives up by itself.
    assert_ne!(finished.outcome, Outcome::Exited(0));
    assert_ne!(finished.outcome, Outcome::LimitReached(Limit::Time));
}

#[test]
fn endless_output_is_limited() {
    let Some(mut trial) = trial() else { return };
    trial.limits.output = 100_000;
    let finished = trial.sh("while :; do echo all work and no play; done");
    assert_eq!(finished.outcome, Outcome::LimitReached(Limit::Output));
    assert!(finished.stdout.len() <= 100_001);
}

#[test]
fn time_is_limited_also_without_output() {
    let Some(mut trial) = trial() else { return };
    trial.limits.deadline = Deadline::after(Duration::from_millis(300));
    assert_eq!(
        trial.sh("exec >&- 2>&-; sleep 1000").outcome,
        Outcome::LimitReached(Limit::Time)
    );
    trial.limits.deadline = Deadline::after(Duration::from_millis(300));
    assert_eq!(
        trial.sh("sleep 1000 & sleep 1000 & wait").outcome,
        Outcome::LimitReached(Limit::Time)
    );
}

#[test]
fn memory_and_file_size_are_limited() {
    let Some(mut trial) = trial() else { return };
    trial.limits.memory = 64 << 20;
    let finished = trial.sh("x=x; while :; do x=$x$x; done");
    assert_eq!(finished.outcome, Outcome::LimitReached(Limit::Memory));
    trial.limits.file_size = 1 << 20;
    let finished = trial.sh("trap '' XFSZ; head -c 2M /dev/zero > /tmp/big; stat -c %s /tmp/big");
    assert_eq!(finished.stdout.trim(), "1048576");
}

#[test]
fn a_request_to_stop_ends_it_and_everything_in_it() {
    let Some(mut trial) = trial() else { return };
    let out = tempfile::tempdir().unwrap();
    trial.sandbox = trial.sandbox.clone().writable(out.path(), "/work");
    let cancel = Cancel::new();
    let stop = cancel.clone();
    let result = trial.sandbox.run(
        &trial.bubblewrap,
        &[
            "bash",
            "-c",
            "setsid bash -c 'echo started; exec sleep 1000' & wait",
        ],
        &trial.limits,
        &cancel,
        &mut |_, line| {
            assert_eq!(line, "started");
            stop.request();
        },
    );
    assert!(matches!(result, Err(SandboxError::Cancelled)));
}

#[test]
fn a_missing_root_and_a_bad_bind_are_told_apart() {
    let Some(mut trial) = trial() else { return };
    let run = |trial: &Trial| {
        trial
            .sandbox
            .run(
                &trial.bubblewrap,
                &["true"],
                &trial.limits,
                &Cancel::new(),
                &mut |_, _| {},
            )
            .unwrap_err()
    };
    let good = trial.sandbox.clone();
    trial.sandbox = good.clone().read_only(Path::new("/nonexistent/labctl"), "/work");
    assert!(
        matches!(run(&trial), SandboxError::Setup { message } if message.contains("/nonexistent/labctl"))
    );
    trial.sandbox = good;
    trial.sandbox.root = "/nonexistent/labctl".into();
    assert!(matches!(run(&trial), SandboxError::NoRoot { .. }));
}
