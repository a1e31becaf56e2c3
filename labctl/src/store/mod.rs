//! The store: everything labctl can make again, content-addressed, under one folder that may be deleted at any
//! time and shared by several labctls.
//!
//! ```text
//! <root>/v1/<bucket>/<id>/     one finished entry, with MANIFEST.json written last
//! <root>/v1/staging/           entries being made, each folder locked by its maker; renamed into place when whole
//! <root>/v1/locks/             one lock file per entry being made
//! ```

mod bucket;
mod census;
mod entry;
mod lock;
mod remove;
mod staging;
mod usage;

pub use bucket::{Bucket, KERNEL_TREE, Store};
pub use census::{Extent, Stored, Unfinished};
pub use entry::{Entry, StoreError};
pub use lock::StoreLock;
pub use remove::Removal;
pub use staging::Staging;
