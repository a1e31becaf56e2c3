//! A user's account of its own: nothing of the host's settings, and nothing left in it that was not asked for.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use fs_err as fs;

/// A course that needs no kernel to be graded, and one exercise that would.
const COURSE: &[(&str, &str)] = &[
    (
        "labs.yaml",
        "course: test
title: A course for tests
modules:
  copies:
    title: Copies of a datagram
    kernel: small-6.12
    kernels: [other-6.12]
    image: tiny
    vm: { cpus: 1, memory: 256 MiB }
    exercises: [bandwidth, live]
",
    ),
    (
        "labs/copies/exercises/bandwidth.yaml",
        "id: bandwidth
title: What a copy costs
givens:
  transfer: { type: integer, lesson: 1000000000, min: 1000000000, max: 9000000000, step: 1000000000 }
worksheet:
  - { id: moved, ask: 'Bytes moved ___', type: bytes, unit: GB, key: transfer * 2, help: every copy reads and writes,
      mistakes: [{ id: failure-5, when: answer == transfer, help: a copy is a read and a write }] }
  - { id: register, ask: 'The length is in ___', type: register, key: \"'rsi'\", help: the second argument, points: 2 }
",
    ),
    (
        "labs/copies/exercises/live.yaml",
        "id: live
title: A datagram in a guest
run:
  - { id: send, exec: { script: commands/send.sh } }
facts:
  said: { from: stdout, step: send, match: 'sent {count:int} bytes' }
checks:
  - { id: sent, title: The datagram was sent, points: 3, pass: 'size(said) == 1 && said[0].count == 13', passed: 13 bytes,
      message: 'the script tells of {{size(said)}} datagrams', help: print what sendto returned }
",
    ),
    (
        "labs/copies/commands/send.sh",
        "#!/bin/sh\n#@ todo\n#@ # TODO\n#@ solution\necho sent 13 bytes\n#@ end\n",
    ),
    (
        "labs/copies/mistakes.yaml",
        "failure-5:
  title: A copy is a read and a write
  explanation: The bytes cross the memory bus twice, once out of the source and once into the destination.
  hints: [What does the CPU do before it can write?, Count both directions., 'Double it.']
",
    ),
    (
        "kernels/small-6.12/kernel.yaml",
        "about: A small kernel
packaged:
  image: linux-image-small
  headers: linux-headers-small
  compiler: gcc-14
  toolchain: [gcc-14]
  modules: []
features: {}
",
    ),
    (
        "images/tiny/image.yaml",
        "about: a shell
base:
  packages: [busybox-static]
  programs: [usr/bin/busybox]
  applets: usr/bin/busybox
layers: {}
layer-tools: [bash]
",
    ),
];

/// An account, and the folder in which its commands are started.
pub(crate) struct Shell {
    root: tempfile::TempDir,
}

impl Shell {
    pub(crate) fn new() -> Self {
        let shell = Self {
            root: tempfile::tempdir().unwrap(),
        };
        for folder in ["home", "tmp", "here", "course"] {
            fs::create_dir(shell.path(folder)).unwrap();
        }
        for (path, text) in COURSE {
            shell.write(&format!("course/{path}"), text);
        }
        shell
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Where commands are started.
    pub(crate) fn here(&self, name: &str) -> PathBuf {
        self.path("here").join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Replaces a text that is there in a file that is there.
    pub(crate) fn edit(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(name)).unwrap();
        assert!(text.contains(from), "{name} has no `{from}`");
        self.write(name, &text.replacen(from, to, 1));
    }

    #[expect(clippy::disallowed_methods, reason = "the program under test")]
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_labctl"));
        command
            .args(args)
            .current_dir(self.path("here"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("tmp"))
            .stdin(Stdio::null());
        command
    }

    /// With the small course of this file.
    pub(crate) fn course_command(&self, args: &[&str]) -> Command {
        let mut command = self.command(args);
        command.env("LABCTL_COURSE", self.path("course"));
        command
    }

    /// What a run of labctl with the course built in looks like.
    pub(crate) fn run(&self, args: &[&str]) -> String {
        self.transcript(args, &self.command(args).output().unwrap())
    }

    /// What a run of labctl with the small course looks like.
    pub(crate) fn run_course(&self, args: &[&str]) -> String {
        self.transcript(args, &self.course_command(args).output().unwrap())
    }

    pub(crate) fn transcript(&self, args: &[&str], output: &Output) -> String {
        self.assert_tidy();
        let mut text = format!("$ labctl {}\n", args.join(" "));
        for (name, bytes) in [("", &output.stdout), ("--- stderr\n", &output.stderr)] {
            let said = String::from_utf8(bytes.clone()).unwrap();
            if !said.is_empty() {
                text.push_str(name);
                text.push_str(&said);
                assert!(said.ends_with('\n'), "the last line has no end: {said:?}");
            }
        }
        text.push_str(&format!("--- exit {}\n", output.status.code().unwrap()));
        self.same_everywhere(&text)
    }

    /// Without what differs between two runs.
    fn same_everywhere(&self, text: &str) -> String {
        let root = self.root.path().to_str().unwrap();
        text.replace(root, "[ROOT]")
            .replace(env!("CARGO_PKG_VERSION"), "[VERSION]")
    }

    /// Nothing temporary is left: no file in TMPDIR, no instance, nothing half made in the store.
    pub(crate) fn assert_tidy(&self) {
        for folder in ["tmp", "home/.local/state/labctl/instances"] {
            let path = self.path(folder);
            if path.exists() {
                assert_eq!(names(&path), Vec::<String>::new(), "left in {folder}");
            }
        }
        assert_eq!(self.half_made(), Vec::<String>::new());
    }

    /// What lies in the store's staging folder and no later run can resume.
    pub(crate) fn half_made(&self) -> Vec<String> {
        let staging = self.path("home/.cache/labctl/v1/staging");
        let mut names = if staging.exists() {
            names(&staging)
        } else {
            Vec::new()
        };
        names.retain(|name| name.contains('~'));
        names
    }
}

/// The names in a folder, sorted.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
