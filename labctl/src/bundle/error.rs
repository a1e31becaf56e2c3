//! Why a bundle cannot be written or read.

use std::io;

use super::manifest::SCHEMA;
use crate::digest::Digest;
use crate::store::StoreError;
use crate::supervise::Cancelled;

/// Why a bundle cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("cannot read the bundle")]
    Read(#[source] io::Error),
    #[error("cannot write the bundle")]
    Write(#[source] io::Error),
    #[error("cannot read the entry `{entry}`")]
    Entry {
        entry: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot unpack the bundle")]
    Unpack(#[source] io::Error),
    #[error("the bundle is not whole: it ends in the middle")]
    Truncated,
    #[error("this is not a bundle of labctl's: {why}")]
    NotABundle { why: &'static str },
    #[error("the bundle is a `{schema}`, made by labctl {labctl}; this labctl reads `{SCHEMA}`")]
    Version { schema: String, labctl: String },
    #[error("the bundle's list of contents cannot be right: {what}")]
    Contents { what: String },
    #[error("the bundle is damaged: `{path}` is not what the list of contents says")]
    Mismatch { path: String },
    #[error("the bundle goes on after its end")]
    Trailing,
    #[error("the bundle has sha256 {got}, not {expected}")]
    Pin { expected: Digest, got: Digest },
    #[error("the bundle unpacks to {needed} bytes, and the store's disk has {free} free")]
    NoSpace { needed: u64, free: u64 },
    #[error("`{path}` was changed while it was read")]
    Changed { path: String },
    #[error("the entry `{entry}` cannot be carried: {what}")]
    Unfit { entry: String, what: String },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl BundleError {
    /// A bundle that stops early is told from a disk that fails.
    pub(super) fn reading(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            Self::Truncated
        } else {
            Self::Read(error)
        }
    }
}
