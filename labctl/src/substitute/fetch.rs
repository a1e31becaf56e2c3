//! Asking the places, one after the other, until one has what is wanted and can prove it.

use std::collections::BTreeSet;
use std::io::BufReader;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use fs_err as fs;

use super::place::Place;
use super::record::{Record, file_names};
use super::trust::{Committed, Key, Proof, committed, signed};
use crate::apt::{Archive, Download, DownloadError, TransferError, TransportConfig, download};
use crate::bundle::{Bundle, BundleError};
use crate::digest::Digest;
use crate::event::{Events, Stage, Unit, in_one_line};
use crate::store::{Bucket, Store, StoreError};
use crate::supervise::{Cancel, Cancelled};

/// Bytes of a record or a signature.
const SMALL: usize = 64 << 10;
/// A place is a convenience: what takes longer to reach than this many tries is done without.
const ATTEMPTS: u32 = 3;

/// An entry that the store does not have.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    pub bucket: Bucket,
    pub id: Digest,
    /// For people.
    pub what: &'a str,
    pub committed: &'a Committed,
}

/// Where substitutes are looked for, and what they are believed by. Clones remember together what was said.
#[derive(Debug, Clone, Default)]
pub struct Substitutes {
    places: Vec<Place>,
    keys: Vec<Key>,
    transport: TransportConfig,
    said: Arc<Mutex<BTreeSet<String>>>,
}

/// Why a place's substitute is not used.
enum Refusal {
    /// The place does not have it.
    Absent,
    /// Nothing proves it.
    Unproved,
    /// The place cannot be asked: it is not asked again.
    Unreachable(String),
    /// It has something else.
    Wrong(String),
    Cancelled,
}

impl From<Cancelled> for Refusal {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}

impl Substitutes {
    pub fn new(places: Vec<Place>, keys: Vec<Key>, transport: &TransportConfig) -> Self {
        Self {
            places,
            keys,
            transport: TransportConfig {
                attempts: transport.attempts.min(ATTEMPTS),
                ..transport.clone()
            },
            said: Arc::default(),
        }
    }

    /// Whether the store has `wanted` now. What a place has wrong, or cannot deliver, is told and done without. Blocking.
    ///
    /// # Errors
    /// [`Cancelled`]; what has arrived is kept for the next time.
    pub fn get(
        &self,
        wanted: &Wanted<'_>,
        store: &Store,
        events: &Events,
        cancel: &Cancel,
    ) -> Result<bool, Cancelled> {
        for place in &self.places {
            let down = format!("down {}", place.base);
            if self.was_said(&down) {
                continue;
            }
            let run = Run {
                wanted,
                place,
                store,
                events,
                cancel,
            };
            match run.ask(&self.transport, &self.keys) {
                Ok(proof) => {
                    events.finished(
                        Stage::Fetch,
                        format!("{} ready-made from {place}, {proof}", wanted.what),
                    );
                    return Ok(true);
                }
                Err(Refusal::Cancelled) => return Err(Cancelled),
                Err(Refusal::Absent) => {}
                Err(Refusal::Unproved) => {
                    if self.say("unproved") {
                        events.note(format!(
                            "{place} has {} ready-made, which is not used: the course has committed no digest for it, and \
                             there is no signature by a key that is trusted here",
                            wanted.what
                        ));
                    }
                }
                Err(Refusal::Unreachable(why)) => {
                    self.say(&down);
                    events.warn(format!("{place} is done without: {why}"));
                }
                Err(Refusal::Wrong(why)) => {
                    events.warn(format!("{} from {place} is not used: {why}", wanted.what));
                }
            }
        }
        Ok(false)
    }

    /// Whether this is the first time.
    fn say(&self, what: &str) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.insert(what.to_owned())
    }

    fn was_said(&self, what: &str) -> bool {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.contains(what)
    }
}

struct Run<'a> {
    wanted: &'a Wanted<'a>,
    place: &'a Place,
    store: &'a Store,
    events: &'a Events,
    cancel: &'a Cancel,
}

impl Run<'_> {
    fn ask(&self, transport: &TransportConfig, keys: &[Key]) -> Result<Proof, Refusal> {
        let archive = Archive::at(&self.place.base, transport)
            .map_err(|error| Refusal::Unreachable(in_one_line(&error)))?;
        let [record_name, signature_name, bundle_name] = file_names(self.wanted.id);
        let json = self.small(&archive, &record_name)?;
        let record =
            Record::parse(&json, self.wanted.bucket.name(), self.wanted.id).map_err(Refusal::Wrong)?;
        let proof = match committed(&record, self.wanted.committed) {
            Some(known) => known.map_err(Refusal::Wrong)?,
            None if keys.is_empty() => return Err(Refusal::Unproved),
            None => match self.small(&archive, &signature_name) {
                Ok(signature) => signed(&json, &signature, keys).map_err(Refusal::Wrong)?,
                Err(Refusal::Absent) => return Err(Refusal::Unproved),
                Err(other) => return Err(other),
            },
        };
        self.fetch(&archive, &record, &bundle_name)?;
        Ok(proof)
    }

    fn small(&self, archive: &Archive, name: &str) -> Result<Vec<u8>, Refusal> {
        archive
            .bytes(name, SMALL, self.cancel)
            .map_err(|error| match error {
                TransferError::NotFound { .. } => Refusal::Absent,
                TransferError::Cancelled(_) => Refusal::Cancelled,
                error => Refusal::Unreachable(in_one_line(&error)),
            })
    }

    /// Downloads the bundle and stores its entry, if that is the one whose record was believed.
    fn fetch(&self, archive: &Archive, record: &Record, name: &str) -> Result<(), Refusal> {
        let size = record.file.size;
        let free = self
            .store
            .free()
            .map_err(|error| Refusal::Wrong(in_one_line(&error)))?;
        if size > free {
            return Err(Refusal::Wrong(format!(
                "it has {size} bytes, and {free} are free"
            )));
        }
        // As a package is called that has arrived in part: by its digest, so that the next run goes on with it.
        let id = record.file.sha256.to_string();
        let _lock = self
            .store
            .lock(Bucket::Debs, &id, self.cancel)
            .map_err(|error| match error {
                StoreError::Cancelled => Refusal::Cancelled,
                error => Refusal::Wrong(in_one_line(&error)),
            })?;
        let part = self.store.scratch(Bucket::Debs, &id);
        self.events
            .started(Stage::Fetch, format!("{} from {}", self.wanted.what, self.place));
        let wanted = Download {
            name: self.wanted.what.to_owned(),
            path: name.to_owned(),
            size,
            sha256: record.file.sha256,
        };
        let report = |bytes| {
            self.events
                .progress(Stage::Fetch, bytes, Some(size), Unit::Bytes, self.wanted.what);
        };
        match download(archive, &wanted, &part, &report, self.cancel) {
            Ok(()) => {}
            Err(DownloadError::Transfer { source, .. }) => {
                return Err(match source {
                    TransferError::Cancelled(_) => Refusal::Cancelled,
                    error => Refusal::Unreachable(in_one_line(&error)),
                });
            }
            Err(error) => {
                drop(fs::remove_file(&part));
                return Err(Refusal::Wrong(in_one_line(&error)));
            }
        }
        let stored = self.store_entry(&part, record);
        // Stored, or of no use.
        if !matches!(stored, Err(Refusal::Cancelled)) {
            drop(fs::remove_file(&part));
        }
        stored
    }

    fn store_entry(&self, part: &Path, record: &Record) -> Result<(), Refusal> {
        let refuse = |error: BundleError| match error {
            BundleError::Cancelled(_) | BundleError::Store(StoreError::Cancelled) => Refusal::Cancelled,
            error => Refusal::Wrong(in_one_line(&error)),
        };
        let file = fs::File::open(part).map_err(|error| Refusal::Wrong(error.to_string()))?;
        let bundle = Bundle::open(BufReader::new(file), self.cancel).map_err(refuse)?;
        match bundle.manifest().entries.as_slice() {
            [only]
                if only.bucket == record.bucket && only.id == record.id && only.content == record.content => {
            }
            _ => {
                return Err(Refusal::Wrong(
                    "its bundle does not hold what its description says".to_owned(),
                ));
            }
        }
        let unpacked = bundle.unpack(self.store, &|_| {}, self.cancel).map_err(refuse)?;
        unpacked.commit(self.store, self.cancel).map_err(refuse)?;
        Ok(())
    }
}
