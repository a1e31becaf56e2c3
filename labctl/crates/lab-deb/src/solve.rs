//! Which packages a request needs: its dependency closure.
//!
//! Not a SAT solver. A request is a handful of names in one suite, where the newest version of everything fits
//! together; what matters is that the same index and request give the same list on every machine, and that a
//! reader can tell why a package is in it. So nothing is ever taken back: the first alternative that can be had wins.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use thiserror::Error;

use crate::relation::{self, Alternatives, Relation, RelationError};
use crate::{Package, PackageIndex};

/// What is asked for. The order of `packages` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// Each a name or alternatives in the syntax of `Depends` (`gcc-14 (>= 14.2)`).
    pub packages: Vec<String>,
    /// Names to do without, with everything that only they would have brought: what runs at installation
    /// (`debconf`) is of no use to files that are only unpacked.
    pub exclude: BTreeSet<String>,
    pub follow: Follow,
}

/// What a requested package brings along.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Follow {
    /// Only what is asked for.
    Nothing,
    /// `Depends` and `Pre-Depends`, never `Recommends`.
    #[default]
    Dependencies,
}

/// A dependency that was not followed because it leads to an excluded package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Waived {
    pub package: String,
    pub dependency: String,
}

/// The answer to a [`Request`].
#[derive(Debug, Clone)]
pub struct Closure<'a> {
    /// By name.
    pub packages: Vec<&'a Package>,
    /// By package and dependency.
    pub waived: Vec<Waived>,
    /// Excluded names that nothing would have brought: probably misspelt.
    pub idle_exclusions: Vec<String>,
}

/// A request that the index cannot satisfy.
#[derive(Debug, Error)]
pub enum SolveError {
    #[error("`{entry}` of the request cannot be read")]
    BadRequest {
        entry: String,
        #[source]
        source: RelationError,
    },
    #[error("`{package}` is both asked for and excluded")]
    RequestedAndExcluded { package: String },
    #[error("no package is called `{name}`{}{}", via(chain), hint(suggestions))]
    NoSuchPackage {
        name: String,
        /// Who asked, the request first; empty if the request itself did.
        chain: Vec<String>,
        suggestions: Vec<String>,
    },
    #[error("`{wanted}` cannot be had: {}{}", offer(available), via(chain))]
    NoSuchVersion {
        wanted: String,
        available: Vec<String>,
        chain: Vec<String>,
    },
    #[error("the dependencies of `{package}` cannot be read")]
    BadDependencies {
        package: String,
        #[source]
        source: RelationError,
    },
    #[error("`{package}` and `{other}` exclude each other (`{relation}`){}", via(chain))]
    Conflict {
        package: String,
        other: String,
        relation: String,
        chain: Vec<String>,
    },
}

fn via(chain: &[String]) -> String {
    if chain.is_empty() {
        String::new()
    } else {
        format!(" (needed by {})", chain.join(" -> "))
    }
}

fn hint(suggestions: &[String]) -> String {
    if suggestions.is_empty() {
        String::new()
    } else {
        format!("; did you mean `{}`?", suggestions.join("` or `"))
    }
}

fn offer(available: &[String]) -> String {
    if available.is_empty() {
        "it is provided by no package in that version".to_owned()
    } else {
        format!("the index has {}", available.join(", "))
    }
}

/// The closure of `request` in `index`.
pub fn close_over<'a>(index: &'a PackageIndex, request: &Request) -> Result<Closure<'a>, SolveError> {
    let mut solver = Solver {
        index,
        request,
        chosen: BTreeMap::new(),
        waived: BTreeSet::new(),
        excluded: BTreeSet::new(),
    };
    let mut groups = Vec::new();
    for entry in &request.packages {
        let group = Alternatives::parse(entry).map_err(|source| SolveError::BadRequest {
            entry: entry.clone(),
            source,
        })?;
        groups.push(group);
    }
    // All that was asked for comes before any dependency, so that an alternative never overrules the request.
    groups.sort_by_key(ToString::to_string);
    let mut queue = VecDeque::new();
    for group in &groups {
        if let Some(excluded) = group
            .0
            .iter()
            .find(|relation| request.exclude.contains(&relation.name))
        {
            return Err(SolveError::RequestedAndExcluded {
                package: excluded.name.clone(),
            });
        }
        queue.extend(solver.satisfy(group, None)?);
    }
    while let Some(package) = queue.pop_front() {
        if request.follow == Follow::Nothing {
            break;
        }
        for field in [&package.pre_depends, &package.depends] {
            for group in relation::parse_field(field, index.architecture()).map_err(|source| {
                SolveError::BadDependencies {
                    package: package.name.clone(),
                    source,
                }
            })? {
                queue.extend(solver.satisfy(&group, Some(&package.name))?);
            }
        }
    }
    solver.refuse_conflicts()?;
    let idle = request.exclude.difference(&solver.excluded).cloned().collect();
    Ok(Closure {
        packages: solver.chosen.values().map(|chosen| chosen.package).collect(),
        waived: solver.waived.into_iter().collect(),
        idle_exclusions: idle,
    })
}

struct Chosen<'a> {
    package: &'a Package,
    /// Who needed it first; `None` for the request itself.
    needed_by: Option<String>,
}

struct Solver<'a, 'r> {
    index: &'a PackageIndex,
    request: &'r Request,
    chosen: BTreeMap<String, Chosen<'a>>,
    waived: BTreeSet<Waived>,
    /// The exclusions that were of use.
    excluded: BTreeSet<String>,
}

impl<'a> Solver<'a, '_> {
    /// Makes sure that `group` is satisfied; returns the package that had to be added for it.
    fn satisfy(
        &mut self,
        group: &Alternatives,
        needed_by: Option<&str>,
    ) -> Result<Option<&'a Package>, SolveError> {
        if group.0.iter().any(|relation| self.is_satisfied(relation)) {
            return Ok(None);
        }
        for relation in &group.0 {
            let Some(package) = self.best(relation) else {
                if self.exclusion_covers(relation) {
                    let package = needed_by.unwrap_or_default().to_owned();
                    self.waived.insert(Waived {
                        package,
                        dependency: group.to_string(),
                    });
                    return Ok(None);
                }
                continue;
            };
            let needed_by = needed_by.map(str::to_owned);
            self.chosen
                .insert(package.name.clone(), Chosen { package, needed_by });
            return Ok(Some(package));
        }
        Err(self.explain(group, needed_by))
    }

    fn is_satisfied(&self, relation: &Relation) -> bool {
        self.chosen
            .get(&relation.name)
            .is_some_and(|chosen| relation.admits(&chosen.package.version))
            || self
                .chosen
                .values()
                .any(|chosen| chosen.package.provides_for(relation))
    }

    /// The package to add for `relation`: the newest of that name, else the provider with the highest priority.
    fn best(&self, relation: &Relation) -> Option<&'a Package> {
        let usable = |package: &&Package| {
            !self.request.exclude.contains(&package.name) && !self.chosen.contains_key(&package.name)
        };
        if self.request.exclude.contains(&relation.name) {
            return None;
        }
        let real = self
            .index
            .versions(&relation.name)
            .iter()
            .filter(usable)
            .find(|p| relation.admits(&p.version));
        real.or_else(|| {
            self.index
                .providers(&relation.name)
                .filter(usable)
                .filter(|package| package.provides_for(relation))
                .min_by_key(|package| (package.priority, package.name.as_str()))
        })
    }

    /// Whether `relation` is only unsatisfied because of the exclusions, which are noted as used.
    fn exclusion_covers(&mut self, relation: &Relation) -> bool {
        let exclude = &self.request.exclude;
        let named = exclude.contains(&relation.name).then(|| relation.name.clone());
        let provider = || {
            let mut providers = self
                .index
                .providers(&relation.name)
                .filter(|p| p.provides_for(relation));
            providers
                .find(|p| exclude.contains(&p.name))
                .map(|p| p.name.clone())
        };
        match named.or_else(provider) {
            Some(name) => {
                self.excluded.insert(name);
                true
            }
            None => false,
        }
    }

    /// From the request to `package`, both included.
    fn chain(&self, package: Option<&str>) -> Vec<String> {
        let mut chain = Vec::new();
        let mut next = package;
        while let Some(name) = next {
            chain.push(name.to_owned());
            next = self
                .chosen
                .get(name)
                .and_then(|chosen| chosen.needed_by.as_deref());
        }
        chain.reverse();
        chain
    }

    fn explain(&self, group: &Alternatives, needed_by: Option<&str>) -> SolveError {
        let chain = self.chain(needed_by);
        let known = |relation: &&Relation| {
            !self.index.versions(&relation.name).is_empty()
                || self.index.providers(&relation.name).next().is_some()
        };
        match group.0.iter().find(known) {
            Some(relation) => SolveError::NoSuchVersion {
                wanted: group.to_string(),
                available: self
                    .index
                    .versions(&relation.name)
                    .iter()
                    .map(|p| format!("{} {}", p.name, p.version))
                    .collect(),
                chain,
            },
            None => {
                let name = group
                    .0
                    .first()
                    .map_or_else(String::new, |relation| relation.name.clone());
                SolveError::NoSuchPackage {
                    suggestions: self.index.suggestions(&name),
                    name,
                    chain,
                }
            }
        }
    }

    fn refuse_conflicts(&self) -> Result<(), SolveError> {
        for chosen in self.chosen.values() {
            let package = chosen.package;
            for field in [&package.conflicts, &package.breaks] {
                let groups = relation::parse_field(field, self.index.architecture()).map_err(|source| {
                    SolveError::BadDependencies {
                        package: package.name.clone(),
                        source,
                    }
                })?;
                for relation in groups.iter().flat_map(|group| &group.0) {
                    // A package that provides what it conflicts with means "only one of us", not itself.
                    let hit = |other: &&Chosen<'_>| {
                        other.package.name != package.name && other.package.satisfies(relation)
                    };
                    if let Some(other) = self.chosen.values().find(hit) {
                        return Err(SolveError::Conflict {
                            package: package.name.clone(),
                            other: other.package.name.clone(),
                            relation: relation.to_string(),
                            chain: self.chain(chosen.needed_by.as_deref()),
                        });
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
