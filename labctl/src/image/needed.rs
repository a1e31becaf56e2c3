//! Which libraries a program needs, read from the programs themselves (`DT_NEEDED` and `PT_INTERP`, System V gABI
//! chapter 5), and where they are among the packages' files.

use std::collections::BTreeSet;

use lab_disk::{Node, Tree, TreeError, TreePath};
use object::Endianness;
use object::elf::{DT_NEEDED, FileHeader64};
use object::read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _};

/// Where the dynamic linker looks without any configuration file (ld.so(8), and Debian's multiarch folders).
const LIBRARY_DIRS: [&str; 3] = ["usr/lib/x86_64-linux-gnu", "usr/lib64", "usr/lib"];

/// A file that is missing among the packages.
#[derive(Debug, thiserror::Error)]
pub enum NeededError {
    #[error("`{path}` is in none of the packages")]
    NoFile { path: String },
    #[error("`{needed_by}` needs the library `{soname}`, which is in none of the packages")]
    NoLibrary { soname: String, needed_by: TreePath },
    #[error("`{path}` cannot be read as an ELF file")]
    NotElf {
        path: TreePath,
        #[source]
        source: object::read::Error,
    },
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// `programs`, all that they need, and every symbolic link on the way, as paths in `pool`.
pub(super) fn closure(pool: &Tree, programs: &[TreePath]) -> Result<BTreeSet<TreePath>, NeededError> {
    let mut found = BTreeSet::new();
    let mut left: Vec<TreePath> = Vec::new();
    for program in programs {
        take(pool, program.as_str(), &mut found, &mut left).and_then(|there| {
            there.then_some(()).ok_or(NeededError::NoFile {
                path: program.to_string(),
            })
        })?;
    }
    while let Some(path) = left.pop() {
        let Some(data) = pool.file(path.as_str()) else {
            continue;
        };
        if !data.starts_with(b"\x7fELF") {
            continue;
        }
        let needs = needs(data).map_err(|source| NeededError::NotElf {
            path: path.clone(),
            source,
        })?;
        for need in needs {
            let mut candidates: Vec<String> =
                LIBRARY_DIRS.iter().map(|dir| format!("{dir}/{need}")).collect();
            if need.contains('/') {
                candidates = vec![need.clone()];
            }
            let mut there = false;
            for candidate in &candidates {
                there = take(pool, candidate, &mut found, &mut left)?;
                if there {
                    break;
                }
            }
            if !there {
                return Err(NeededError::NoLibrary {
                    soname: need,
                    needed_by: path,
                });
            }
        }
    }
    Ok(found)
}

/// Adds the file at `path`, and the links that lead to it; says whether there is one.
fn take(
    pool: &Tree,
    path: &str,
    found: &mut BTreeSet<TreePath>,
    left: &mut Vec<TreePath>,
) -> Result<bool, NeededError> {
    let Ok(end) = pool.resolve(path) else {
        return Ok(false);
    };
    if !matches!(pool.get(end.as_str()), Some(Node::File { .. })) {
        return Ok(false);
    }
    // Each turn goes through one link at the end of the path; those among its folders are the image's own.
    let mut here = real_parent(pool, path)?;
    loop {
        match pool.get(here.as_str()) {
            Some(Node::Symlink { target }) => {
                found.insert(here.clone());
                let target = match (target.strip_prefix('/'), here.parent()) {
                    (Some(absolute), _) => absolute.to_owned(),
                    (None, Some(parent)) => format!("{parent}/{target}"),
                    (None, None) => target.clone(),
                };
                here = real_parent(pool, &target)?;
            }
            _ => {
                if found.insert(here.clone()) {
                    left.push(here);
                }
                return Ok(true);
            }
        }
    }
}

/// `path` with the links and `..` among its folders resolved, its last part as it is.
fn real_parent(pool: &Tree, path: &str) -> Result<TreePath, TreeError> {
    let path = path.trim_matches('/');
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    if parent.is_empty() {
        return Ok(TreePath::parse(name)?);
    }
    let parent = pool.resolve(parent)?;
    Ok(TreePath::parse(&format!("{parent}/{name}"))?)
}

/// Sonames, and the path of the dynamic linker.
fn needs(data: &[u8]) -> object::read::Result<Vec<String>> {
    let header = FileHeader64::<Endianness>::parse(data)?;
    let endian = header.endian()?;
    let mut needs = Vec::new();
    for segment in header.program_headers(endian, data)? {
        if let Some(path) = segment.interpreter(endian, data)? {
            needs.push(String::from_utf8_lossy(path).into_owned());
        }
    }
    let sections = header.sections(endian, data)?;
    if let Some((entries, strings)) = sections.dynamic(endian, data)? {
        let strings = sections.strings(endian, data, strings)?;
        for entry in entries {
            if entry.tag32(endian) == Some(DT_NEEDED) {
                needs.push(String::from_utf8_lossy(entry.string(endian, strings)?).into_owned());
            }
        }
    }
    Ok(needs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> TreePath {
        TreePath::parse(text).unwrap()
    }

    #[test]
    fn a_script_needs_nothing_and_links_come_along() {
        let mut pool = Tree::new();
        pool.insert_file("usr/lib/tool-1.2", 0o755, *b"#!/bin/sh\n")
            .unwrap();
        pool.insert_symlink("usr/bin/tool", "../lib/tool").unwrap();
        pool.insert_symlink("usr/lib/tool", "tool-1.2").unwrap();
        let found = closure(&pool, &[path("usr/bin/tool")]).unwrap();
        assert_eq!(
            found.iter().map(TreePath::as_str).collect::<Vec<_>>(),
            ["usr/bin/tool", "usr/lib/tool", "usr/lib/tool-1.2"]
        );
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = closure(&Tree::new(), &[path("usr/bin/none")]).unwrap_err();
        assert!(error.to_string().contains("`usr/bin/none`"));
    }

    #[test]
    fn a_missing_library_is_named_with_who_needs_it() {
        let mut pool = Tree::new();
        // This very test program needs libc.so.6 at least.
        let exe = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        pool.insert_file("usr/bin/me", 0o755, exe).unwrap();
        let error = closure(&pool, &[path("usr/bin/me")]).unwrap_err();
        assert!(
            matches!(&error, NeededError::NoLibrary { needed_by, .. } if needed_by.as_str() == "usr/bin/me"),
            "{error}"
        );
    }
}
