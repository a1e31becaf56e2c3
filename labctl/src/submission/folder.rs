//! A folder, walked without following a link: every part of a path is opened from its parent's descriptor, so that
//! nothing outside is reached, whatever changes meanwhile.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, statat};

use super::intake::{Collector, Intake, Limits, Refusal};
use super::path::{FOLDERS, Ignored, MAX_ABOVE, is_passed_over};

/// NONBLOCK: a pipe in the place of a file would block the open for ever.
const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC);
const FOLDER: OFlags = FILE.union(OFlags::DIRECTORY);

pub(super) fn read(path: &Path, limits: &Limits) -> Result<Intake, Refusal> {
    let root = openat(CWD, path, FOLDER, Mode::empty()).map_err(unreadable)?;
    let mut collector = Collector::new(limits);
    walk(&root, "", 0, &mut collector)?;
    collector.finish()
}

fn unreadable(errno: rustix::io::Errno) -> Refusal {
    Refusal::unreadable(errno.into())
}

/// The names in a folder, sorted: what is said first does not depend on the disk.
fn names(folder: &OwnedFd, collector: &mut Collector<'_>) -> Result<Vec<CString>, Refusal> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name().to_owned();
        if !matches!(name.to_bytes(), b"." | b"..") {
            collector.count()?;
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn walk(folder: &OwnedFd, path: &str, depth: usize, collector: &mut Collector<'_>) -> Result<(), Refusal> {
    for name in names(folder, collector)? {
        let mut full = path.as_bytes().to_vec();
        full.extend_from_slice(name.to_bytes());
        match statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => {
                    if let Ok(text) = name.to_str()
                        && is_looked_into(text, depth)
                    {
                        let below = openat(folder, &name, FOLDER, Mode::empty()).map_err(unreadable)?;
                        walk(&below, &format!("{path}{text}/"), depth + 1, collector)?;
                    }
                }
                FileType::RegularFile => {
                    if let Some(place) = collector.wanted(&full)
                        && let Some(file) = open_file(folder.as_fd(), &name)?
                    {
                        collector.keep(place, file)?;
                    }
                }
                FileType::Symlink => collector.ignore(Ignored::SymbolicLink, &full),
                _ => collector.ignore(Ignored::Special, &full),
            },
            // It was removed meanwhile.
            Err(rustix::io::Errno::NOENT) => {}
            Err(errno) => return Err(unreadable(errno)),
        }
    }
    Ok(())
}

fn is_looked_into(name: &str, depth: usize) -> bool {
    !is_passed_over(name) && (depth < MAX_ABOVE || depth == MAX_ABOVE && FOLDERS.contains(&name))
}

/// A regular file; nothing when it is no longer one.
fn open_file(folder: BorrowedFd<'_>, name: &CStr) -> Result<Option<File>, Refusal> {
    match openat(folder, name, FILE, Mode::empty()) {
        Ok(file) => {
            let file = File::from(file);
            let is_file = file.metadata().map_err(Refusal::unreadable)?.is_file();
            Ok(is_file.then_some(file))
        }
        Err(rustix::io::Errno::LOOP | rustix::io::Errno::NOENT) => Ok(None),
        Err(errno) => Err(unreadable(errno)),
    }
}

#[cfg(test)]
mod tests {
    use fs_err as fs;

    use super::*;

    fn workspace(root: &Path) {
        fs::create_dir_all(root.join("src")).unwrap();
        fs::write(root.join("workspace.yaml"), "module: m\n").unwrap();
        fs::write(root.join("src/a.c"), "int a;\n").unwrap();
    }

    fn read(path: &Path) -> Result<Intake, Refusal> {
        super::read(path, &Limits::default())
    }

    #[test]
    fn a_workspace_below_another_folder() {
        let dir = tempfile::tempdir().unwrap();
        workspace(&dir.path().join("x/module7"));
        fs::create_dir_all(dir.path().join(".git/src")).unwrap();
        fs::write(dir.path().join(".git/src/b.c"), "").unwrap();
        let intake = read(dir.path()).unwrap();
        assert_eq!(
            intake.files.keys().collect::<Vec<_>>(),
            ["src/a.c", "workspace.yaml"]
        );
        assert_eq!(intake.notes, Vec::<String>::new());
    }

    #[test]
    fn links_lead_nowhere_and_pipes_do_not_block() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret.c"), "secret").unwrap();
        fs::create_dir(outside.path().join("src")).unwrap();
        fs::write(outside.path().join("src/s.c"), "secret").unwrap();
        let dir = tempfile::tempdir().unwrap();
        workspace(dir.path());
        let link = |to: &Path, from: &str| fs::os::unix::fs::symlink(to, dir.path().join(from)).unwrap();
        link(&outside.path().join("secret.c"), "src/s.c");
        link(outside.path(), "answers");
        link(Path::new("/dev/zero"), "src/zero.c");
        rustix::fs::mknodat(
            CWD,
            dir.path().join("src/pipe.c"),
            FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        let intake = read(dir.path()).unwrap();
        assert_eq!(
            intake.files.keys().collect::<Vec<_>>(),
            ["src/a.c", "workspace.yaml"]
        );
        assert_eq!(
            intake.notes,
            [
                "passed over: 3 symbolic links (first `answers`)",
                "passed over: 1 device, pipe or socket (`src/pipe.c`)",
            ]
        );
    }

    #[test]
    fn limits_hold() {
        let dir = tempfile::tempdir().unwrap();
        workspace(dir.path());
        fs::File::create(dir.path().join("src/huge.c"))
            .unwrap()
            .set_len(5 << 30)
            .unwrap();
        assert_eq!(
            read(dir.path()).unwrap_err().reason(),
            "`src/huge.c` has more than 1048576 bytes"
        );
        fs::remove_file(dir.path().join("src/huge.c")).unwrap();
        for number in 0..5_000 {
            fs::write(dir.path().join(format!("{number}.txt")), "").unwrap();
        }
        assert_eq!(
            read(dir.path()).unwrap_err().reason(),
            "it has more than 4096 entries"
        );
    }

    #[test]
    fn two_workspaces_are_one_too_many() {
        let dir = tempfile::tempdir().unwrap();
        workspace(&dir.path().join("one"));
        workspace(&dir.path().join("two"));
        assert_eq!(
            read(dir.path()).unwrap_err().reason(),
            "it holds two workspaces, `one` and `two`"
        );
        workspace(dir.path());
        assert_eq!(
            read(dir.path()).unwrap().notes,
            ["passed over: 4 files outside of the workspace"]
        );
    }

    #[test]
    fn an_empty_folder_is_no_workspace() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(read(dir.path()), Err(Refusal::NoWorkspace)));
    }
}
