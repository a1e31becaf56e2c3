//! A bundle there and back.
