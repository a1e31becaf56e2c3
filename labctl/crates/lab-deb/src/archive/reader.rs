//! Reading a `.deb` from front to back.

use std::collections::BTreeMap;
use std::io::{self, Read};

use thiserror::Error;

use super::ar::{ArError, ArReader};
use super::compression::{Bounded, OverLimit, decoder};
use super::entry::{Entry, EntryError, EntryKind, FileContent, Skipped};
use crate::{RelativePath, Version, VersionError, deb822};

/// A `.deb` that is damaged, hostile, or of a kind that is not known here.
#[derive(Debug, Error)]
pub enum DebError {
    #[error("the container is damaged")]
    Container(#[from] ArError),
    #[error("`{member}` is missing or not in its place")]
    Member { member: &'static str },
    #[error("the format is `{version}`, not 2.x")]
    Format { version: String },
    #[error("`{member}` has a compression that is not known here")]
    Compression { member: String },
    #[error("cannot read `{member}`")]
    Read {
        member: String,
        #[source]
        source: io::Error,
    },
    #[error("`{member}` unpacks to more than {limit} bytes")]
    TooLarge { member: String, limit: u64 },
    #[error("more than {limit} entries")]
    TooMany { limit: u64 },
    #[error("the control file has no `{field}`")]
    Control { field: &'static str },
    #[error("the control file is damaged")]
    ControlSyntax(#[from] deb822::SyntaxError),
    #[error("the control file has a bad version")]
    ControlVersion(#[from] VersionError),
    #[error("a bad entry")]
    Entry(#[from] EntryError),
}

/// Bounds that no package of a distribution comes near, against archives that were made to fill disk or memory.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Unpacked, tar headers included.
    pub bytes: u64,
    pub entries: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            bytes: 8 << 30,
            entries: 500_000,
        }
    }
}

/// The control member holds scripts and lists of checksums.
const CONTROL_BYTES: u64 = 64 << 20;

/// Where entries below `/bin`, `/sbin` and `/lib*` go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Layout {
    /// Below `/usr`, whatever the package says; the links that alias the old places are for the caller to make.
    #[default]
    UsrMerged,
    AsShipped,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct ReadOptions {
    pub limits: Limits,
    pub layout: Layout,
}

/// An archive that could not be read, or a visitor that gave up.
#[derive(Debug, Error)]
pub enum VisitError<E: std::error::Error + 'static> {
    #[error(transparent)]
    Archive(#[from] DebError),
    #[error(transparent)]
    Visitor(E),
}

/// What was in a package.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Visited {
    pub entries: u64,
    pub skipped: Vec<Skipped>,
}

/// A package whose control file has been read and whose data is next.
pub struct DebArchive<R> {
    ar: ArReader<R>,
    pub package: String,
    pub version: Version,
    pub architecture: String,
    /// The whole control file.
    pub control: String,
}

impl DebError {
    /// For an error that [`FileContent`]'s `Read` returned.
    pub fn from_content(error: io::Error) -> DebError {
        in_member("data.tar")(error)
    }
}

impl<R: Read> DebArchive<R> {
    /// Reads as far as the control file.
    pub fn open(reader: R) -> Result<DebArchive<R>, DebError> {
        let mut ar = ArReader::new(reader)?;
        let missing = DebError::Member {
            member: "debian-binary",
        };
        let mut member = ar
            .next_member()?
            .filter(|member| member.name == "debian-binary")
            .ok_or(missing)?;
        let mut format = String::new();
        (&mut member.content)
            .take(64)
            .read_to_string(&mut format)
            .map_err(in_member("debian-binary"))?;
        if !format.starts_with("2.") {
            return Err(DebError::Format {
                version: format.trim().to_owned(),
            });
        }
        let control = with_tar(&mut ar, "control.tar", CONTROL_BYTES, control_file)?;
        let (package, version, architecture) = {
            let stanza = deb822::paragraphs(&control)
                .next()
                .ok_or(DebError::Control { field: "Package" })??;
            let field = |field| stanza.get(field).ok_or(DebError::Control { field });
            (
                field("Package")?.to_owned(),
                Version::parse(field("Version")?)?,
                field("Architecture")?.to_owned(),
            )
        };
        Ok(DebArchive {
            ar,
            package,
            version,
            architecture,
            control,
        })
    }

    /// Shows each entry of the package to `visitor`, in the archive's order, and reads to the very end, so that
    /// every checksum of the compression has been checked when this returns.
    pub fn for_each_entry<E: std::error::Error + 'static>(
        mut self,
        options: &ReadOptions,
        mut visitor: impl FnMut(Entry<'_>) -> Result<(), E>,
    ) -> Result<Visited, VisitError<E>> {
        with_tar(&mut self.ar, "data.tar", options.limits.bytes, |name, tar| {
            let mut walk = Walk {
                options,
                seen: BTreeMap::new(),
                visited: Visited::default(),
            };
            for entry in tar.entries().map_err(in_member(name))? {
                let mut entry = entry.map_err(in_member(name))?;
                walk.visited.entries += 1;
                if walk.visited.entries > options.limits.entries {
                    return Err(DebError::TooMany {
                        limit: options.limits.entries,
                    }
                    .into());
                }
                if let Some(entry) = walk.check(&mut entry)? {
                    visitor(entry).map_err(VisitError::Visitor)?;
                }
            }
            Ok(walk.visited)
        })
    }
}

/// Names the member that an error came from.
fn in_member(member: &str) -> impl Fn(io::Error) -> DebError {
    move |source| match OverLimit::find(&source) {
        Some(limit) => DebError::TooLarge {
            member: member.to_owned(),
            limit,
        },
        None => DebError::Read {
            member: member.to_owned(),
            source,
        },
    }
}

type Tar<'a> = tar::Archive<Bounded<Box<dyn Read + 'a>>>;

/// Runs `read` on the next member that is called `base` plus a suffix for its compression, then drains it.
fn with_tar<R: Read, T, E: From<DebError>>(
    ar: &mut ArReader<R>,
    base: &'static str,
    limit: u64,
    read: impl FnOnce(&str, &mut Tar<'_>) -> Result<T, E>,
) -> Result<T, E> {
    loop {
        let member = ar
            .next_member()
            .map_err(DebError::from)?
            .ok_or(DebError::Member { member: base })?;
        // deb(5): members whose names begin with an underscore may be skipped.
        if member.name.starts_with('_') {
            continue;
        }
        let name = member.name;
        let suffix = name.strip_prefix(base).ok_or(DebError::Member { member: base })?;
        let inner = decoder(suffix, member.content)
            .map_err(in_member(&name))?
            .ok_or_else(|| DebError::Compression { member: name.clone() })?;
        let mut tar = tar::Archive::new(Bounded::new(inner, limit));
        let answer = read(&name, &mut tar)?;
        io::copy(&mut tar.into_inner(), &mut io::sink()).map_err(in_member(&name))?;
        return Ok(answer);
    }
}

fn control_file(name: &str, tar: &mut Tar<'_>) -> Result<String, DebError> {
    for entry in tar.entries().map_err(in_member(name))? {
        let mut entry = entry.map_err(in_member(name))?;
        let path = RelativePath::parse(&entry.path_bytes()).map_err(EntryError::from)?;
        if path.as_str() == "control" {
            let mut text = String::new();
            entry.read_to_string(&mut text).map_err(in_member(name))?;
            return Ok(text);
        }
    }
    Err(DebError::Member { member: "control" })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    File,
    Directory,
    Other,
}

/// What has been seen of one archive.
struct Walk<'o> {
    options: &'o ReadOptions,
    seen: BTreeMap<RelativePath, Seen>,
    visited: Visited,
}

impl Walk<'_> {
    fn place(&self, bytes: &[u8]) -> Result<RelativePath, EntryError> {
        let path = RelativePath::parse(bytes)?;
        Ok(match self.options.layout {
            Layout::UsrMerged => path.usr_merged(),
            Layout::AsShipped => path,
        })
    }

    /// The entry as the visitor may see it; `None` for one that is to be skipped.
    fn check<'e>(&mut self, entry: &'e mut tar::Entry<'_, impl Read>) -> Result<Option<Entry<'e>>, DebError> {
        let kind = entry.header().entry_type();
        let path = self.place(&entry.path_bytes())?;
        if path.is_root() {
            return if kind.is_dir() {
                Ok(None)
            } else {
                Err(EntryError::Root.into())
            };
        }
        let mode = entry.header().mode().map_err(in_member("data.tar"))?;
        let mtime = entry.header().mtime().map_err(in_member("data.tar"))?;
        if self.is_alias(&entry.path_bytes(), kind) {
            return Ok(None);
        }
        let seen = match kind {
            tar::EntryType::Regular | tar::EntryType::Continuous => Seen::File,
            tar::EntryType::Directory => Seen::Directory,
            _ => Seen::Other,
        };
        self.register(&path, seen)?;
        let (mode, kind) = match kind {
            tar::EntryType::Regular | tar::EntryType::Continuous => {
                let size = entry.size();
                (mode & 0o777, EntryKind::File(FileContent::new(entry, size)))
            }
            tar::EntryType::Directory => (mode & 0o1777, EntryKind::Directory),
            tar::EntryType::Symlink => (
                0o777,
                EntryKind::Symlink {
                    target: symlink_target(&path, entry)?,
                },
            ),
            tar::EntryType::Link => {
                let target = self.place(entry.link_name_bytes().as_deref().unwrap_or_default())?;
                if self.seen.get(&target) != Some(&Seen::File) {
                    return Err(EntryError::HardLinkTarget { path, target }.into());
                }
                // A link to a link is a file, too.
                self.seen.insert(path.clone(), Seen::File);
                (mode & 0o777, EntryKind::HardLink { target })
            }
            tar::EntryType::Char | tar::EntryType::Block => return Ok(self.skip(path, "a device node")),
            tar::EntryType::Fifo => return Ok(self.skip(path, "a FIFO")),
            other => {
                return Err(EntryError::Kind {
                    path,
                    kind: other.as_byte(),
                }
                .into());
            }
        };
        Ok(Some(Entry {
            path,
            mode,
            mtime,
            kind,
        }))
    }

    /// Whether the entry is one of the links (`/bin` -> `usr/bin`) that the merged layout leaves to the caller.
    fn is_alias(&self, bytes: &[u8], kind: tar::EntryType) -> bool {
        self.options.layout == Layout::UsrMerged
            && kind == tar::EntryType::Symlink
            && RelativePath::parse(bytes)
                .is_ok_and(|path| path != path.usr_merged() && !path.as_str().contains('/'))
    }

    fn skip<'e>(&mut self, path: RelativePath, what: &'static str) -> Option<Entry<'e>> {
        self.visited.skipped.push(Skipped { path, what });
        None
    }

    fn register(&mut self, path: &RelativePath, seen: Seen) -> Result<(), EntryError> {
        for ancestor in path.ancestors() {
            let ancestor = RelativePath::parse(ancestor.as_bytes())?;
            if self
                .seen
                .get(&ancestor)
                .is_some_and(|seen| *seen != Seen::Directory)
            {
                return Err(EntryError::ThroughNonDirectory {
                    path: path.clone(),
                    through: ancestor.to_string(),
                });
            }
        }
        match self.seen.insert(path.clone(), seen) {
            // Two directories of an unmerged package may become one.
            Some(Seen::Directory) if seen == Seen::Directory => Ok(()),
            Some(_) => Err(EntryError::Duplicate { path: path.clone() }),
            None => Ok(()),
        }
    }
}

fn symlink_target(path: &RelativePath, entry: &tar::Entry<'_, impl Read>) -> Result<String, EntryError> {
    let bytes = entry.link_name_bytes().unwrap_or_default();
    let target = std::str::from_utf8(&bytes)
        .ok()
        .filter(|text| !text.is_empty() && !text.contains('\0'));
    let target = target
        .ok_or_else(|| EntryError::LinkTarget { path: path.clone() })?
        .to_owned();
    if !path.link_stays_inside(&target) {
        return Err(EntryError::LinkOut {
            path: path.clone(),
            target,
        });
    }
    Ok(target)
}
