//! Handing a job in, and waiting for its end.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use fs_err as fs;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

use super::job::{ArrayJob, job_number};
use crate::supervise::{Cancel, async_command, find_program};

/// So long a job that was cancelled may take to be gone before nobody waits for it any more.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why there are no results of a job.
#[derive(Debug, thiserror::Error)]
pub enum SlurmError {
    #[error("`{program}` is not installed on this host")]
    NoProgram { program: &'static str },
    #[error("cannot {action}")]
    Io {
        action: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("Slurm did not take the job: {message}")]
    Refused { message: String },
    #[error("interrupted; the job {job} was cancelled")]
    Interrupted { job: String },
}

/// A job that Slurm no longer runs, as far as can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    pub job: String,
    /// The highest exit status of its tasks; 0 when all of them ended well.
    pub status: i32,
    /// What sbatch said besides.
    pub message: String,
}

/// Hands `job` in and waits until all of its tasks have ended; `told` gets its number once it has one. Programs are
/// looked for in `search_path` and run with `environment`, which the tasks inherit (sbatch(1), `--export`).
///
/// # Errors
/// [`SlurmError`]; a task that fails is none.
pub async fn submit(
    job: &ArrayJob,
    search_path: &OsStr,
    environment: &[(OsString, OsString)],
    cancel: &Cancel,
    told: impl FnOnce(&str),
) -> Result<Ended, SlurmError> {
    let find = |program| find_program(program, search_path).ok_or(SlurmError::NoProgram { program });
    let (sbatch, scancel) = (find("sbatch")?, find("scancel")?);
    let failed = |action| move |source| SlurmError::Io { action, source };
    fs::create_dir_all(&job.folder).map_err(failed("make the folder of the parts"))?;
    let script = script_file(job).map_err(failed("write the job's script"))?;
    let mut child = async_command(&sbatch)
        .args(job.arguments())
        .arg(&script)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed("start sbatch"))?;
    // Both are there: they were asked for.
    let (Some(stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(failed("read from sbatch")(io::ErrorKind::BrokenPipe.into()));
    };
    let message = tokio::spawn(async move {
        let mut bytes = Vec::new();
        // What cannot be read any more was not said.
        drop(stderr.read_to_end(&mut bytes).await);
        String::from_utf8_lossy(&bytes).trim().to_owned()
    });
    let mut lines = BufReader::new(stdout).lines();
    let first = lines.next_line().await.map_err(failed("read from sbatch"))?;
    let Some(number) = first.as_deref().and_then(job_number).map(str::to_owned) else {
        let message = message.await.unwrap_or_default();
        return Err(SlurmError::Refused { message });
    };
    told(&number);
    let status = tokio::select! {
        status = child.wait() => status.map_err(failed("wait for sbatch"))?,
        () = cancel.requested() => {
            end(&scancel, &number, environment).await.map_err(failed("run scancel"))?;
            // Without its tasks' end the parts' folders would still be written to.
            drop(tokio::time::timeout(PATIENCE, child.wait()).await);
            return Err(SlurmError::Interrupted { job: number });
        }
    };
    Ok(Ended {
        job: number,
        status: status.code().unwrap_or(-1),
        message: message.await.unwrap_or_default(),
    })
}

/// The script stays beside the parts: it is how a part is run again by hand.
fn script_file(job: &ArrayJob) -> io::Result<PathBuf> {
    let file = job.folder.join("part.sh");
    fs::write(&file, job.script())?;
    Ok(file)
}

async fn end(scancel: &Path, job: &str, environment: &[(OsString, OsString)]) -> io::Result<()> {
    let status = async_command(scancel)
        .arg(job)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.await.map(|_| ())
}
