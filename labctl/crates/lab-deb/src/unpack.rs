//! Unpacking a package below a directory of the host.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::Errno;
use thiserror::Error;

use crate::archive::{DebArchive, DebError, Entry, EntryKind, FileContent, ReadOptions, Skipped, VisitError};
use crate::{RelativePath, Version};

/// A package that could not be unpacked.
#[derive(Debug, Error)]
pub enum UnpackError {
    #[error(transparent)]
    Archive(#[from] DebError),
    #[error("cannot open the directory `{}`", path.display())]
    Root {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot write `{path}`")]
    Write {
        path: RelativePath,
        #[source]
        source: io::Error,
    },
    #[error("`{path}` is a directory in one package and not in another")]
    Clash { path: RelativePath },
}

/// What was unpacked.
#[derive(Debug, Clone)]
pub struct Unpacked {
    pub package: String,
    pub version: Version,
    pub entries: u64,
    /// Files that an earlier package had put there.
    pub replaced: Vec<RelativePath>,
    pub skipped: Vec<Skipped>,
}

/// Unpacks the `.deb` in `deb` below `root`, which has to exist; several packages may share it. Links of earlier
/// packages are followed as if `root` were `/` (openat2(2), `RESOLVE_IN_ROOT`), so nothing outside of it is ever
/// written or read. Owners are not kept. Directories stay writable and files readable for their owner. Times are
/// the package's, so that unpacking again does not make everything look new to `make`.
pub fn unpack_into(root: &Path, deb: impl Read, options: &ReadOptions) -> Result<Unpacked, UnpackError> {
    let opened = File::open(root).map_err(|source| UnpackError::Root {
        path: root.to_owned(),
        source,
    })?;
    let archive = DebArchive::open(deb)?;
    let (package, version) = (archive.package.clone(), archive.version.clone());
    let mut target = Target {
        root: opened.into(),
        open: None,
        replaced: Vec::new(),
    };
    let visited = archive
        .for_each_entry(options, |entry| target.write(entry))
        .map_err(|error| match error {
            VisitError::Archive(error) => UnpackError::Archive(error),
            VisitError::Visitor(error) => error,
        })?;
    Ok(Unpacked {
        package,
        version,
        entries: visited.entries,
        replaced: target.replaced,
        skipped: visited.skipped,
    })
}

struct Target {
    root: OwnedFd,
    /// The directory of the last entry: the next one is mostly there, too.
    open: Option<(RelativePath, OwnedFd)>,
    replaced: Vec<RelativePath>,
}

impl Target {
    fn write(&mut self, entry: Entry<'_>) -> Result<(), UnpackError> {
        let Entry {
            path,
            mode,
            mtime,
            kind,
        } = entry;
        let failed = |source: io::Error| UnpackError::Write {
            path: path.clone(),
            source,
        };
        match kind {
            EntryKind::Directory => {
                // A link to a directory stays one, as with dpkg.
                let directory = self.make_directories(&path)?;
                rustix::fs::fchmod(&directory, Mode::from_raw_mode(mode | 0o700))
                    .map_err(|e| failed(e.into()))?;
            }
            EntryKind::File(mut content) => {
                self.replace(&path, |directory, name| {
                    let flags =
                        OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    let file = rustix::fs::openat(directory, name, flags, Mode::from_raw_mode(0o600))?;
                    let mut file = File::from(file);
                    copy(&mut content, &mut file)?;
                    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode | 0o400))?;
                    rustix::fs::futimens(&file, &times(mtime))?;
                    Ok(())
                })?;
            }
            EntryKind::Symlink { target } => {
                self.replace(&path, |directory, name| {
                    Ok(rustix::fs::symlinkat(target.as_str(), directory, name)?)
                })?;
            }
            EntryKind::HardLink { target } => {
                let parent = target.parent().unwrap_or_else(|| target.clone());
                let from = self.make_directories(&parent)?;
                self.replace(&path, |directory, name| {
                    Ok(rustix::fs::linkat(
                        &from,
                        target.file_name(),
                        directory,
                        name,
                        AtFlags::empty(),
                    )?)
                })?;
            }
        }
        Ok(())
    }

    /// Has `make` put something at `path`, after removing what an earlier package left there.
    fn replace(
        &mut self,
        path: &RelativePath,
        make: impl FnOnce(&OwnedFd, &str) -> Result<(), Failure>,
    ) -> Result<(), UnpackError> {
        let failed = |source: io::Error| UnpackError::Write {
            path: path.clone(),
            source,
        };
        let parent = path.parent().unwrap_or_else(|| path.clone());
        let directory = match self.open.take() {
            Some((open, directory)) if open == parent => directory,
            _ => self.make_directories(&parent)?,
        };
        match rustix::fs::unlinkat(&directory, path.file_name(), AtFlags::empty()) {
            Ok(()) => self.replaced.push(path.clone()),
            Err(Errno::NOENT) => {}
            Err(Errno::ISDIR) => return Err(UnpackError::Clash { path: path.clone() }),
            Err(errno) => return Err(failed(errno.into())),
        }
        make(&directory, path.file_name()).map_err(|failure| match failure {
            Failure::Read(error) => UnpackError::Archive(error),
            Failure::Write(error) => failed(error),
        })?;
        self.open = Some((parent, directory));
        Ok(())
    }

    /// Opens the directory `path`, which it makes with its parents where they are missing.
    fn make_directories(&self, path: &RelativePath) -> Result<OwnedFd, UnpackError> {
        match self.open_directory(path.as_str()) {
            Ok(directory) => return Ok(directory),
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(self.directory_error(path, errno)),
        }
        let mut above = self
            .open_directory("")
            .map_err(|errno| self.directory_error(path, errno))?;
        for step in path.ancestors().chain([path.as_str()]) {
            let name = step.rsplit('/').next().unwrap_or(step);
            match rustix::fs::mkdirat(&above, name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(self.directory_error(path, errno)),
            }
            above = self
                .open_directory(step)
                .map_err(|errno| self.directory_error(path, errno))?;
        }
        Ok(above)
    }

    fn open_directory(&self, path: &str) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { "." } else { path };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat2(
            self.root.as_fd(),
            path,
            flags,
            Mode::empty(),
            ResolveFlags::IN_ROOT,
        )
    }

    fn directory_error(&self, path: &RelativePath, errno: Errno) -> UnpackError {
        match errno {
            Errno::NOTDIR => UnpackError::Clash { path: path.clone() },
            errno => UnpackError::Write {
                path: path.clone(),
                source: errno.into(),
            },
        }
    }
}

/// Which side of a copy failed: a damaged package is not a full disk.
enum Failure {
    Read(DebError),
    Write(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Write(error)
    }
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Failure {
        Failure::Write(errno.into())
    }
}

fn copy(content: &mut FileContent<'_>, file: &mut File) -> Result<(), Failure> {
    let mut buffer = [0; 64 << 10];
    loop {
        match content.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => file.write_all(&buffer[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Failure::Read(DebError::from_content(error))),
        }
    }
}

fn times(seconds: u64) -> Timestamps {
    Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: i64::try_from(seconds).unwrap_or(0),
            tv_nsec: 0,
        },
    }
}
