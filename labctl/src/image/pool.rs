//! Reading packages into memory.

use std::io;
use std::sync::Arc;

use fs_err as fs;
use lab_deb::archive::{DebArchive, DebError, EntryKind, ReadOptions, VisitError};
use lab_disk::{Node, Tree, TreeError};

use crate::supervise::{Cancel, Cancelled};
use crate::toolchain::PackageFile;

/// A package that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    #[error("cannot open the package `{package}`")]
    Open {
        package: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot read the package `{package}`")]
    Read {
        package: String,
        #[source]
        source: Box<VisitError<TreeOrDeb>>,
    },
    #[error("the package `{package}` is damaged")]
    Damaged {
        package: String,
        #[source]
        source: Box<DebError>,
    },
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// What may go wrong with one entry.
#[derive(Debug, thiserror::Error)]
pub enum TreeOrDeb {
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error(transparent)]
    Deb(#[from] DebError),
    #[error("the hard link `{path}` leads to nothing")]
    HardLink { path: String },
}

/// Every file of `packages` for which `wanted` says yes, in one tree below a merged `/usr`. Several packages are
/// read at once.
///
/// # Errors
/// [`PoolError`] names the package.
pub fn read_packages(
    packages: &[PackageFile],
    wanted: &(dyn Fn(&str) -> bool + Sync),
    cancel: &Cancel,
) -> Result<Tree, PoolError> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from).min(4);
    let share = packages.len().div_ceil(threads).max(1);
    let trees: Vec<Result<Vec<Tree>, PoolError>> = std::thread::scope(|scope| {
        let read = |chunk: &'_ [PackageFile]| {
            chunk
                .iter()
                .map(|package| read_one(package, wanted, cancel))
                .collect()
        };
        let workers: Vec<_> = packages
            .chunks(share)
            .map(|chunk| scope.spawn(move || read(chunk)))
            .collect();
        workers
            .into_iter()
            .map(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    });
    let mut pool = Tree::new();
    for link in ["bin", "sbin", "lib", "lib64"] {
        // On an empty tree this cannot fail, and the errors of `overlay` below say enough.
        drop(pool.insert_symlink(link, format!("usr/{link}")));
    }
    for (package, tree) in packages.iter().zip(collect(trees)?) {
        pool.overlay(&tree).map_err(|error| PoolError::Read {
            package: package.name.clone(),
            source: Box::new(VisitError::Visitor(error.into())),
        })?;
    }
    Ok(pool)
}

fn collect(trees: Vec<Result<Vec<Tree>, PoolError>>) -> Result<Vec<Tree>, PoolError> {
    let mut all = Vec::new();
    for trees in trees {
        all.extend(trees?);
    }
    Ok(all)
}

fn read_one(
    package: &PackageFile,
    wanted: &(dyn Fn(&str) -> bool + Sync),
    cancel: &Cancel,
) -> Result<Tree, PoolError> {
    cancel.check()?;
    let name = || package.name.clone();
    let file = fs::File::open(&package.path).map_err(|source| PoolError::Open {
        package: name(),
        source,
    })?;
    let archive =
        DebArchive::open(io::BufReader::new(cancel.reader(file))).map_err(|source| PoolError::Damaged {
            package: name(),
            source: Box::new(source),
        })?;
    let mut tree = Tree::new();
    archive
        .for_each_entry(&ReadOptions::default(), |entry| {
            let path = entry.path.as_str();
            if entry.path.is_root() || !wanted(path) {
                return Ok(());
            }
            let mode = entry.mode;
            let node = match entry.kind {
                EntryKind::Directory => Node::Dir { mode },
                EntryKind::File(content) => Node::File {
                    mode,
                    data: Arc::from(content.into_vec()?),
                },
                EntryKind::Symlink { target } => Node::Symlink { target },
                EntryKind::HardLink { target } => match tree.get(target.as_str()) {
                    Some(node) => node.clone(),
                    None => {
                        return Err(TreeOrDeb::HardLink {
                            path: path.to_owned(),
                        });
                    }
                },
            };
            tree.insert(path, node)?;
            Ok(())
        })
        .map_err(|source| PoolError::Read {
            package: name(),
            source: Box::new(source),
        })?;
    Ok(tree)
}
