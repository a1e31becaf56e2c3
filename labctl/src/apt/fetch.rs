//! Getting what a lock pins into the store: in parallel, resumed, checked.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::archive::{Archive, ArchiveConfig, OpenError};
use super::download::{Download, DownloadError, download};
use super::drift::{self, Change};
use super::lockfile::{LockFile, Pin};
use super::release::IndexError;
use super::resolve::ResolveError;
use super::sources::MirrorError;
use super::transport::TransferError;
use crate::event::{Events, Stage, Unit};
use crate::store::{Bucket, Entry, Store, StoreError};
use crate::supervise::{Cancel, Cancelled};

/// What a package is called inside of its entry in the store.
const FILE: &str = "package.deb";

/// Where the store has, or would have, the package of `pin`.
pub fn stored(store: &Store, pin: &Pin) -> PathBuf {
    store.path(Bucket::Debs, &pin.sha256.to_string()).join(FILE)
}

/// What to do about a package that the mirror no longer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// Use its successor, and say so.
    Drift,
    /// Fail.
    Locked,
}

/// A package in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedDeb {
    pub pin: Pin,
    pub path: PathBuf,
}

/// All packages of a lock.
#[derive(Debug, Clone)]
pub struct Ensured {
    /// What is really used: the lock that was asked for, unless there was drift. Content addresses are made from this.
    pub lock: LockFile,
    /// By name.
    pub packages: BTreeMap<String, FetchedDeb>,
    /// Empty without drift.
    pub drift: Vec<Change>,
}

impl Ensured {
    /// The packages of one set, by name; none for a set that the lock does not have.
    pub fn set(&self, name: &str) -> Vec<&FetchedDeb> {
        let names = self
            .lock
            .sets
            .get(name)
            .map_or(&[][..], |set| set.packages.as_slice());
        names.iter().filter_map(|name| self.packages.get(name)).collect()
    }
}

/// Packages that could not be got.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("no mirror to fetch packages from")]
    Mirror(#[from] MirrorError),
    #[error(transparent)]
    Transport(TransferError),
    #[error(transparent)]
    Download(#[from] DownloadError),
    #[error("the mirror no longer has what is pinned: {}", packages.join(", "))]
    Drift {
        /// `name version`
        packages: Vec<String>,
    },
    #[error("the mirror's index names packages that it does not have: {}", packages.join(", "))]
    Inconsistent { packages: Vec<String> },
    #[error("cannot find the successors of packages that the mirror no longer has")]
    Index(#[from] IndexError),
    #[error("the successors of packages that the mirror no longer has do not fit together")]
    Resolve(#[from] ResolveError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl From<OpenError> for FetchError {
    fn from(error: OpenError) -> FetchError {
        match error {
            OpenError::Mirror(error) => FetchError::Mirror(error),
            OpenError::Transfer(error) => FetchError::Transport(error),
        }
    }
}

/// Makes sure that the store has every package of `lock`, byte for byte as pinned, and says where. Packages that
/// are there are hashed again, and fetched again if they are damaged; a mirror is looked for only if one is missing.
///
/// # Errors
/// A digest that does not fit is always one; a package that is gone is one for [`Strictness::Locked`].
pub fn ensure(
    lock: &LockFile,
    config: &ArchiveConfig,
    store: &Store,
    events: &Events,
    cancel: &Cancel,
    strictness: Strictness,
) -> Result<Ensured, FetchError> {
    let run = Run {
        config,
        store,
        events,
        cancel,
    };
    let missing = run.missing(lock)?;
    if missing.is_empty() {
        return Ok(run.finished(lock, Vec::new()));
    }
    if strictness == Strictness::Drift
        && let Some(current) = drift::remembered(lock, store)
        && run.missing(&current)?.is_empty()
    {
        return Ok(run.after_drift(lock, current));
    }
    let gone = run.fetch(&missing)?;
    if gone.is_empty() {
        return Ok(run.finished(lock, Vec::new()));
    }
    if strictness == Strictness::Locked {
        return Err(FetchError::Drift { packages: gone });
    }
    let current = drift::resolve_again(lock, config, store, events, cancel)?;
    let gone = run.fetch(&run.missing(&current)?)?;
    if !gone.is_empty() {
        return Err(FetchError::Inconsistent { packages: gone });
    }
    Ok(run.after_drift(lock, current))
}

struct Run<'a> {
    config: &'a ArchiveConfig,
    store: &'a Store,
    events: &'a Events,
    cancel: &'a Cancel,
}

impl Run<'_> {
    fn finished(&self, lock: &LockFile, drift: Vec<Change>) -> Ensured {
        let packages = lock.packages.values().map(|pin| {
            let path = self.store.path(Bucket::Debs, &pin.sha256.to_string()).join(FILE);
            (
                pin.name.clone(),
                FetchedDeb {
                    pin: pin.clone(),
                    path,
                },
            )
        });
        Ensured {
            lock: lock.clone(),
            packages: packages.collect(),
            drift,
        }
    }

    fn after_drift(&self, pinned: &LockFile, current: LockFile) -> Ensured {
        let changes = drift::changes(pinned, &current);
        drift::announce(&changes, self.events);
        self.finished(&current, changes)
    }

    /// What the store does not have whole, largest first: the longest transfer decides when all are done.
    fn missing<'l>(&self, lock: &'l LockFile) -> Result<Vec<&'l Pin>, FetchError> {
        let missing = Mutex::new(Vec::new());
        let pins: Vec<&Pin> = lock.packages.values().collect();
        self.in_parallel(&pins, |pin| {
            if !self.is_whole(pin)? {
                missing.lock().unwrap_or_else(PoisonError::into_inner).push(*pin);
            }
            Ok(())
        })?;
        let mut missing = missing.into_inner().unwrap_or_else(PoisonError::into_inner);
        missing.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.name.cmp(&b.name)));
        Ok(missing)
    }

    fn is_whole(&self, pin: &Pin) -> Result<bool, FetchError> {
        let id = pin.sha256.to_string();
        let checked = self.store.get(Bucket::Debs, &id).and_then(|entry| match entry {
            Some(entry) => entry.verify().map(|()| true),
            None => Ok(false),
        });
        match checked {
            Err(error @ StoreError::Damaged { .. }) => {
                self.events
                    .warn(format!("{error}; `{}` is fetched again", pin.name));
                let _lock = self.store.lock(Bucket::Debs, &id, self.cancel)?;
                let path = self.store.path(Bucket::Debs, &id);
                fs_err::remove_dir_all(path).map_err(StoreError::io("remove a damaged entry"))?;
                Ok(false)
            }
            other => Ok(other?),
        }
    }

    /// Fetches `pins`; returns `name version` of those that the mirror does not have.
    fn fetch(&self, pins: &[&Pin]) -> Result<Vec<String>, FetchError> {
        if pins.is_empty() {
            return Ok(Vec::new());
        }
        let archive = Archive::open(self.config)?;
        let total: u64 = pins.iter().map(|pin| pin.size).sum();
        let many = if pins.len() == 1 {
            "1 package".to_owned()
        } else {
            format!("{} packages", pins.len())
        };
        self.events
            .started(Stage::Fetch, format!("{many} from {}", archive.mirror.base));
        let tally = Tally {
            done: Mutex::new((BTreeMap::new(), 0)),
            total,
        };
        let gone = Mutex::new(Vec::new());
        self.in_parallel(pins, |pin| match self.fetch_one(pin, &archive, &tally) {
            Err(FetchError::Download(error)) if error.is_not_found() => {
                let mut gone = gone.lock().unwrap_or_else(PoisonError::into_inner);
                gone.push(format!("{} {}", pin.name, pin.version));
                Ok(())
            }
            other => other.map(drop),
        })?;
        let mut gone = gone.into_inner().unwrap_or_else(PoisonError::into_inner);
        gone.sort();
        if gone.is_empty() {
            self.events.finished(Stage::Fetch, many);
        }
        Ok(gone)
    }

    fn fetch_one(&self, pin: &Pin, archive: &Archive, tally: &Tally) -> Result<Entry, FetchError> {
        let id = pin.sha256.to_string();
        let on_damage = |error: &StoreError| self.events.warn(error.to_string());
        self.store
            .get_or_make::<FetchError>(Bucket::Debs, &id, self.cancel, on_damage, |folder| {
                let wanted = Download {
                    name: pin.name.clone(),
                    path: pin.path.to_string(),
                    size: pin.size,
                    sha256: pin.sha256,
                };
                // Outside of the staging folder, so that an interruption leaves something to resume.
                let part = self.store.scratch(Bucket::Debs, &id);
                download(
                    archive,
                    &wanted,
                    &part,
                    &|bytes| tally.report(&pin.name, bytes, self.events),
                    self.cancel,
                )?;
                fs_err::rename(part, folder.join(FILE)).map_err(StoreError::io("move a package"))?;
                Ok(())
            })
    }

    /// Does `work` on every item, several at once, until all are done or one fails.
    fn in_parallel<T: Sync>(
        &self,
        items: &[T],
        work: impl Fn(&T) -> Result<(), FetchError> + Sync,
    ) -> Result<(), FetchError> {
        let queue = Mutex::new(items.iter());
        let failure = Mutex::new(None);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..self.config.parallel.clamp(1, items.len().max(1)) {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                        let Some(item) = next else { break };
                        let outcome = self
                            .cancel
                            .check()
                            .map_err(FetchError::from)
                            .and_then(|()| work(item));
                        if let Err(error) = outcome {
                            stop.store(true, Ordering::Relaxed);
                            failure
                                .lock()
                                .unwrap_or_else(PoisonError::into_inner)
                                .get_or_insert(error);
                        }
                    }
                });
            }
        });
        match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

/// Adds up what the workers have.
struct Tally {
    /// Bytes by package, and the sum that was told last.
    done: Mutex<(BTreeMap<String, u64>, u64)>,
    total: u64,
}

impl Tally {
    /// How many bytes make a step worth telling.
    const STEP: u64 = 256 << 10;

    fn report(&self, package: &str, bytes: u64, events: &Events) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.0.insert(package.to_owned(), bytes);
        let sum: u64 = done.0.values().sum();
        if sum == self.total || sum.abs_diff(done.1) >= Tally::STEP {
            done.1 = sum;
            events.progress(Stage::Fetch, sum, Some(self.total), Unit::Bytes, package);
        }
    }
}
