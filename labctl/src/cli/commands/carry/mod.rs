//! `labctl cache export`, `import` and `digest`: a course on hosts without a network, and for those that take it ready-made.

mod digest;
mod export;
mod import;
mod pack;
mod tally;
mod told;

pub(super) use digest::digest;
pub(super) use export::export;
pub(super) use import::import;
