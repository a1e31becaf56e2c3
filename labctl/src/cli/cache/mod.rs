//! `labctl cache`, in parts: what the store holds, what may go, how it is told.

mod census;
mod describe;
mod fate;
mod told;

pub(crate) use census::{Item, Thing, census, parts_or_all};
pub(crate) use describe::known_to_course;
pub(crate) use fate::{Fate, fate};
pub(crate) use told::{age, counted, name, size, table};
