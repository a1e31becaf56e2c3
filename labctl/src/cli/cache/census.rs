//! Everything in the store, with a name for people.

use std::time::SystemTime;

use super::describe;
use crate::cli::args::Part;
use crate::session::Needs;
use crate::store::{Bucket, Store, StoreError, Stored, Unfinished};

/// One thing in the store.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) part: Part,
    pub(crate) thing: Thing,
    /// What it is, as far as that is cheap to know; empty otherwise.
    pub(crate) what: String,
    /// Whether the locks of this course name it.
    pub(crate) needed: bool,
}

#[derive(Debug, Clone)]
pub(crate) enum Thing {
    Finished(Stored),
    Unfinished(Unfinished),
}

impl Item {
    /// The entry's id, or what is in the staging folder by its name.
    pub(crate) fn id(&self) -> &str {
        match &self.thing {
            Thing::Finished(stored) => &stored.id,
            Thing::Unfinished(unfinished) => &unfinished.name,
        }
    }

    /// On the disk.
    pub(crate) fn bytes(&self) -> u64 {
        match &self.thing {
            Thing::Finished(stored) => stored.bytes,
            Thing::Unfinished(unfinished) => unfinished.extent.bytes,
        }
    }

    pub(crate) fn last_used(&self) -> SystemTime {
        match &self.thing {
            Thing::Finished(stored) => stored.last_used,
            Thing::Unfinished(unfinished) => unfinished.extent.changed,
        }
    }
}

/// The parts that were named, each once and in their order; all of them when none was.
pub(crate) fn parts_or_all(named: &[Part]) -> Vec<Part> {
    use clap::ValueEnum as _;

    let all = Part::value_variants();
    let chosen = all.iter().filter(|part| named.is_empty() || named.contains(part));
    chosen.copied().collect()
}

/// Everything in `parts`, by part and id.
pub(crate) fn census(store: &Store, parts: &[Part], needs: &Needs) -> Result<Vec<Item>, StoreError> {
    let mut items = Vec::new();
    for part in parts {
        let Some(bucket) = bucket(*part) else {
            items.extend(store.unfinished()?.into_iter().map(|unfinished| Item {
                part: *part,
                what: describe::unfinished(&unfinished),
                needed: false,
                thing: Thing::Unfinished(unfinished),
            }));
            continue;
        };
        items.extend(store.entries(bucket)?.into_iter().map(|stored| {
            let needed = needs.get(bucket, &stored.id);
            Item {
                part: *part,
                what: describe::stored(&stored, needed),
                needed: needed.is_some(),
                thing: Thing::Finished(stored),
            }
        }));
    }
    Ok(items)
}

fn bucket(part: Part) -> Option<Bucket> {
    match part {
        Part::Debs => Some(Bucket::Debs),
        Part::Roots => Some(Bucket::Roots),
        Part::Kernels => Some(Bucket::Kernels),
        Part::Images => Some(Bucket::Images),
        Part::Artefacts => Some(Bucket::Artefacts),
        Part::Templates => Some(Bucket::Templates),
        Part::Staging => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bucket_is_a_part() {
        let parts = parts_or_all(&[]);
        let buckets: Vec<_> = parts.iter().filter_map(|part| bucket(*part)).collect();
        assert_eq!(buckets, Bucket::ALL);
        assert_eq!(parts.len(), Bucket::ALL.len() + 1);
        let named = [Part::Images, Part::Roots, Part::Images];
        assert_eq!(parts_or_all(&named), [Part::Roots, Part::Images]);
    }
}
