//! What maintainer scripts would have left: links of the merged `/usr` and of Debian's alternatives.

use std::io;
use std::path::Path;

use fs_err as fs;

/// Folders that sandboxes mount something on. The root is read-only by then, so that they have to be there.
const MOUNT_POINTS: [&str; 8] = [
    "build/archive",
    "build/linux",
    "dev",
    "out",
    "proc",
    "tmp",
    "usr/src",
    "workspace",
];

/// The merged `/usr` (Debian's `base-files` ships these four links).
const MERGED: [(&str, &str); 4] = [
    ("bin", "usr/bin"),
    ("sbin", "usr/sbin"),
    ("lib", "usr/lib"),
    ("lib64", "usr/lib64"),
];

/// Link below `usr/bin` -> candidates, the first that exists winning.
const ALTERNATIVES: [(&str, &[&str]); 8] = [
    ("sh", &["dash", "bash"]),
    ("awk", &["gawk", "mawk"]),
    ("gcc", &["gcc-14", "gcc-13", "gcc-12"]),
    ("cc", &["gcc"]),
    ("cpp", &["cpp-14", "cpp-13", "cpp-12"]),
    (
        "x86_64-linux-gnu-gcc",
        &[
            "x86_64-linux-gnu-gcc-14",
            "x86_64-linux-gnu-gcc-13",
            "x86_64-linux-gnu-gcc-12",
        ],
    ),
    (
        "x86_64-linux-gnu-cpp",
        &[
            "x86_64-linux-gnu-cpp-14",
            "x86_64-linux-gnu-cpp-13",
            "x86_64-linux-gnu-cpp-12",
        ],
    ),
    ("pager", &["cat"]),
];

/// Makes the folders and links of the merged `/usr`, before anything is unpacked.
pub(super) fn prepare(root: &Path) -> io::Result<()> {
    for (link, target) in MERGED {
        fs::create_dir_all(root.join(target))?;
        fs::os::unix::fs::symlink(target, root.join(link))?;
    }
    for dir in MOUNT_POINTS {
        fs::create_dir_all(root.join(dir))?;
    }
    Ok(())
}

/// Makes the alternatives, after everything is unpacked. What a package shipped itself is left alone.
pub(super) fn complete(root: &Path) -> io::Result<()> {
    let bin = root.join("usr/bin");
    for (link, candidates) in ALTERNATIVES {
        let path = bin.join(link);
        if fs::symlink_metadata(&path).is_ok() {
            continue;
        }
        let found = candidates
            .iter()
            .find(|name| fs::symlink_metadata(bin.join(name)).is_ok());
        if let Some(target) = found {
            fs::os::unix::fs::symlink(target, path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_candidate_wins_and_shipped_files_stay() {
        let root = tempfile::tempdir().unwrap();
        prepare(root.path()).unwrap();
        for name in ["gcc-14", "mawk", "gawk", "bash"] {
            fs::write(root.path().join("usr/bin").join(name), name).unwrap();
        }
        fs::os::unix::fs::symlink("bash", root.path().join("usr/bin/sh")).unwrap();
        complete(root.path()).unwrap();
        let leads = |link: &str| fs::read_to_string(root.path().join("bin").join(link)).ok();
        assert_eq!(leads("cc").as_deref(), Some("gcc-14"));
        assert_eq!(leads("awk").as_deref(), Some("gawk"));
        assert_eq!(leads("sh").as_deref(), Some("bash"));
        assert_eq!(leads("cpp"), None);
    }
}
