//! `labctl watch`: edit, save, see the verdict.
//!
//! ```text
//! files ──► debounce ─┐
//! keyboard ──► keys ──┼─► inbox ──► session ──► canvas
//! signals, stages ────┘               │ ▲
//!                               check ▼ │ warm (a guest that waits)
//! ```

mod canvas;
mod choice;
mod debounce;
mod folder;
mod inbox;
mod keys;
mod replies;
mod round;
mod session;
mod shown;
mod warm;

pub(super) use choice::first;
pub(super) use round::Subject;
pub(super) use session::run;
