//! Sources that stay nearly equal without their names: fingerprints by winnowing (Schleimer, Wilkerson and Aiken,
//! SIGMOD 2003), without those of what everybody was given, and of what many have written.

use std::collections::{BTreeMap, BTreeSet};

use super::tokens::tokens;
use super::{Work, common_above};

/// Tokens that have to be equal in a row: two or three lines of C.
const GRAM: usize = 14;
/// Of as many neighbouring grams one is a fingerprint, so that a match of `GRAM + WINDOW - 1` tokens is never missed.
const WINDOW: usize = 5;
/// A file with fewer fingerprints of its own is too short to say anything.
const LEAST: usize = 4;
/// Below this, two files have their exercise in common.
const PERCENT: u32 = 60;

/// A file that two students share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedSource {
    pub path: String,
    /// Of the fingerprints of the one that has fewer.
    pub percent: u32,
}

/// The fingerprints of every file, by student.
pub(super) struct Prints(Vec<BTreeMap<String, BTreeSet<u64>>>);

impl Prints {
    pub(super) fn of(works: &[Work], given: &BTreeMap<String, String>) -> Self {
        let given: BTreeSet<u64> = given.values().flat_map(|text| grams(&tokens(text))).collect();
        let own = |text: &String| -> BTreeSet<u64> {
            let mut prints = winnow(&grams(&tokens(text)));
            prints.retain(|print| !given.contains(print));
            prints
        };
        let mut all: Vec<BTreeMap<String, BTreeSet<u64>>> = works
            .iter()
            .map(|work| {
                work.sources
                    .iter()
                    .map(|(path, text)| (path.clone(), own(text)))
                    .collect()
            })
            .collect();
        let mut students: BTreeMap<u64, usize> = BTreeMap::new();
        for files in &all {
            let prints: BTreeSet<u64> = files.values().flatten().copied().collect();
            for print in prints {
                *students.entry(print).or_default() += 1;
            }
        }
        let limit = common_above(works.len());
        for prints in all.iter_mut().flat_map(BTreeMap::values_mut) {
            prints.retain(|print| students.get(print).is_some_and(|count| *count <= limit));
        }
        Self(all)
    }

    pub(super) fn shared(&self, one: usize, other: usize) -> Vec<SharedSource> {
        let mut shared = Vec::new();
        for (path, ours) in &self.0[one] {
            let Some(theirs) = self.0[other].get(path) else {
                continue;
            };
            let fewer = ours.len().min(theirs.len());
            if fewer < LEAST {
                continue;
            }
            let both = ours.intersection(theirs).count();
            let percent = u32::try_from(both * 100 / fewer).unwrap_or(0);
            if percent >= PERCENT {
                shared.push(SharedSource {
                    path: path.clone(),
                    percent,
                });
            }
        }
        shared
    }
}

/// A number for every run of [`GRAM`] tokens (FNV-1a).
fn grams(tokens: &[u8]) -> Vec<u64> {
    let hash = |gram: &[u8]| {
        gram.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
    };
    tokens.windows(GRAM).map(hash).collect()
}

/// The least of every window.
fn winnow(grams: &[u64]) -> BTreeSet<u64> {
    if grams.len() < WINDOW {
        return grams.iter().min().copied().into_iter().collect();
    }
    grams
        .windows(WINDOW)
        .filter_map(|window| window.iter().min().copied())
        .collect()
}
