//! Single files to and from a guest, through the standard streams of `cat`: no SFTP server is needed in the guest,
//! and a copy costs no more than a command.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::StreamExt as _;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::command::{Command, NulInCommand, quote};
use super::exec::{CommandFailed, Exec, ExecError, Input};
use super::session::Guest;
use super::sink::Sink;
use super::unpack::UnpackError;
use crate::deadline::Deadline;
use crate::event::{Events, Stage, Unit};
use crate::supervise::Cancel;

/// What every copy needs to know besides what and where.
#[derive(Debug, Clone, Copy)]
pub struct Transfer<'a> {
    pub deadline: Deadline,
    pub cancel: &'a Cancel,
    /// Where progress, in bytes, is told, and as part of which stage.
    pub events: &'a Events,
    pub stage: Stage,
}

/// A file to be put into a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushFile {
    pub source: PathBuf,
    /// Absolute path of the new file in the guest. Missing folders are made.
    pub destination: PathBuf,
    /// Permission bits, such as 0o755.
    pub mode: u32,
}

/// How much is accepted from a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PullLimits {
    pub bytes: u64,
    /// Files, folders and links of a tree.
    pub entries: u64,
}

impl Default for PullLimits {
    /// One gibibyte, a hundred thousand entries.
    fn default() -> Self {
        Self {
            bytes: 1 << 30,
            entries: 100_000,
        }
    }
}

/// Why something was not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error("cannot {what} `{}` on the host", path.display())]
    Host {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot {what} `{}` in the guest", path.display())]
    Guest {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: CommandFailed,
    },
    #[error("`{}` is a folder in the guest: name the new file", path.display())]
    IsFolder { path: PathBuf },
    #[error("`{}` arrived in the guest with another size: is the disk full, or was the file being written?", path.display())]
    SizeDiffers { path: PathBuf },
    #[error("`{}` is larger than the {limit} bytes that are accepted", path.display())]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("`{}` exists already", path.display())]
    Exists { path: PathBuf },
    #[error("cannot unpack what the guest sent of `{}`", path.display())]
    Unpack {
        path: PathBuf,
        #[source]
        source: UnpackError,
    },
    #[error(transparent)]
    Exec(#[from] ExecError),
    #[error(transparent)]
    Nul(#[from] NulInCommand),
}

/// How many files are on their way at once: enough to hide the guest's round trips, too few for its SSH server to
/// mind.
const AT_ONCE: usize = 4;

/// Exit statuses of the guest's half of a push, apart from those of the programs in it.
const IS_FOLDER: i32 = 171;
const SIZE_DIFFERS: i32 = 172;

impl Guest {
    /// Puts a file into the guest under a temporary name, checks its size and renames it. Returns its size.
    ///
    /// # Errors
    /// As the variants of [`CopyError`] say; the destination is then as it was.
    pub async fn push_file(&self, file: &PushFile, transfer: &Transfer<'_>) -> Result<u64, CopyError> {
        let on_host = |source| CopyError::Host {
            what: "read",
            path: file.source.clone(),
            source,
        };
        let source = tokio::fs::File::open(&file.source).await.map_err(on_host)?;
        let size = source.metadata().await.map_err(on_host)?.len();
        let reader = Counted::new(source, transfer, Some(size), &file.source);
        let exec =
            Exec::new(Command::shell(receiving_line(file, size)?)?).stdin(Input::Reader(Box::new(reader)));
        let finished = self.exec(exec, transfer.deadline, transfer.cancel).await?;
        match finished.success() {
            Ok(_) => Ok(size),
            Err(failed) if failed.outcome == super::Outcome::Exited(IS_FOLDER) => Err(CopyError::IsFolder {
                path: file.destination.clone(),
            }),
            Err(failed) if failed.outcome == super::Outcome::Exited(SIZE_DIFFERS) => {
                Err(CopyError::SizeDiffers {
                    path: file.destination.clone(),
                })
            }
            Err(source) => Err(CopyError::Guest {
                what: "write",
                path: file.destination.clone(),
                source,
            }),
        }
    }

    /// Puts many files into the guest, some at a time. Returns their sizes together.
    ///
    /// # Errors
    /// The first that occurs; files that had arrived by then stay.
    pub async fn push_files(&self, files: &[PushFile], transfer: &Transfer<'_>) -> Result<u64, CopyError> {
        let mut pushing = futures::stream::iter(files)
            .map(|file| self.push_file(file, transfer))
            .buffer_unordered(AT_ONCE);
        let mut total = 0;
        while let Some(size) = pushing.next().await {
            total += size?;
        }
        Ok(total)
    }

    /// Fetches a file from the guest; it appears at `destination` when it is complete. Returns its size.
    ///
    /// # Errors
    /// As the variants of [`CopyError`] say; the destination is then as it was.
    pub async fn pull_file(
        &self,
        source: &Path,
        destination: &Path,
        limits: PullLimits,
        transfer: &Transfer<'_>,
    ) -> Result<u64, CopyError> {
        let on_host = |source| CopyError::Host {
            what: "write",
            path: destination.to_owned(),
            source,
        };
        let beside = tempfile::NamedTempFile::new_in(parent_of(destination)).map_err(on_host)?;
        let file = tokio::fs::File::from_std(beside.as_file().try_clone().map_err(on_host)?);
        let limited = Limited {
            inner: Counted::new(file, transfer, None, source),
            left: limits.bytes,
        };
        let command = Command::program([OsStr::new("cat"), OsStr::new("--"), source.as_os_str()])?;
        let exec = Exec::new(command).stdout(Sink::write(limited));
        let finished = match self.exec(exec, transfer.deadline, transfer.cancel).await {
            Err(ExecError::Stream { source: error, .. }) if error.kind() == io::ErrorKind::FileTooLarge => {
                return Err(CopyError::TooLarge {
                    path: source.to_owned(),
                    limit: limits.bytes,
                });
            }
            other => other?,
        };
        finished.success().map_err(|failed| CopyError::Guest {
            what: "read",
            path: source.to_owned(),
            source: failed,
        })?;
        let size = beside.as_file().metadata().map_err(on_host)?.len();
        let permissions = std::fs::Permissions::from_mode(0o644);
        beside.as_file().set_permissions(permissions).map_err(on_host)?;
        beside
            .persist(destination)
            .map_err(|error| on_host(error.error))?;
        Ok(size)
    }
}

/// The folder that holds `path`.
pub(super) fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The guest's half of a push.
fn receiving_line(file: &PushFile, size: u64) -> Result<OsString, NulInCommand> {
    let path = quote(&file.destination)?;
    let folder = quote(file.destination.parent().unwrap_or(Path::new("/")))?;
    let (path, folder) = (OsStr::from_bytes(&path), OsStr::from_bytes(&folder));
    let mode = file.mode & 0o7777;
    let mut line = OsString::from("d=");
    line.push(path);
    line.push(format!(";[ -d \"$d\" ]&&exit {IS_FOLDER};[ -d "));
    line.push(folder);
    line.push(" ]||mkdir -p -- ");
    line.push(folder);
    line.push(format!(
        "||exit 1;umask 077;t=$d.labctl$$;trap 'rm -f -- \"$t\"' EXIT;cat >\"$t\"||exit 1;\
         [ \"$(wc -c <\"$t\")\" -eq {size} ]||exit {SIZE_DIFFERS};\
         chmod {mode:o} \"$t\"&&mv -f -- \"$t\" \"$d\""
    ));
    Ok(OsString::from_vec(line.into_vec()))
}

/// Tells how many bytes went through. One event for each sixty-fourth of a mebibyte would be more than any display
/// can show, hence the step.
pub(super) struct Counted<T> {
    inner: T,
    events: Events,
    stage: Stage,
    note: String,
    total: Option<u64>,
    done: u64,
    told: u64,
}

const STEP: u64 = 256 << 10;

impl<T> Counted<T> {
    pub(super) fn new(inner: T, transfer: &Transfer<'_>, total: Option<u64>, path: &Path) -> Self {
        Self {
            inner,
            events: transfer.events.clone(),
            stage: transfer.stage,
            note: path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default(),
            total,
            done: 0,
            told: 0,
        }
    }

    fn count(&mut self, bytes: usize) {
        self.done += bytes as u64;
        if self.done - self.told >= STEP || Some(self.done) == self.total {
            self.told = self.done;
            self.events
                .progress(self.stage, self.done, self.total, Unit::Bytes, &*self.note);
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Counted<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.inner).poll_read(cx, buffer);
        let count = buffer.filled().len() - before;
        if count > 0 {
            self.count(count);
        }
        result
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counted<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = result {
            self.count(count);
        }
        result
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Refuses more than it was told to take.
struct Limited<T> {
    inner: T,
    left: u64,
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Limited<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.len() as u64 > self.left {
            return Poll::Ready(Err(io::ErrorKind::FileTooLarge.into()));
        }
        let result = Pin::new(&mut self.inner).poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = result {
            self.left -= count as u64;
        }
        result
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
