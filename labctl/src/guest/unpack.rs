//! Unpacks a tar stream that an untrusted guest wrote. What would leave the destination is an error or is left out;
//! links are made last, so that nothing is ever written through one.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};

use fs_err as fs;
use tar::EntryType;

/// Why an archive was given up.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    #[error("`{}` would be written outside of the destination", path.display())]
    Escapes { path: PathBuf },
    #[error("there is more than {limit} bytes of it")]
    TooManyBytes { limit: u64 },
    #[error("there are more than {limit} files in it")]
    TooManyEntries { limit: u64 },
    #[error("the archive is damaged")]
    Damaged(#[source] io::Error),
    #[error("cannot write what was received")]
    Write(#[source] io::Error),
}

/// Something that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    pub path: PathBuf,
    pub why: &'static str,
}

/// What was unpacked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnpackReport {
    pub files: u64,
    pub bytes: u64,
    pub skipped: Vec<Skipped>,
}

/// Unpacks `archive` into `destination`, an empty folder that nobody else writes to. At most `max_bytes` of content
/// and `max_entries` files, folders and links are accepted.
///
/// # Errors
/// As the variants of [`UnpackError`] say; what was unpacked until then stays in `destination`.
pub fn unpack(
    archive: impl Read,
    destination: &Path,
    max_bytes: u64,
    max_entries: u64,
) -> Result<UnpackReport, UnpackError> {
    let mut archive = tar::Archive::new(archive);
    let mut report = UnpackReport::default();
    let mut made = BTreeSet::new();
    let mut links = Vec::new();
    let mut entries = 0;
    for entry in archive.entries().map_err(UnpackError::Damaged)? {
        let mut entry = entry.map_err(UnpackError::Damaged)?;
        entries += 1;
        if entries > max_entries {
            return Err(UnpackError::TooManyEntries { limit: max_entries });
        }
        let path = inner_path(&entry.path_bytes())?;
        let mode = entry.header().mode().unwrap_or(0o644);
        match entry.header().entry_type() {
            EntryType::Directory => {
                make_dir(&destination.join(&path), mode | 0o700).map_err(UnpackError::Write)?;
            }
            EntryType::Regular | EntryType::Continuous => {
                let room = max_bytes.saturating_sub(report.bytes);
                if entry.size() > room {
                    return Err(UnpackError::TooManyBytes { limit: max_bytes });
                }
                report.bytes += write_file(&mut entry, &destination.join(&path), mode)?;
                report.files += 1;
                made.insert(path);
            }
            EntryType::Symlink | EntryType::Link => {
                let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                links.push((path, entry.header().entry_type(), target));
            }
            EntryType::XGlobalHeader => {}
            _ => report.skipped.push(Skipped {
                path,
                why: "neither a file, a folder nor a link",
            }),
        }
    }
    for (path, kind, target) in links {
        let result = if kind == EntryType::Symlink {
            make_symlink(destination, &path, &target)
        } else {
            copy_hard_link(destination, &path, &target, &made)
        };
        match result.map_err(UnpackError::Write)? {
            None => report.files += 1,
            Some(why) => report.skipped.push(Skipped { path, why }),
        }
    }
    Ok(report)
}

/// The path of an entry, relative and without `.`.
fn inner_path(bytes: &[u8]) -> Result<PathBuf, UnpackError> {
    let path = Path::new(OsStr::from_bytes(bytes));
    let mut inner = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => inner.push(name),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(UnpackError::Escapes {
                    path: path.to_owned(),
                });
            }
        }
    }
    Ok(inner)
}

fn make_dir(path: &Path, mode: u32) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    // Never with the set-id and sticky bits.
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(mode & 0o777)
        .create(path)
}

fn write_file(content: &mut impl Read, path: &Path, mode: u32) -> Result<u64, UnpackError> {
    if let Some(parent) = path.parent() {
        make_dir(parent, 0o755).map_err(UnpackError::Write)?;
    }
    let mut file = fs::File::create(path).map_err(UnpackError::Write)?;
    let count = io::copy(content, &mut file).map_err(UnpackError::Damaged)?;
    let permissions = std::fs::Permissions::from_mode((mode & 0o777) | 0o600);
    fs::set_permissions(path, permissions).map_err(UnpackError::Write)?;
    Ok(count)
}

/// Makes the link, or says why not. Going up is only allowed before anything else: `link/..` need not lead back to
/// where the link is.
fn make_symlink(destination: &Path, path: &Path, target: &[u8]) -> io::Result<Option<&'static str>> {
    let target = Path::new(OsStr::from_bytes(target));
    let depth = path.components().count().saturating_sub(1);
    let ups = target
        .components()
        .take_while(|component| matches!(component, Component::ParentDir))
        .count();
    let downs_only = target
        .components()
        .skip(ups)
        .all(|component| matches!(component, Component::Normal(_) | Component::CurDir));
    if ups > depth || !downs_only || target.as_os_str().is_empty() {
        return Ok(Some("a link that leads out"));
    }
    make_parent(destination, path)?;
    match std::os::unix::fs::symlink(target, destination.join(path)) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Some("its name is taken")),
        result => result.map(|()| None),
    }
}

fn copy_hard_link(
    destination: &Path,
    path: &Path,
    target: &[u8],
    made: &BTreeSet<PathBuf>,
) -> io::Result<Option<&'static str>> {
    match inner_path(target) {
        Ok(target) if made.contains(&target) => {
            make_parent(destination, path)?;
            fs::copy(destination.join(target), destination.join(path))?;
            Ok(None)
        }
        _ => Ok(Some("a hard link to something that was not sent")),
    }
}

fn make_parent(destination: &Path, path: &Path) -> io::Result<()> {
    match destination.join(path).parent() {
        Some(parent) => make_dir(parent, 0o755),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive of `(name, kind, content or link target)`, with the names written as they are.
    fn archive(entries: &[(&str, EntryType, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, kind, content) in entries {
            let mut header = tar::Header::new_old();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(0o6755);
            header.set_mtime(0);
            let body = if *kind == EntryType::Regular {
                *content
            } else {
                header.as_old_mut().linkname[..content.len()].copy_from_slice(content.as_bytes());
                ""
            };
            header.set_size(body.len() as u64);
            header.set_cksum();
            builder.append(&header, body.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn unpacked(
        entries: &[(&str, EntryType, &str)],
    ) -> (tempfile::TempDir, Result<UnpackReport, UnpackError>) {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("in");
        fs::create_dir(&inner).unwrap();
        let report = unpack(&archive(entries)[..], &inner, 1000, 10);
        (dir, report)
    }

    #[test]
    fn files_folders_and_inner_links() {
        let (dir, report) = unpacked(&[
            ("./", EntryType::Directory, ""),
            ("./a/", EntryType::Directory, ""),
            ("./a/b", EntryType::Regular, "content"),
            ("./a/up", EntryType::Symlink, "../c"),
            ("./c", EntryType::Link, "./a/b"),
        ]);
        let report = report.unwrap();
        assert_eq!(report.skipped, []);
        assert_eq!((report.files, report.bytes), (3, 7));
        assert_eq!(fs::read_to_string(dir.path().join("in/a/up")).unwrap(), "content");
        let mode = fs::metadata(dir.path().join("in/a/b"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o755);
    }

    #[test]
    fn traversal_is_an_error() {
        for name in ["../evil", "/evil", "a/../../evil"] {
            let (dir, report) = unpacked(&[(name, EntryType::Regular, "x")]);
            assert!(matches!(report, Err(UnpackError::Escapes { .. })), "{name}");
            assert!(!dir.path().join("evil").exists(), "{name}");
        }
    }

    #[test]
    fn links_that_lead_out_and_devices_are_left_out() {
        let (dir, report) = unpacked(&[
            ("abs", EntryType::Symlink, "/etc/passwd"),
            ("up", EntryType::Symlink, "../x"),
            ("root", EntryType::Symlink, "."),
            ("sly", EntryType::Symlink, "root/.."),
            ("hard", EntryType::Link, "/etc/passwd"),
            ("null", EntryType::Char, ""),
            ("pipe", EntryType::Fifo, ""),
        ]);
        let skipped: Vec<_> = report
            .unwrap()
            .skipped
            .into_iter()
            .map(|skipped| skipped.path.display().to_string())
            .collect();
        assert_eq!(skipped, ["null", "pipe", "abs", "up", "sly", "hard"]);
        assert!(!dir.path().join("in/sly").is_symlink());
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let (dir, report) = unpacked(&[("d", EntryType::Symlink, "."), ("d/f", EntryType::Regular, "x")]);
        // The folder was made first, so that the link's name is taken.
        assert_eq!(report.unwrap().skipped[0].why, "its name is taken");
        assert!(dir.path().join("in/d/f").is_file());
        assert!(!dir.path().join("in/f").exists());
    }

    #[test]
    fn limits_hold() {
        let long = "x".repeat(600);
        let (_dir, report) = unpacked(&[("a", EntryType::Regular, &long), ("b", EntryType::Regular, &long)]);
        assert!(matches!(report, Err(UnpackError::TooManyBytes { limit: 1000 })));
        let many: Vec<_> = (0..11).map(|_| ("a", EntryType::Regular, "")).collect();
        let (_dir, report) = unpacked(&many);
        assert!(matches!(report, Err(UnpackError::TooManyEntries { limit: 10 })));
    }

    #[test]
    fn an_archive_that_was_cut_is_damaged() {
        let bytes = archive(&[("a", EntryType::Regular, &"x".repeat(900))]);
        let dir = tempfile::tempdir().unwrap();
        let report = unpack(&bytes[..700], dir.path(), 1000, 10);
        assert!(matches!(report, Err(UnpackError::Damaged(_))), "{report:?}");
    }
}
