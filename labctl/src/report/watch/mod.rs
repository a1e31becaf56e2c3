//! What `watch` shows: the last result, what it changed, and what happens now.

mod changes;
mod screen;

pub use changes::{Change, Changes};
pub use screen::{Screen, Size, changes, outcome};
