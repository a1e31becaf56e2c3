//! Entries that somebody else has made from the same inputs. Builds are reproducible, so that one of them is as good as
//! another; that it really is one of them is proved by a digest that the course has committed, or by a signature.
//!
//! ```text
//! <place>/<id>.json          what it is: content, size, SHA-256     ──► trusted by digest or <id>.json.sig
//! <place>/<id>.tar.zst       a bundle of that one entry             ──► compared byte for byte, then stored
//! ```
//!
//! The id follows from the locks and never from a place: a place can only fail to have it, or be refused.

mod fetch;
mod place;
mod record;
mod trust;

pub use fetch::{Substitutes, Wanted};
pub use place::{NotAPlace, Place};
pub use record::{Record, file_names};
pub use trust::{Committed, Key, NAMESPACE, NotAKey, NotCommitted, RawCommitted};
