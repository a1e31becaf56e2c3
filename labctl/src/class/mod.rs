//! A class: who is in it, whose numbers are whose, who grades whom, and what came of it. Pure.

mod partition;
mod results;
mod roster;
mod seed;

pub use partition::{NotAPartition, Partition};
pub use results::{ClassExercise, ClassResults, Graded, Row, Standing};
pub use roster::{Roster, RosterError, Student};
pub use seed::{CourseKey, WeakKey};
