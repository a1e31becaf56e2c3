//! One folder per run of an exercise, kept as evidence, with a typed path for every file in it.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;

/// The folder of one run. Paths only: what the files hold is their writers' business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Makes `<root>/<stamp>-<exercise>-<nonce>`; the caller supplies the parts, so that nothing here reads a
    /// clock. Readable by the user alone: a class's answers are nobody else's business.
    ///
    /// # Errors
    /// When the folder cannot be made, or exists.
    pub fn create(root: &Path, stamp: &str, exercise: &str, nonce: &str) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;

        fs::create_dir_all(root)?;
        let path = root.join(format!("{stamp}-{exercise}-{nonce}"));
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { path })
    }

    /// A run recorded before: its folder, or the evidence file in it.
    pub fn existing(path: &Path) -> Self {
        let path = if path.is_file() {
            path.parent().unwrap_or(path)
        } else {
            path
        };
        Self {
            path: path.to_owned(),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the verdict rests on (`grade::evidence`).
    pub fn evidence(&self) -> PathBuf {
        self.path.join("evidence.json")
    }

    /// Kernel, image, accelerator: where the verdict was reached.
    pub fn environment(&self) -> PathBuf {
        self.path.join("environment.json")
    }

    /// The guest's serial console, raw.
    pub fn console(&self) -> PathBuf {
        self.path.join("console.log")
    }

    /// The guest's kernel log, as `/dev/kmsg` records.
    pub fn kernel_log(&self) -> PathBuf {
        self.path.join("kernel.log")
    }

    /// The witness's records, as JSON lines.
    pub fn witness(&self) -> PathBuf {
        self.path.join("witness.jsonl")
    }

    /// The compiler's whole output for one artefact.
    pub fn build_log(&self, artefact: &str) -> PathBuf {
        self.path.join(format!("build-{artefact}.log"))
    }

    /// A chart of what was measured.
    pub fn chart(&self, figure: &str) -> PathBuf {
        self.path.join(format!("{figure}.svg"))
    }

    /// Everything one program printed.
    pub fn output(&self, step: &str, stream: &str) -> PathBuf {
        self.path.join(format!("{step}.{stream}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_never_share_a_folder() {
        let root = tempfile::tempdir().unwrap();
        RunDir::create(root.path(), "t", "exercise-b", "1").unwrap();
        assert!(RunDir::create(root.path(), "t", "exercise-b", "1").is_err());
    }
}
