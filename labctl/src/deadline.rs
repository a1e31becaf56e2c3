//! An instant by which something must have happened. Passed down instead of durations, so that the owner of a
//! time-out is never in doubt and nested waits never add up.

use std::time::{Duration, Instant};

/// A point in (monotonic) time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// `span` from now.
    pub fn after(span: Duration) -> Self {
        let now = Instant::now();
        // An absurd span saturates to about a year instead of overflowing.
        Self(
            now.checked_add(span)
                .unwrap_or_else(|| now + Duration::from_secs(31_536_000)),
        )
    }

    pub fn instant(self) -> Instant {
        self.0
    }

    /// Time left; zero once it has passed.
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    pub fn has_passed(self) -> bool {
        self.remaining().is_zero()
    }

    /// The earlier of this deadline and `span` from now.
    pub fn at_most(self, span: Duration) -> Self {
        self.min(Self::after(span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absurd_span_does_not_overflow() {
        assert!(!Deadline::after(Duration::MAX).has_passed());
    }

    #[test]
    fn the_earlier_deadline_wins() {
        let far = Deadline::after(Duration::from_secs(1000));
        assert!(far.at_most(Duration::from_secs(1)) < far);
        let near = Deadline::after(Duration::ZERO);
        assert_eq!(near.at_most(Duration::from_secs(1)), near);
        assert!(near.has_passed());
    }
}
