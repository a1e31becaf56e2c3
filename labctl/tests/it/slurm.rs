//! Handing a job in, against programs that play Slurm's part. Slurm itself is in the tests with guests.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use fs_err as fs;
use labctl::slurm::{ArrayJob, Ended, SlurmError, submit};
use labctl::supervise::Cancel;
use tempfile::TempDir;

struct Bed {
    dir: TempDir,
    cancel: Cancel,
}

impl Bed {
    /// A host whose sbatch does this.
    fn new(sbatch: &str) -> Self {
        let bed = Self {
            dir: TempDir::new().unwrap(),
            cancel: Cancel::new(),
        };
        bed.program("sbatch", sbatch);
        bed.program(
            "scancel",
            "echo $1 > \"$BED/cancelled\"; echo over > \"$BED/end\"",
        );
        bed
    }

    fn program(&self, name: &str, body: &str) {
        let path = self.dir.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.dir.path().join(name)).unwrap()
    }

    async fn submit(&self, told: impl FnOnce(&str)) -> Result<Ended, SlurmError> {
        let job = ArrayJob {
            name: "labctl-m".to_owned(),
            parts: 2,
            cpus: 1,
            memory_mib: 700,
            command: vec![
                self.dir.path().join("labctl").into(),
                "it's $(here)/hand ins".into(),
            ],
            folder: self.dir.path().join("all parts"),
            options: Vec::new(),
        };
        let environment = [(OsString::from("BED"), self.dir.path().into())];
        let search = search_path(self.dir.path());
        submit(&job, &search, &environment, &self.cancel, told).await
    }
}

fn search_path(first: &Path) -> OsString {
    let mut path = first.as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    path
}

#[tokio::test]
async fn a_job_is_told_by_its_number_and_ends_with_the_worst_of_its_tasks() {
    let bed = Bed::new("echo \"$@\" > \"$BED/words\"; echo '17;north'; echo one failed >&2; exit 5");
    let mut number = None;
    let ended = bed.submit(|job| number = Some(job.to_owned())).await.unwrap();
    assert_eq!(number.as_deref(), Some("17"));
    assert_eq!((ended.job.as_str(), ended.status), ("17", 5));
    assert_eq!(ended.message, "one failed");
    let words = bed.read("words");
    assert!(words.starts_with("--parsable --wait --requeue"), "{words}");
    assert!(words.trim_end().ends_with("/all parts/part.sh"), "{words}");
}

#[tokio::test]
async fn a_part_that_runs_again_goes_on_where_it_was() {
    let task = "for script; do :; done; echo 17; SLURM_ARRAY_TASK_ID=2 sh \"$script\"";
    let bed = Bed::new(&format!("{task}; {task}"));
    let told = "printf '%s\\n' \"$@\" >> \"$BED/words\"; mkdir -p \"$BED/all parts/2\"; : > \"$BED/all parts/2/class.json\"";
    bed.program("labctl", told);
    bed.submit(|_| ()).await.unwrap();
    let into = bed.dir.path().join("all parts/2");
    let once = |how: &str| {
        format!(
            "it's $(here)/hand ins\n--partition\n2/2\n{how}\n{}\n",
            into.display()
        )
    };
    assert_eq!(bed.read("words"), once("--output") + &once("--resume"));
}

#[tokio::test]
async fn what_slurm_does_not_take_is_told_in_its_words() {
    let bed = Bed::new("echo 'sbatch: error: invalid partition specified: long' >&2; exit 1");
    let refused = bed.submit(|_| panic!("there is no job")).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "Slurm did not take the job: sbatch: error: invalid partition specified: long"
    );
}

#[tokio::test]
async fn a_host_without_slurm_is_named_by_what_it_lacks() {
    let bed = Bed::new("exit 0");
    fs::remove_file(bed.dir.path().join("scancel")).unwrap();
    let job = ArrayJob {
        name: String::new(),
        parts: 1,
        cpus: 1,
        memory_mib: 1,
        command: Vec::new(),
        folder: bed.dir.path().join("parts"),
        options: Vec::new(),
    };
    let only_here = bed.dir.path().as_os_str().to_owned();
    let missing = submit(&job, &only_here, &[], &bed.cancel, |_| ())
        .await
        .unwrap_err();
    assert_eq!(missing.to_string(), "`scancel` is not installed on this host");
    assert!(!bed.dir.path().join("parts").exists());
}

#[tokio::test]
async fn an_interrupt_cancels_the_job_and_waits_for_its_end() {
    // Ends when scancel has written into the fifo, as sbatch ends with the job it waits for.
    let bed = Bed::new("mkfifo \"$BED/end\"; echo 23; read _ < \"$BED/end\"; echo gone > \"$BED/ended\"");
    let cancel = bed.cancel.clone();
    let interrupted = bed.submit(|_| _ = cancel.request()).await.unwrap_err();
    assert!(matches!(&interrupted, SlurmError::Interrupted { job } if job == "23"));
    assert_eq!(bed.read("cancelled"), "23\n");
    assert_eq!(bed.read("ended"), "gone\n");
}
