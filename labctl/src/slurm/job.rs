//! What Slurm is asked for. Pure.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

/// An array job: the same command for every part of a class.
#[derive(Debug, Clone)]
pub struct ArrayJob {
    /// What `squeue` shows.
    pub name: String,
    /// How many tasks; they are numbered from 1.
    pub parts: usize,
    /// Processors for each task.
    pub cpus: usize,
    /// Memory for each task, in MiB.
    pub memory_mib: u64,
    /// The program and its arguments, without those that tell the parts apart.
    pub command: Vec<OsString>,
    /// Where each part leaves its results, in a folder named like its number, and what it said, in `N.log`.
    pub folder: PathBuf,
    /// More options for sbatch, as the user gave them.
    pub options: Vec<String>,
}

impl ArrayJob {
    /// The batch script (sbatch(1)): a shell starts it on a node with `SLURM_ARRAY_TASK_ID` set.
    ///
    /// A part that runs again after its node died goes on in its own folder, and keeps what was finished.
    #[must_use]
    pub fn script(&self) -> Vec<u8> {
        let mut script = b"#!/bin/sh\n# One part of a class, for each task of a Slurm array.\ninto=".to_vec();
        script.extend(quoted(self.folder.as_os_str()));
        script.extend(b"/$SLURM_ARRAY_TASK_ID\nhow=--output\nif [ -f \"$into\"/class.json ]; then how=--resume; fi\nexec");
        for word in &self.command {
            script.push(b' ');
            script.extend(quoted(word));
        }
        let parts = self.parts;
        script.extend(format!(" --partition \"$SLURM_ARRAY_TASK_ID/{parts}\" \"$how\" \"$into\"\n").bytes());
        script
    }

    /// The arguments of sbatch before the script's name. Those of the user come last, so that they win.
    #[must_use]
    pub fn arguments(&self) -> Vec<OsString> {
        // In a file name pattern of Slurm's, `%` begins a replacement.
        let folder: Vec<u8> = self
            .folder
            .as_os_str()
            .as_bytes()
            .iter()
            .flat_map(|byte| {
                if *byte == b'%' {
                    vec![b'%', b'%']
                } else {
                    vec![*byte]
                }
            })
            .collect();
        let mut log = OsString::from("--output=");
        log.push(OsString::from_vec(folder));
        log.push("/%a.log");
        let mut arguments: Vec<OsString> = [
            "--parsable".to_owned(),
            "--wait".to_owned(),
            // Also where the cluster's default is not to run a job again whose node has failed.
            "--requeue".to_owned(),
            "--open-mode=append".to_owned(),
            "--ntasks=1".to_owned(),
            format!("--job-name={}", self.name),
            format!("--array=1-{}", self.parts),
            format!("--cpus-per-task={}", self.cpus),
            format!("--mem={}M", self.memory_mib),
        ]
        .into_iter()
        .map(OsString::from)
        .collect();
        arguments.push(log);
        arguments.extend(self.options.iter().map(OsString::from));
        arguments
    }
}

/// One word for a POSIX shell. No argument and no path can hold the NUL byte that a shell has no word for.
fn quoted(word: &OsStr) -> Vec<u8> {
    let quoter = shlex::bytes::Quoter::new().allow_nul(true);
    quoter
        .quote(word.as_bytes())
        .map_or_else(|_| word.as_bytes().to_vec(), std::borrow::Cow::into_owned)
}

/// The number in what `sbatch --parsable` prints: `42`, or `42;cluster`.
pub(super) fn job_number(line: &str) -> Option<&str> {
    let number = line.trim().split(';').next()?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> ArrayJob {
        ArrayJob {
            name: "labctl-module7".to_owned(),
            parts: 8,
            cpus: 2,
            memory_mib: 1536,
            command: ["labctl", "grade", "it's $(here)/hand ins"]
                .into_iter()
                .map(OsString::from)
                .collect(),
            folder: "/out/100% done".into(),
            options: vec!["--time=30".to_owned()],
        }
    }

    #[test]
    fn nothing_of_a_command_is_the_shells() {
        let script = String::from_utf8(job().script()).unwrap();
        let last = script.trim_end().lines().last().unwrap();
        assert_eq!(
            shlex::split(last).unwrap(),
            [
                "exec",
                "labctl",
                "grade",
                "it's $(here)/hand ins",
                "--partition",
                "$SLURM_ARRAY_TASK_ID/8",
                "$how",
                "$into",
            ]
        );
        assert!(
            script.contains("\ninto='/out/100% done'/$SLURM_ARRAY_TASK_ID\n"),
            "{script}"
        );
    }

    #[test]
    fn the_users_options_come_last() {
        let arguments: Vec<_> = job()
            .arguments()
            .into_iter()
            .map(|word| word.into_string().unwrap())
            .collect();
        assert!(arguments.contains(&"--array=1-8".to_owned()));
        assert!(arguments.contains(&"--mem=1536M".to_owned()));
        assert!(arguments.contains(&"--output=/out/100%% done/%a.log".to_owned()));
        assert_eq!(arguments.last().unwrap(), "--time=30");
    }

    #[test]
    fn the_number_of_a_job_is_found() {
        assert_eq!(job_number("42\n"), Some("42"));
        assert_eq!(job_number("42;north"), Some("42"));
        assert_eq!(job_number("sbatch: error"), None);
        assert_eq!(job_number(""), None);
    }
}
