//! Packages: where they come from, which ones, and getting them.
//!
//! ```text
//! sources ──► Mirror ──► signed_index (gpgv) ──► resolve ──► LockFile        `labctl lock`
//!                │                                              │
//!                └──────────────► ensure ◄──────────────────────┘            everything else
//!                                   │ 404: drift
//!                                   └──► signed_index, resolve again
//! ```
//!
//! `ensure` needs no mirror, and looks for none, while the store has everything.

mod address;
mod archive;
mod download;
mod drift;
mod fetch;
mod lockfile;
mod lockfile_text;
mod one_line;
mod proxy;
mod release;
mod resolve;
mod sources;
mod stanzas;
mod transport;
mod verify;

pub use archive::{Archive, ArchiveConfig};
pub use download::{Download, DownloadError, download};
pub use drift::Change;
pub use fetch::{Ensured, FetchError, FetchedDeb, Strictness, ensure, stored};
pub use lockfile::{LockFile, Pin, ReleaseStamp, SetLock};
pub use lockfile_text::LockError;
pub use proxy::Proxies;
pub use release::{IndexError, SignedIndex, signed_index};
pub use resolve::{LockRequest, ResolveError, Resolved, resolve};
pub use sources::{Mirror, MirrorChoice, MirrorError, Mirrors, SignedBy, find_mirror};
pub use transport::{TransferError, TransportConfig};
pub use verify::{Verifier, VerifyError};

#[cfg(test)]
mod tests;
