//! What was measured, gathered run by run. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

/// One thing that is measured, in the order in which it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Figure {
    /// From nothing to a guest that lets us in.
    Boot,
    /// The same, from a frozen guest.
    Restore,
    /// And one command in it over SSH.
    RestoreAndCommand,
    /// An exercise whose C files have all just been edited.
    CheckCold,
    /// The same again.
    CheckWarm,
    /// Several clones at once, each through one command.
    Clones,
    /// Memory that one of them has for itself.
    Private,
    /// And with its share of what they have together.
    Proportional,
}

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Values are microseconds.
    Time,
    /// Values are bytes.
    Memory,
}

impl Figure {
    /// As JSON calls it.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Restore => "restore",
            Self::RestoreAndCommand => "restore-and-command",
            Self::CheckCold => "check-cold",
            Self::CheckWarm => "check-warm",
            Self::Clones => "clones",
            Self::Private => "clone-private",
            Self::Proportional => "clone-proportional",
        }
    }

    pub(crate) fn unit(self) -> Unit {
        match self {
            Self::Private | Self::Proportional => Unit::Memory,
            _ => Unit::Time,
        }
    }
}

/// The values of every figure, in the order in which they were measured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Figures(BTreeMap<Figure, Vec<u64>>);

impl Figures {
    pub(crate) fn time(&mut self, figure: Figure, took: Duration) {
        self.add(figure, u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// In the figure's own unit.
    pub(crate) fn add(&mut self, figure: Figure, value: u64) {
        self.0.entry(figure).or_default().push(value);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Figure, &[u64])> {
        self.0.iter().map(|(figure, values)| (*figure, values.as_slice()))
    }

    pub(crate) fn of(&self, figure: Figure) -> &[u64] {
        self.0.get(&figure).map_or(&[], Vec::as_slice)
    }
}

/// The smallest of `values`: what the machine can do when nothing else wants it.
pub(crate) fn minimum(values: &[u64]) -> Option<u64> {
    values.iter().copied().min()
}

/// The middle one of `values`, or the mean of the two in the middle.
pub(crate) fn median(values: &[u64]) -> Option<u64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let (lower, upper) = (
        sorted.get(sorted.len().checked_sub(1)? / 2)?,
        sorted.get(sorted.len() / 2)?,
    );
    Some(lower.midpoint(*upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_does_not_mind_one_bad_run() {
        assert_eq!(median(&[300, 200, 9000, 210, 220]), Some(220));
        assert_eq!(median(&[40, 10, 20, 30]), Some(25));
        assert_eq!(median(&[7]), Some(7));
        assert_eq!((median(&[]), minimum(&[])), (None, None));
        assert_eq!(minimum(&[3, 1, 2]), Some(1));
    }

    #[test]
    fn figures_keep_the_order_of_their_values() {
        let mut figures = Figures::default();
        figures.time(Figure::Restore, Duration::from_millis(250));
        figures.add(Figure::Private, 7);
        figures.time(Figure::Restore, Duration::from_millis(200));
        assert_eq!(figures.of(Figure::Restore), [250_000, 200_000]);
        assert_eq!(figures.of(Figure::Boot), [0; 0]);
        let ids: Vec<_> = figures.iter().map(|(figure, _)| figure.id()).collect();
        assert_eq!(ids, ["restore", "clone-private"]);
    }
}
