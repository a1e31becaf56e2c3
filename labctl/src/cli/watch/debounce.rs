//! When a burst of file events is over. Editors write, rename, and change modes; one save is many events.

use std::time::{Duration, Instant};

/// Collects events until they pause.
#[derive(Debug, Clone)]
pub(super) struct Debounce {
    /// So long must nothing have happened.
    quiet: Duration,
    /// So long is waited at most, however busy the folder is.
    most: Duration,
    burst: Option<Burst>,
}

#[derive(Debug, Clone, Copy)]
struct Burst {
    first: Instant,
    last: Instant,
}

impl Debounce {
    pub(super) fn new(quiet: Duration, most: Duration) -> Self {
        Self {
            quiet,
            most,
            burst: None,
        }
    }

    /// Something has happened.
    pub(super) fn poke(&mut self, now: Instant) {
        let first = self.burst.map_or(now, |burst| burst.first);
        self.burst = Some(Burst { first, last: now });
    }

    /// When the burst will count as over, unless something happens before.
    pub(super) fn due(&self) -> Option<Instant> {
        self.burst
            .map(|burst| (burst.last + self.quiet).min(burst.first + self.most))
    }

    /// Ends a burst that is over; returns when its last event was.
    pub(super) fn take(&mut self, now: Instant) -> Option<Instant> {
        if self.due().is_some_and(|due| due <= now) {
            self.burst.take().map(|burst| burst.last)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUIET: Duration = Duration::from_millis(50);
    const MOST: Duration = Duration::from_millis(500);

    fn at(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn a_burst_ends_with_a_pause() {
        let start = Instant::now();
        let mut debounce = Debounce::new(QUIET, MOST);
        assert_eq!(debounce.due(), None);
        debounce.poke(start);
        debounce.poke(at(start, 30));
        assert_eq!(debounce.take(at(start, 60)), None);
        assert_eq!(debounce.due(), Some(at(start, 80)));
        assert_eq!(debounce.take(at(start, 80)), Some(at(start, 30)));
        assert_eq!(debounce.take(at(start, 1000)), None);
    }

    proptest! {
        /// However the events fall: nothing is forgotten, nothing is early, nothing waits for ever.
        #[test]
        fn every_event_is_followed_by_one_end(gaps in prop::collection::vec(0u64..120, 1..60)) {
            let start = Instant::now();
            let mut debounce = Debounce::new(QUIET, MOST);
            let (mut now, mut first) = (start, None);
            for gap in gaps {
                let next = now + Duration::from_millis(gap);
                if let Some(due) = debounce.due().filter(|due| *due <= next) {
                    prop_assert!(due <= first.unwrap() + MOST && due <= now + QUIET);
                    prop_assert_eq!(debounce.take(due), Some(now));
                    first = None;
                }
                now = next;
                first.get_or_insert(now);
                debounce.poke(now);
            }
            let due = debounce.due().unwrap();
            prop_assert!(due > now || due == first.unwrap() + MOST);
            prop_assert_eq!(debounce.take(due), Some(now));
            prop_assert_eq!(debounce.due(), None);
        }
    }
}
