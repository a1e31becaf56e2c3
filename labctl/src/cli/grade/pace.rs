//! How fast a batch goes, and how long it will take.

use std::time::Duration;

/// What is done so far of what is to be done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pace {
    pub(super) done: u64,
    pub(super) total: u64,
    pub(super) elapsed: Duration,
}

impl Pace {
    /// `27 a minute, 2 min left`; nothing before there is a rate.
    pub(super) fn describe(self) -> String {
        let seconds = self.elapsed.as_secs_f64();
        if self.done == 0 || seconds <= 0.0 {
            return String::new();
        }
        let done = self.done as f64;
        let rate = done * 60.0 / seconds;
        let rate = if rate < 10.0 {
            format!("{rate:.1}")
        } else {
            format!("{rate:.0}")
        };
        let left = (self.total.saturating_sub(self.done)) as f64 * seconds / done;
        let left = if left < 90.0 {
            format!("{left:.0} s left")
        } else if left < 5400.0 {
            format!("{:.0} min left", left / 60.0)
        } else {
            format!("{:.1} h left", left / 3600.0)
        };
        format!("{rate} a minute, {left}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_for_people() {
        let pace = |done, total, seconds| {
            let elapsed = Duration::from_secs(seconds);
            Pace { done, total, elapsed }.describe()
        };
        assert_eq!(pace(0, 60, 5), "");
        assert_eq!(pace(30, 60, 60), "30 a minute, 60 s left");
        assert_eq!(pace(1, 60, 20), "3.0 a minute, 20 min left");
        assert_eq!(pace(1, 1000, 60), "1.0 a minute, 16.6 h left");
        assert_eq!(pace(60, 60, 60), "60 a minute, 0 s left");
    }
}
