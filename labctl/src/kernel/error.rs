//! Why there is no kernel.

use std::io;
use std::path::PathBuf;

use super::bzimage::BzImageError;
use super::fragments::FragmentError;
use super::modules::OrderError;
use super::spec::Unproved;
use crate::sandbox::{Limit, SandboxError};
use crate::store::StoreError;
use crate::supervise::Cancelled;

/// Why there is no kernel.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error("the fragments of the kernel's configuration cannot be used together")]
    Fragment(#[from] FragmentError),
    #[error("the finished configuration lacks what was asked for:\n{list}")]
    Unmet { list: String },
    #[error(transparent)]
    Unproved(#[from] Unproved),
    #[error("building the kernel failed in phase `{phase}` ({outcome})")]
    Build {
        phase: String,
        outcome: String,
        /// The last lines of what was printed.
        tail: Vec<String>,
        log: PathBuf,
    },
    #[error("building the kernel exceeded the limit of {limit} in phase `{phase}`")]
    Limit {
        phase: String,
        limit: Limit,
        log: PathBuf,
    },
    #[error("the packages of the kernel have no `{what}`")]
    Incomplete { what: String },
    #[error("cannot read the package `{package}`")]
    Package {
        package: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the packaged kernel image is not usable")]
    BzImage(#[from] BzImageError),
    #[error(transparent)]
    Order(#[from] OrderError),
    #[error("the kernel module `{name}` cannot be read")]
    Module {
        name: String,
        #[source]
        source: object::read::Error,
    },
    #[error("cannot {action}")]
    Io {
        action: &'static str,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl KernelError {
    /// For `map_err`: names the attempted action.
    pub(super) fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}
