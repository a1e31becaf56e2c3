//! A Slurm cluster of one node, this host, in a folder of its own: its own keys, ports and daemons.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fs_err as fs;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::bed::command;

/// What a cluster needs; Debian's packages munge, slurmctld, slurmd and slurm-client have them.
const PROGRAMS: [&str; 6] = ["munged", "slurmctld", "slurmd", "sbatch", "sinfo", "scontrol"];
/// So long a daemon may take until it answers, and a part until its first verdict.
const PATIENCE: Duration = Duration::from_secs(120);
const NODE: &str = "lab";

pub(crate) struct Cluster {
    dir: tempfile::TempDir,
    munged: Child,
    controller: Child,
    node: Child,
}

impl Cluster {
    /// A cluster whose node is idle; the name of what is missing where this host cannot be one.
    pub(crate) fn start() -> Result<Self, &'static str> {
        if let Some(missing) = PROGRAMS.into_iter().find(|name| find(name).is_none()) {
            return Err(missing);
        }
        let dir = tempfile::Builder::new().prefix("slurm").tempdir().unwrap();
        let at = dir.path();
        for folder in ["spool", "state"] {
            fs::create_dir(at.join(folder)).unwrap();
        }
        fs::write(at.join("slurm.conf"), configuration(at)).unwrap();
        fs::write(at.join("key"), [0x5a; 1024]).unwrap();
        fs::set_permissions(
            at.join("key"),
            std::os::unix::fs::PermissionsExt::from_mode(0o600),
        )
        .unwrap();
        let munged = daemon(at, "munged")
            .arg("--foreground")
            .arg("--force")
            .arg(word("--key-file=", at, "key"))
            .arg(word("--socket=", at, "munge"))
            .arg(word("--pid-file=", at, "munged.pid"))
            .arg(word("--log-file=", at, "munged.log"))
            .arg(word("--seed-file=", at, "seed"))
            .spawn()
            .unwrap();
        until("munged listens", || at.join("munge").exists());
        let controller = daemon(at, "slurmctld").args(["-D", "-c"]).spawn().unwrap();
        let node = start_node(at);
        let cluster = Self {
            dir,
            munged,
            controller,
            node,
        };
        until("the node is idle", || {
            cluster.ask("sinfo", &["-h", "-o", "%T"]) == "idle\n"
        });
        Ok(cluster)
    }

    /// The value of SLURM_CONF with which commands find this cluster.
    pub(crate) fn configuration(&self) -> PathBuf {
        self.dir.path().join("slurm.conf")
    }

    /// The node dies with all that runs on it, as by a power failure, and comes back.
    pub(crate) fn power_failure(&mut self) {
        let victims = self.ask("scontrol", &["listpids"]);
        self.node.kill().unwrap();
        self.node.wait().unwrap();
        // `listpids`: PID, job, step …, one process of a job in each line, after a heading. A job's processes are in the
        // process group of its shell.
        let victims: Vec<Pid> = victims
            .lines()
            .skip(1)
            .filter_map(|line| Pid::from_raw(line.split_whitespace().next()?.parse().ok()?))
            .collect();
        // First the daemons that look after a job: they outlive slurmd, and would report a job that failed, of which a
        // node without power says nothing.
        for daemon in victims.iter().filter_map(|victim| step_daemon(*victim)) {
            _ = kill_process(daemon, Signal::KILL);
        }
        for victim in victims {
            _ = kill_process_group(victim, Signal::KILL);
            _ = kill_process(victim, Signal::KILL);
        }
        let node = format!("nodename={NODE}");
        self.ask("scontrol", &["update", &node, "state=down", "reason=power"]);
        self.node = start_node(self.dir.path());
        self.ask("scontrol", &["update", &node, "state=resume"]);
    }

    /// How often the tasks of all jobs were run again.
    pub(crate) fn restarts(&self) -> usize {
        let jobs = self.ask("scontrol", &["show", "job"]);
        let counts = jobs
            .split_whitespace()
            .filter_map(|word| word.strip_prefix("Restarts="));
        counts.map(|count| count.parse::<usize>().unwrap()).sum()
    }

    fn ask(&self, program: &str, args: &[&str]) -> String {
        let output = command(program)
            .args(args)
            .env("SLURM_CONF", self.configuration())
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for daemon in [&mut self.node, &mut self.controller, &mut self.munged] {
            // One that has ended already is what is wanted.
            drop(daemon.kill());
            drop(daemon.wait());
        }
    }
}

/// The parent of a process, if it is one of Slurm's that look after a job; each is the parent of its job's shell.
fn step_daemon(child: Pid) -> Option<Pid> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.as_raw_nonzero())).ok()?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim();
    let name = fs::read_to_string(format!("/proc/{parent}/comm")).ok()?;
    (name.trim() == "slurmstepd").then_some(Pid::from_raw(parent.parse().ok()?)?)
}

fn start_node(at: &Path) -> Child {
    daemon(at, "slurmd")
        .args(["-D", "-c", "-N", NODE])
        .spawn()
        .unwrap()
}

fn daemon(at: &Path, name: &str) -> Command {
    let mut command = command(find(name).unwrap());
    command
        .env("SLURM_CONF", at.join("slurm.conf"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Daemons are not in everybody's PATH.
fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

fn word(option: &str, at: &Path, name: &str) -> String {
    format!("{option}{}", at.join(name).display())
}

/// slurm.conf(5). `cred_expire` is also how long a job waits that runs again.
fn configuration(at: &Path) -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let short = host.split('.').next().unwrap().to_owned();
    let user = if rustix::process::getuid().is_root() {
        "root".to_owned()
    } else {
        std::env::var("USER").unwrap()
    };
    let [controller, node] = ports();
    let at = at.display();
    format!(
        "ClusterName=lab\nSlurmctldHost={short}(127.0.0.1)\nSlurmUser={user}\nSlurmdUser={user}\n\
         AuthType=auth/munge\nAuthInfo=socket={at}/munge,cred_expire=5\nCredType=cred/munge\n\
         SlurmctldPort={controller}\nSlurmctldPidFile={at}/slurmctld.pid\nSlurmctldLogFile={at}/slurmctld.log\n\
         SlurmdPidFile={at}/slurmd.pid\nSlurmdLogFile={at}/slurmd.log\nSlurmdSpoolDir={at}/spool\n\
         StateSaveLocation={at}/state\nProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nSwitchType=switch/none\n\
         JobAcctGatherType=jobacct_gather/none\nAccountingStorageType=accounting_storage/none\nMpiDefault=none\n\
         SelectType=select/cons_tres\nSelectTypeParameters=CR_CPU\nReturnToService=2\nKillWait=5\n\
         NodeName={NODE} NodeHostname={short} NodeAddr=127.0.0.1 Port={node} CPUs=2 RealMemory=4000 State=UNKNOWN\n\
         PartitionName=labs Nodes={NODE} Default=YES MaxTime=INFINITE State=UP\n"
    )
}

/// Two ports that nobody has.
fn ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

#[expect(
    clippy::disallowed_methods,
    reason = "nothing tells what somebody else's daemon, or a program on a node, has come to"
)]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(
            start.elapsed() < PATIENCE,
            "in {PATIENCE:?} it did not come true: {what}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}
