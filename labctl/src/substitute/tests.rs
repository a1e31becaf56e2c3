//! Places that have the right thing, the wrong thing, or nothing.
