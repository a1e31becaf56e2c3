//! Unpacking a closure of packages into one root, several packages at once: xz keeps one processor busy for each.

use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use fs_err as fs;
use lab_deb::archive::ReadOptions;
use lab_deb::{UnpackError, unpack_into};

use super::root::PackageFile;
use crate::event::{Events, Stage, Unit};
use crate::supervise::{Cancel, Cancelled};

/// More threads than this only fight for the disk.
const THREADS: usize = 4;

/// A package that is not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    #[error("cannot open the package `{package}`")]
    Open {
        package: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot unpack the package `{package}`")]
    Unpack {
        package: String,
        #[source]
        source: Box<UnpackError>,
    },
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// Unpacks `packages` below `root` and tells `stage` of each. No two packages of a closure own one file, so that the
/// order leaves no trace. The first failure, or a request to stop, ends the others too.
///
/// # Errors
/// [`PackageError`] of the first package that failed.
pub fn unpack_all(
    root: &Path,
    packages: &[PackageFile],
    stage: Stage,
    events: &Events,
    cancel: &Cancel,
) -> Result<(), PackageError> {
    // The largest first, so that no thread ends up alone with it.
    let mut queue: Vec<_> = packages.iter().collect();
    queue.sort_by_key(|package| {
        let size = fs::metadata(&package.path).map_or(0, |meta| meta.len());
        (std::cmp::Reverse(size), package.name.as_str())
    });
    let next = AtomicUsize::new(0);
    let done = AtomicU64::new(0);
    let failed = Mutex::new(None);
    let work = || {
        while let Some(package) = queue.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = unpack_one(root, package, cancel) {
                next.store(queue.len(), Ordering::Relaxed);
                let mut failed = failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                failed.get_or_insert(error);
                return;
            }
            let count = done.fetch_add(1, Ordering::Relaxed) + 1;
            events.progress(stage, count, Some(queue.len() as u64), Unit::Files, &package.name);
        }
    };
    let threads = std::thread::available_parallelism()
        .map_or(2, usize::from)
        .min(THREADS);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let failed = failed
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    failed.map_or(Ok(()), Err)
}

fn unpack_one(root: &Path, package: &PackageFile, cancel: &Cancel) -> Result<(), PackageError> {
    cancel.check()?;
    let name = || format!("{} {}", package.name, package.version);
    let file = fs::File::open(&package.path).map_err(|source| PackageError::Open {
        package: name(),
        source,
    })?;
    let reader = io::BufReader::new(cancel.reader(file));
    unpack_into(root, reader, &ReadOptions::default()).map_err(|source| PackageError::Unpack {
        package: name(),
        source: Box::new(source),
    })?;
    Ok(())
}
