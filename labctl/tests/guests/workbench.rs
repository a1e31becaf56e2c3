//! What the library makes of the course built in, in the user's own store: a kernel, its compiler, packages.

use std::time::SystemTime;

use labctl::apt::{ArchiveConfig, LockFile, Strictness, ensure};
use labctl::embedded;
use labctl::event::Events;
use labctl::sandbox::{SandboxSupport, probe};
use labctl::session::{KernelRecipe, Preparation, PreparedKernel};
use labctl::spec::files::CourseFiles;
use labctl::store::Store;
use labctl::supervise::Cancel;
use labctl::toolchain::PackageFile;

/// The course built in.
pub(crate) fn course() -> CourseFiles {
    embedded::COURSE
        .iter()
        .map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec()))
        .collect()
}

/// What making ready takes; `None` where this host has no sandbox.
pub(crate) fn preparation() -> Option<Preparation> {
    let search_path = std::env::var_os("PATH").unwrap();
    let bubblewrap = match probe(&search_path) {
        SandboxSupport::Works { bubblewrap } => bubblewrap,
        SandboxSupport::Broken { error } => {
            crate::skip(&error.to_string());
            return None;
        }
    };
    let cache = crate::bed::cache_dir().join("labctl");
    Some(Preparation {
        store: Store::open(&cache).unwrap(),
        archive: ArchiveConfig::for_host(
            std::env::var("LABCTL_MIRROR").ok(),
            search_path,
            SystemTime::now(),
        ),
        substitutes: labctl::substitute::Substitutes::default(),
        strictness: Strictness::Drift,
        bubblewrap,
        events: Events::silent(),
        cancel: Cancel::new(),
    })
}

/// The packaged kernel, ready.
pub(crate) fn kernel(preparation: &Preparation) -> PreparedKernel {
    let files = course();
    let recipe = KernelRecipe::read(&files, "debian-6.12").unwrap();
    let lock = recipe.lock(&files).unwrap();
    preparation.kernel(&recipe, &lock).unwrap()
}

/// The packages of one set of a lock, fetched.
pub(crate) fn packages(preparation: &Preparation, lock: &LockFile, set: &str) -> Vec<PackageFile> {
    let lock = lock.only(&[set]);
    let ensured = ensure(
        &lock,
        &preparation.archive,
        &preparation.store,
        &preparation.events,
        &preparation.cancel,
        preparation.strictness,
    );
    ensured
        .unwrap()
        .set(set)
        .into_iter()
        .map(PackageFile::from)
        .collect()
}
