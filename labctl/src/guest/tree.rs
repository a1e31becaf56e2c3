//! Folders to and from a guest, as tar streams through the `tar` of busybox.

use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use fs_err as fs;
use tokio_util::io::SyncIoBridge;

use super::command::{Command, quote};
use super::copy::{CopyError, Counted, PullLimits, Transfer, parent_of};
use super::exec::{Exec, ExecError, Input};
use super::session::Guest;
use super::sink::Sink;
use super::unpack::{UnpackError, UnpackReport, unpack};

/// Between the thread that packs or unpacks and the connection.
const PIPE: usize = 256 << 10;

impl Guest {
    /// Puts what is in the folder `source` into the folder `destination` of the guest, which is made where it is
    /// missing. Owned by root; links stay links; what is neither file, folder nor link is left out.
    ///
    /// # Errors
    /// As the variants of [`CopyError`] say; part of it may have arrived.
    pub async fn push_tree(
        &self,
        source: &Path,
        destination: &Path,
        transfer: &Transfer<'_>,
    ) -> Result<(), CopyError> {
        let (writer, reader) = tokio::io::duplex(PIPE);
        let (bridge, folder) = (SyncIoBridge::new(writer), source.to_owned());
        let packing = tokio::task::spawn_blocking(move || pack(&folder, bridge));
        let reader = Counted::new(reader, transfer, None, source);
        let path = quote(destination)?;
        let mut line = b"mkdir -p -- ".to_vec();
        line.extend_from_slice(&path);
        line.extend_from_slice(b"&&exec tar -x -f - -C ");
        line.extend_from_slice(&path);
        let exec = Exec::new(shell_bytes(&line)?).stdin(Input::Reader(Box::new(reader)));
        let finished = self.exec(exec, transfer.deadline, transfer.cancel).await;
        // The reader is gone by now, so that the packer ends, if only with a broken pipe.
        match (finished, joined(packing, |error| error).await) {
            (Ok(finished), packed) => {
                let received = finished.success().map_err(|failed| CopyError::Guest {
                    what: "write",
                    path: destination.to_owned(),
                    source: failed,
                });
                match packed {
                    Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CopyError::Host {
                        what: "read",
                        path: source.to_owned(),
                        source: error,
                    }),
                    _ => received.map(drop),
                }
            }
            (Err(error), _) => Err(error.into()),
        }
    }

    /// Fetches what is in the folder `source` of the guest into the new folder `destination`, which appears when it
    /// is complete. What could reach beyond it is left out and listed in the report.
    ///
    /// # Errors
    /// As the variants of [`CopyError`] say; nothing is left at the destination then.
    pub async fn pull_tree(
        &self,
        source: &Path,
        destination: &Path,
        limits: PullLimits,
        transfer: &Transfer<'_>,
    ) -> Result<UnpackReport, CopyError> {
        if destination.symlink_metadata().is_ok() {
            return Err(CopyError::Exists {
                path: destination.to_owned(),
            });
        }
        let on_host = |source| CopyError::Host {
            what: "write",
            path: destination.to_owned(),
            source,
        };
        let beside = tempfile::tempdir_in(parent_of(destination)).map_err(on_host)?;
        let (writer, reader) = tokio::io::duplex(PIPE);
        let (bridge, folder) = (SyncIoBridge::new(reader), beside.path().join("tree"));
        let unpacking = tokio::task::spawn_blocking(move || receive(bridge, &folder, limits));
        let command = Command::program(["tar", "-c", "-f", "-", "."])?.in_dir(source)?;
        let exec = Exec::new(command).stdout(Sink::write(Counted::new(writer, transfer, None, source)));
        let finished = self.exec(exec, transfer.deadline, transfer.cancel).await;
        // The writer is gone by now, so that the unpacker comes to an end.
        let unpacked = joined(unpacking, UnpackError::Write)
            .await
            .map_err(|error| CopyError::Unpack {
                path: source.to_owned(),
                source: error,
            });
        match finished {
            // The unpacker gave up first, and it knows why.
            Err(ExecError::Stream { .. }) if unpacked.is_err() => return unpacked,
            Err(error) => return Err(error.into()),
            Ok(finished) => finished.success().map_err(|failed| CopyError::Guest {
                what: "read",
                path: source.to_owned(),
                source: failed,
            })?,
        };
        let report = unpacked?;
        fs::rename(beside.path().join("tree"), destination).map_err(on_host)?;
        Ok(report)
    }
}

fn shell_bytes(line: &[u8]) -> Result<Command, CopyError> {
    use std::os::unix::ffi::OsStrExt as _;

    Ok(Command::shell(OsStr::from_bytes(line))?)
}

/// The result of a thread, which cannot be interrupted but ends with its pipe.
async fn joined<T, E>(
    thread: tokio::task::JoinHandle<Result<T, E>>,
    failed: impl FnOnce(io::Error) -> E,
) -> Result<T, E> {
    match thread.await {
        Ok(result) => result,
        Err(error) => Err(failed(io::Error::other(error))),
    }
}

fn receive(
    mut archive: impl io::Read,
    destination: &Path,
    limits: PullLimits,
) -> Result<UnpackReport, UnpackError> {
    fs::create_dir(destination).map_err(UnpackError::Write)?;
    let report = unpack(&mut archive, destination, limits.bytes, limits.entries)?;
    // A writer whose reader leaves before the padding at the end would see a broken pipe.
    io::copy(&mut archive, &mut io::sink()).map_err(UnpackError::Damaged)?;
    Ok(report)
}

/// Writes the folder as a tar stream: names sorted, everything owned by root.
fn pack(source: &Path, writer: impl io::Write) -> io::Result<()> {
    let mut builder = tar::Builder::new(writer);
    pack_folder(&mut builder, source, Path::new(""))?;
    let mut writer = builder.into_inner()?;
    writer.flush()
}

fn pack_folder<W: io::Write>(builder: &mut tar::Builder<W>, root: &Path, inner: &Path) -> io::Result<()> {
    let mut names = fs::read_dir(root.join(inner))?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort();
    for name in names {
        let inner = inner.join(name);
        let path = root.join(&inner);
        let metadata = fs::symlink_metadata(&path)?;
        let mut header = tar::Header::new_gnu();
        header.set_mode(metadata.permissions().mode() & 0o7777);
        header.set_mtime(u64::try_from(metadata.mtime()).unwrap_or(0));
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(0);
        if metadata.is_dir() {
            header.set_entry_type(tar::EntryType::Directory);
            builder.append_data(&mut header, &inner, io::empty())?;
            pack_folder(builder, root, &inner)?;
        } else if metadata.is_symlink() {
            header.set_entry_type(tar::EntryType::Symlink);
            builder.append_link(&mut header, &inner, fs::read_link(&path)?)?;
        } else if metadata.is_file() {
            header.set_entry_type(tar::EntryType::Regular);
            let file = fs::File::open(&path)?;
            // A file that grows meanwhile must not run into the next entry.
            let size = file.metadata()?.len();
            header.set_size(size);
            builder.append_data(&mut header, &inner, io::Read::take(file, size))?;
        }
    }
    Ok(())
}
