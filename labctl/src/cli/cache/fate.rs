//! What becomes of a thing in the store when room is wanted. Pure.

use std::collections::BTreeSet;
use std::time::SystemTime;

use serde::Serialize;

/// Why something stays, or that it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fate {
    /// The locks of this course name it.
    Needed,
    /// A guest or another labctl uses it.
    InUse,
    /// It was used not long ago.
    Recent,
    Removed,
}

/// What becomes of the thing called `id`, as far as can be told without its lock. `words` are those that processes were
/// started with: a guest names the memory that it maps and the disks that it reads.
pub(crate) fn fate(
    id: &str,
    needed: bool,
    last_used: SystemTime,
    words: &BTreeSet<String>,
    cutoff: SystemTime,
) -> Fate {
    if needed {
        Fate::Needed
    } else if words.contains(id) {
        Fate::InUse
    } else if last_used > cutoff {
        Fate::Recent
    } else {
        Fate::Removed
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn need_outranks_use_and_use_outranks_age() {
        let (old, cutoff) = (
            SystemTime::UNIX_EPOCH,
            SystemTime::UNIX_EPOCH + Duration::from_secs(9),
        );
        let new = cutoff + Duration::from_secs(1);
        let running = BTreeSet::from(["0a1b".to_owned()]);
        let cases = [
            (("0a1b", true, old), Fate::Needed),
            (("0a1b", false, old), Fate::InUse),
            (("77", false, new), Fate::Recent),
            (("77", false, cutoff), Fate::Removed),
        ];
        for ((id, needed, used), expected) in cases {
            assert_eq!(
                fate(id, needed, used, &running, cutoff),
                expected,
                "{id} {needed}"
            );
        }
    }
}
