//! The signed index of a suite: `InRelease`, and the `Packages` file that it vouches for.

use std::io::Read as _;
use std::time::{SystemTime, UNIX_EPOCH};

use lab_deb::{PackageIndex, Release, ReleaseError};

use super::archive::{Archive, ArchiveConfig, OpenError};
use super::download::{Download, DownloadError, download};
use super::sources::MirrorError;
use super::transport::TransferError;
use super::verify::{Verifier, VerifyError};
use crate::digest::Digest;
use crate::event::{Events, Stage, Unit};
use crate::store::{Bucket, Store, StoreError};
use crate::supervise::Cancel;

/// The architecture that labs run on.
const ARCHITECTURE: &str = "amd64";
/// An `InRelease` has some hundred kilobytes.
const RELEASE_BYTES: usize = 8 << 20;
/// A whole `Packages` file has some fifty megabytes.
const INDEX_BYTES: u64 = 1 << 30;
const INDEX: &str = "main/binary-amd64/Packages.xz";

/// An index that could not be got, or not be trusted.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error("no mirror to fetch the package index from")]
    Mirror(#[from] MirrorError),
    #[error("cannot fetch the release file of `{suite}`")]
    Release {
        suite: String,
        #[source]
        source: TransferError,
    },
    #[error("the mirror `{mirror}` has no suite `{suite}`")]
    NoSuite { mirror: String, suite: String },
    #[error(transparent)]
    Signature(#[from] VerifyError),
    #[error("the release file of `{suite}` cannot be used")]
    BadRelease {
        suite: String,
        #[source]
        source: ReleaseError,
    },
    #[error("the release file is of `{found}`, not of `{suite}`")]
    OtherSuite { suite: String, found: String },
    #[error("the release file of `{suite}` does not list `{INDEX}`")]
    NoIndex { suite: String },
    #[error(transparent)]
    Download(#[from] DownloadError),
    #[error("cannot unpack `{INDEX}`")]
    Unpack(#[source] std::io::Error),
    #[error("`{INDEX}` cannot be used")]
    BadIndex(#[source] lab_deb::IndexError),
    #[error(transparent)]
    Transport(TransferError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<OpenError> for IndexError {
    fn from(error: OpenError) -> IndexError {
        match error {
            OpenError::Mirror(error) => IndexError::Mirror(error),
            OpenError::Transfer(error) => IndexError::Transport(error),
        }
    }
}

/// An index whose signature has been checked.
#[derive(Debug)]
pub struct SignedIndex {
    pub suite: String,
    pub release: Release,
    pub packages: PackageIndex,
}

/// Fetches and checks the index of `suite`. The package list is kept in the store under its digest, so that a second
/// call costs only the release file.
///
/// # Errors
/// A signature that is missing, bad or of an unknown key is always one.
pub fn signed_index(
    suite: &str,
    config: &ArchiveConfig,
    store: &Store,
    events: &Events,
    cancel: &Cancel,
) -> Result<SignedIndex, IndexError> {
    let archive = Archive::open(config)?;
    events.started(Stage::Fetch, format!("the package index of {suite}"));
    let verifier = Verifier::new(&config.search_path, &archive.mirror.signed_by, &config.keyrings)?;
    let signed = archive
        .bytes(&format!("dists/{suite}/InRelease"), RELEASE_BYTES, cancel)
        .map_err(|error| match error {
            TransferError::NotFound { .. } => IndexError::NoSuite {
                mirror: archive.mirror.base.clone(),
                suite: suite.to_owned(),
            },
            source => IndexError::Release {
                suite: suite.to_owned(),
                source,
            },
        })?;
    let text = verifier.signed_text(&signed, &format!("dists/{suite}/InRelease"))?;
    let release = Release::parse(&text).map_err(|source| IndexError::BadRelease {
        suite: suite.to_owned(),
        source,
    })?;
    expect_suite(suite, &release)?;
    warn_if_stale(&release, config.now, events);
    let packages = packages(suite, &release, &archive, store, events, cancel)?;
    let version = release.version.as_deref().unwrap_or(suite);
    events.finished(
        Stage::Fetch,
        format!(
            "{} packages of {suite} ({version}, {})",
            packages.len(),
            release.date
        ),
    );
    Ok(SignedIndex {
        suite: suite.to_owned(),
        release,
        packages,
    })
}

/// A mirror could answer with another suite's file, whose signature is as good.
fn expect_suite(suite: &str, release: &Release) -> Result<(), IndexError> {
    let names = [release.codename.as_deref(), release.suite.as_deref()];
    if names.contains(&Some(suite)) {
        return Ok(());
    }
    let found = names.into_iter().flatten().collect::<Vec<_>>().join("/");
    Err(IndexError::OtherSuite {
        suite: suite.to_owned(),
        found,
    })
}

/// Only a warning: a frozen mirror is a legitimate thing to build from, and its packages are pinned by digest.
fn warn_if_stale(release: &Release, now: SystemTime, events: &Events) {
    let now = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
    if release.valid_until_seconds.is_some_and(|until| until < now) {
        events.warn(format!(
            "the mirror's index is past its date (it is of {})",
            release.date
        ));
    }
}

fn packages(
    suite: &str,
    release: &Release,
    archive: &Archive,
    store: &Store,
    events: &Events,
    cancel: &Cancel,
) -> Result<PackageIndex, IndexError> {
    let checksum = release.files.get(INDEX).ok_or_else(|| IndexError::NoIndex {
        suite: suite.to_owned(),
    })?;
    let sha256 = Digest::from_bytes(checksum.sha256);
    let id = sha256.to_string();
    let damage = |error: &StoreError| events.warn(error.to_string());
    let entry = store.get_or_make::<IndexError>(Bucket::Debs, &id, cancel, damage, |folder| {
        let progress = |done| {
            events.progress(
                Stage::Fetch,
                done,
                Some(checksum.size),
                Unit::Bytes,
                "Packages.xz",
            )
        };
        let part = store.scratch(Bucket::Debs, &id);
        let wanted = |path| Download {
            name: INDEX.to_owned(),
            path,
            size: checksum.size,
            sha256,
        };
        // By its digest the file stays the one that the release file means, even while the mirror is updated.
        let by_hash = format!("dists/{suite}/main/binary-amd64/by-hash/SHA256/{id}");
        let plain = format!("dists/{suite}/{INDEX}");
        let fetched = if release.acquire_by_hash {
            download(archive, &wanted(by_hash), &part, &progress, cancel)
        } else {
            download(archive, &wanted(plain.clone()), &part, &progress, cancel)
        };
        match fetched {
            Err(error) if error.is_not_found() && release.acquire_by_hash => {
                download(archive, &wanted(plain), &part, &progress, cancel)?;
            }
            other => other?,
        }
        fs_err::rename(part, folder.join("Packages.xz")).map_err(StoreError::io("move the package index"))?;
        Ok(())
    })?;
    let file = fs_err::File::open(entry.file("Packages.xz")).map_err(IndexError::Unpack)?;
    let mut text = String::new();
    let unpacked = liblzma::read::XzDecoder::new_multi_decoder(file);
    unpacked
        .take(INDEX_BYTES)
        .read_to_string(&mut text)
        .map_err(IndexError::Unpack)?;
    PackageIndex::parse(&text, ARCHITECTURE).map_err(IndexError::BadIndex)
}
