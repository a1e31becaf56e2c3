//! A suite's `Packages` file.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::deb822::{self, Paragraph, SyntaxError};
use crate::relation::{self, Relation, RelationError};
use crate::release::parse_sha256;
use crate::suggest::closest;
use crate::{PathError, RelativePath, Version, VersionError};

/// A `Packages` file that cannot be used.
#[derive(Debug, Error)]
pub enum IndexError {
    #[error("not a control file")]
    Syntax(#[from] SyntaxError),
    #[error("line {line}: package `{package}` has no `{field}`")]
    Missing {
        line: usize,
        package: String,
        field: &'static str,
    },
    #[error("line {line}: package `{package}`: `{field}: {value}` cannot be read")]
    Value {
        line: usize,
        package: String,
        field: &'static str,
        value: String,
    },
    #[error("line {line}: package `{package}`")]
    Version {
        line: usize,
        package: String,
        #[source]
        source: VersionError,
    },
    #[error("line {line}: package `{package}`: bad `Filename`")]
    Path {
        line: usize,
        package: String,
        #[source]
        source: PathError,
    },
    #[error("line {line}: package `{package}`: bad `Provides`")]
    Provides {
        line: usize,
        package: String,
        #[source]
        source: RelationError,
    },
}

/// One binary package, as its archive describes it.
#[derive(Debug, Clone)]
pub struct Package {
    pub name: String,
    pub version: Version,
    /// `amd64` or `all`.
    pub architecture: String,
    /// Below the archive's base URL.
    pub path: RelativePath,
    /// Of the `.deb`, in bytes.
    pub size: u64,
    pub sha256: [u8; 32],
    /// Unread, as most packages of an index are never asked about.
    pub depends: String,
    pub pre_depends: String,
    pub conflicts: String,
    pub breaks: String,
    pub provides: Vec<Relation>,
    /// 0 is `required`, 4 is `extra`.
    pub(crate) priority: u8,
}

impl Package {
    fn read(stanza: &Paragraph<'_>, architecture: &str) -> Result<Package, IndexError> {
        let line = stanza.line();
        let name = stanza.get("Package").unwrap_or("?");
        let package = || name.to_owned();
        let text = |field: &'static str| {
            stanza.get(field).ok_or_else(|| IndexError::Missing {
                line,
                package: package(),
                field,
            })
        };
        let bad = |field: &'static str, value: &str| IndexError::Value {
            line,
            package: package(),
            field,
            value: value.to_owned(),
        };
        let optional = |field| stanza.get(field).unwrap_or_default().to_owned();
        let (size, sha256) = (text("Size")?, text("SHA256")?);
        let provides = relation::parse_field(stanza.get("Provides").unwrap_or_default(), architecture)
            .map_err(|source| IndexError::Provides {
                line,
                package: package(),
                source,
            })?;
        Ok(Package {
            name: text("Package")?.to_owned(),
            version: Version::parse(text("Version")?).map_err(|source| IndexError::Version {
                line,
                package: package(),
                source,
            })?,
            architecture: text("Architecture")?.to_owned(),
            path: RelativePath::parse(text("Filename")?.as_bytes()).map_err(|source| IndexError::Path {
                line,
                package: package(),
                source,
            })?,
            size: size.parse().map_err(|_| bad("Size", size))?,
            sha256: parse_sha256(sha256).ok_or_else(|| bad("SHA256", sha256))?,
            depends: optional("Depends"),
            pre_depends: optional("Pre-Depends"),
            conflicts: optional("Conflicts"),
            breaks: optional("Breaks"),
            provides: provides.into_iter().flat_map(|group| group.0).collect(),
            priority: match stanza.get("Priority") {
                Some("required") => 0,
                Some("important") => 1,
                Some("standard") => 2,
                Some("extra") => 4,
                _ => 3,
            },
        })
    }

    /// Whether the package is, or provides, what `relation` asks for.
    pub fn satisfies(&self, relation: &Relation) -> bool {
        relation.matches(&self.name, &self.version) || self.provides_for(relation)
    }

    pub(crate) fn provides_for(&self, relation: &Relation) -> bool {
        self.provides.iter().any(|provided| {
            provided.name == relation.name
                && relation.admits_provided(provided.constraint.as_ref().map(|c| &c.version))
        })
    }
}

/// The packages of one architecture, by name.
#[derive(Debug, Clone, Default)]
pub struct PackageIndex {
    architecture: String,
    /// Newest version first.
    packages: BTreeMap<String, Vec<Package>>,
    /// Virtual name to the packages that provide it, sorted.
    providers: BTreeMap<String, Vec<String>>,
}

impl PackageIndex {
    /// Reads a `Packages` file and keeps what is for `architecture` (`amd64`) or `all`.
    pub fn parse(text: &str, architecture: &str) -> Result<PackageIndex, IndexError> {
        let mut index = PackageIndex {
            architecture: architecture.to_owned(),
            ..PackageIndex::default()
        };
        for stanza in deb822::paragraphs(text) {
            let stanza = stanza?;
            if !stanza
                .get("Architecture")
                .is_some_and(|a| a != architecture && a != "all")
            {
                index.insert(Package::read(&stanza, architecture)?);
            }
        }
        Ok(index)
    }

    fn insert(&mut self, package: Package) {
        for provided in &package.provides {
            let names = self.providers.entry(provided.name.clone()).or_default();
            if let Err(at) = names.binary_search(&package.name) {
                names.insert(at, package.name.clone());
            }
        }
        let versions = self.packages.entry(package.name.clone()).or_default();
        let at = versions.partition_point(|other| other.version > package.version);
        versions.insert(at, package);
    }

    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    pub fn is_empty(&self) -> bool {
        self.packages.is_empty()
    }

    /// How many package names there are.
    pub fn len(&self) -> usize {
        self.packages.len()
    }

    /// Every version of the package called `name`, newest first.
    pub fn versions(&self, name: &str) -> &[Package] {
        self.packages.get(name).map_or(&[], Vec::as_slice)
    }

    /// The packages that provide the virtual package `name`, by name.
    pub fn providers(&self, name: &str) -> impl Iterator<Item = &Package> {
        self.providers
            .get(name)
            .into_iter()
            .flatten()
            .flat_map(|provider| self.versions(provider))
    }

    /// Known names that `wrong` may have been meant for, nearest first.
    pub fn suggestions(&self, wrong: &str) -> Vec<String> {
        closest(wrong, self.packages.keys().map(String::as_str), 3)
            .into_iter()
            .map(str::to_owned)
            .collect()
    }
}
