//! What somebody else has made from the same inputs, and what proves a build of one's own.

use std::path::Path;

use super::prepare::{KernelPackages, Preparation, PrepareError};
use super::recipe::KernelRecipe;
use crate::apt::LockFile;
use crate::bundle::{Listed, describe};
use crate::digest::Digest;
use crate::kernel::KernelBuilder;
use crate::store::{Bucket, Entry, Store, StoreError};
use crate::substitute::{Committed, Wanted};
use crate::toolchain::Toolchain;

/// How a kernel compares with one that was made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// How many paths one or the other has.
    pub paths: usize,
    /// Those that one has and the other has not, or has otherwise.
    pub differing: Vec<String>,
}

impl Preparation {
    /// Whether the store has an entry, if only since a moment ago: a substitute for it.
    pub(super) fn has(
        &self,
        bucket: Bucket,
        id: Digest,
        what: &str,
        committed: &Committed,
    ) -> Result<bool, PrepareError> {
        match self.store.get(bucket, &id.to_string()) {
            Ok(Some(_)) => Ok(true),
            Ok(None) | Err(StoreError::Damaged { .. }) => self.substituted(bucket, id, what, committed),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether there was a substitute, which the store then has.
    pub(super) fn substituted(
        &self,
        bucket: Bucket,
        id: Digest,
        what: &str,
        committed: &Committed,
    ) -> Result<bool, PrepareError> {
        let wanted = Wanted {
            bucket,
            id,
            what,
            committed,
        };
        self.substitutes
            .get(&wanted, &self.store, &self.events, &self.cancel)
            .map_err(|_| StoreError::Cancelled.into())
    }

    /// Builds the kernel again below `elsewhere`, with a compiler unpacked there, and compares every file with the kernel
    /// that the store has, wherever that came from.
    ///
    /// # Errors
    /// As [`Preparation::kernel`].
    pub fn verify_kernel(
        &self,
        recipe: &KernelRecipe,
        lock: &LockFile,
        elsewhere: &Path,
    ) -> Result<Comparison, PrepareError> {
        let first = self.kernel(recipe, lock)?;
        let lock = self.fetched(&recipe.name, first.lock())?;
        let packages = KernelPackages::of(&lock, &self.store);
        let store = Store::open(elsewhere)?;
        // Not the store's: that may be somebody else's, too.
        let toolchain = Toolchain::open(&store, &packages.toolchain, &self.events, &self.cancel)?;
        let builder = KernelBuilder {
            store: &store,
            events: &self.events,
            cancel: &self.cancel,
        };
        let second = builder
            .make(&packages.parts(recipe), &toolchain, &self.bubblewrap)
            .map_err(|source| PrepareError::Kernel {
                name: recipe.name.clone(),
                source: Box::new(source),
            })?;
        let listed = |store: &Store, id: Digest| -> Result<Listed, PrepareError> {
            let gone = || StoreError::Damaged {
                entry: id.to_string(),
                what: "it was removed".to_owned(),
            };
            let entry: Entry = store.get(Bucket::Kernels, &id.to_string())?.ok_or_else(gone)?;
            let described = describe(Bucket::Kernels, id, &recipe.name, &entry, &|_| {}, &self.cancel);
            Ok(described?)
        };
        let (first, second) = (listed(&self.store, first.kernel.id)?, listed(&store, second.id)?);
        let (paths, differing) = first.compare(&second);
        Ok(Comparison {
            paths,
            differing: differing.into_iter().map(str::to_owned).collect(),
        })
    }
}
