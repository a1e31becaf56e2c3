//! Types that cross the wire between host and guest.
#![forbid(unsafe_code)]
