//! The lock as text: YAML with one fact per line, in an order that depends on nothing but the facts, because it is
//! read as a diff.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use lab_deb::{RelativePath, Version};
use serde::Deserialize;
use serde_yaml::Spanned;

use super::lockfile::{LockFile, Pin, ReleaseStamp, SetLock};
use crate::digest::Digest;

/// Raised when old programs would misread a new file.
const FORMAT: u32 = 1;

/// A lock file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{file}:{line}:{column}: {problem}")]
pub struct LockError {
    pub file: String,
    /// Counted from 1.
    pub line: u64,
    /// In characters, counted from 1.
    pub column: u64,
    pub problem: String,
}

impl LockFile {
    /// Reads the lock in `bytes`; `file` is its name in messages.
    ///
    /// # Errors
    /// With the place in the file, for anything that [`LockFile::to_text`] would not have written.
    pub fn load(bytes: &[u8], file: &str) -> Result<LockFile, LockError> {
        let at = |line: u64, column: u64, problem: String| LockError {
            file: file.to_owned(),
            line,
            column,
            problem,
        };
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = bytes[..error.valid_up_to()]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count() as u64
                + 1;
            at(line, 1, "not UTF-8".to_owned())
        })?;
        let raw: RawLock = serde_yaml::from_str(text).map_err(|error| {
            let (line, column) = error
                .location()
                .map_or((1, 1), |place| (place.line(), place.column()));
            at(line, column, problem_of(&error))
        })?;
        raw.check()
            .map_err(|(place, problem)| at(place.line(), place.column(), problem))
    }

    /// The lock as it is stored. Loading it gives an equal lock.
    pub fn to_text(&self) -> String {
        let mut text = String::from(
            "# Written by `labctl lock`. Not to be edited: a change here is reviewed, not made.\n",
        );
        let mut line = |indent: usize, key: &str, value: &str| {
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{:indent$}{key}{}{value}",
                "",
                if value.is_empty() { "" } else { " " }
            );
        };
        line(0, "format:", &FORMAT.to_string());
        line(0, "suite:", &scalar(&self.suite));
        line(0, "release:", "");
        if let Some(version) = &self.release.version {
            line(2, "version:", &quoted(version));
        }
        line(2, "date:", &quoted(&self.release.date));
        line(0, "sets:", if self.sets.is_empty() { "{}" } else { "" });
        for (name, set) in &self.sets {
            line(2, &format!("{}:", scalar(name)), "");
            line(
                4,
                "dependencies:",
                if set.dependencies { "true" } else { "false" },
            );
            let exclude: Vec<&String> = set.exclude.iter().collect();
            let request: Vec<&String> = set.request.iter().collect();
            let packages: Vec<&String> = set.packages.iter().collect();
            for (key, names) in [
                ("request:", request),
                ("exclude:", exclude),
                ("packages:", packages),
            ] {
                line(4, key, if names.is_empty() { "[]" } else { "" });
                for name in names {
                    line(6, "-", &scalar(name));
                }
            }
        }
        line(0, "packages:", if self.packages.is_empty() { "[]" } else { "" });
        for pin in self.packages.values() {
            line(2, "- name:", &scalar(&pin.name));
            line(4, "version:", &quoted(pin.version.as_str()));
            line(4, "arch:", &scalar(&pin.architecture));
            line(4, "size:", &pin.size.to_string());
            line(4, "sha256:", &quoted(&pin.sha256.to_string()));
            line(4, "path:", &scalar(pin.path.as_str()));
        }
        text
    }
}

fn quoted(text: &str) -> String {
    // JSON strings are YAML scalars.
    serde_json::Value::from(text).to_string()
}

/// Bare where no reader of YAML could take the text for anything but a string.
fn scalar(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-._/~".contains(&b))
        && !["true", "false", "yes", "no", "on", "off", "null", "y", "n"].contains(&text);
    if plain { text.to_owned() } else { quoted(text) }
}

fn problem_of(error: &serde_yaml::Error) -> String {
    let text = error.without_snippet().to_string();
    // The place is said in front already, in the way that editors understand.
    match text.split_once(" at line ") {
        Some((problem, _)) => problem.trim_end_matches([',', ':']).to_owned(),
        None => text,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLock {
    format: Spanned<u32>,
    suite: String,
    release: RawRelease,
    sets: BTreeMap<String, RawSet>,
    packages: Vec<RawPin>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRelease {
    version: Option<String>,
    date: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSet {
    dependencies: bool,
    request: Vec<String>,
    exclude: BTreeSet<String>,
    packages: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPin {
    name: Spanned<String>,
    version: RawVersion,
    arch: Spanned<String>,
    size: u64,
    sha256: Digest,
    path: RawPath,
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct RawVersion(Version);

impl TryFrom<String> for RawVersion {
    type Error = lab_deb::VersionError;

    fn try_from(text: String) -> Result<RawVersion, lab_deb::VersionError> {
        Version::parse(&text).map(RawVersion)
    }
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct RawPath(RelativePath);

impl TryFrom<String> for RawPath {
    type Error = String;

    fn try_from(text: String) -> Result<RawPath, String> {
        match RelativePath::parse(text.as_bytes()) {
            Ok(path) if path.as_str() == text && !path.is_root() => Ok(RawPath(path)),
            Ok(_) => Err(format!("the path `{text}` is not normalised")),
            Err(error) => Err(error.to_string()),
        }
    }
}

type Fault = (serde_yaml::Location, String);

impl RawLock {
    fn check(self) -> Result<LockFile, Fault> {
        if self.format.value != FORMAT {
            let problem = format!(
                "the lock has format {}, this labctl knows {FORMAT}",
                self.format.value
            );
            return Err((self.format.referenced, problem));
        }
        let mut packages = BTreeMap::new();
        for raw in self.packages {
            let place = raw.name.referenced;
            if !["amd64", "all"].contains(&raw.arch.value.as_str()) {
                return Err((
                    raw.arch.referenced,
                    format!("the architecture `{}` is not amd64 or all", raw.arch.value),
                ));
            }
            let pin = Pin {
                name: raw.name.value,
                version: raw.version.0,
                architecture: raw.arch.value,
                size: raw.size,
                sha256: raw.sha256,
                path: raw.path.0,
            };
            if let Some(twice) = packages.insert(pin.name.clone(), pin) {
                return Err((place, format!("the package `{}` is pinned twice", twice.name)));
            }
        }
        let mut sets = BTreeMap::new();
        for (name, raw) in self.sets {
            for package in &raw.packages {
                if !packages.contains_key(&package.value) {
                    let problem = format!(
                        "the set `{name}` has `{}`, which is not pinned below",
                        package.value
                    );
                    return Err((package.referenced, problem));
                }
            }
            let set = SetLock {
                request: raw.request,
                exclude: raw.exclude,
                dependencies: raw.dependencies,
                packages: raw.packages.into_iter().map(|package| package.value).collect(),
            };
            sets.insert(name, set);
        }
        let release = ReleaseStamp {
            version: self.release.version,
            date: self.release.date,
        };
        Ok(LockFile {
            suite: self.suite,
            release,
            sets,
            packages,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> LockFile {
        let pin = |name: &str, version: &str| Pin {
            name: name.to_owned(),
            version: Version::parse(version).unwrap(),
            architecture: "amd64".to_owned(),
            size: 12,
            sha256: Digest::of(name.as_bytes()),
            path: RelativePath::parse(format!("pool/main/{name}_{version}.deb").as_bytes()).unwrap(),
        };
        let packages = [
            pin("busybox-static", "1:1.37.0-6+b9"),
            pin("no", "1.0"),
            pin("zlib1g", "2025~1e5"),
        ];
        let set = |names: &[&str]| SetLock {
            request: vec!["busybox-static (>= 1)".into(), "no".into()],
            exclude: ["debconf".to_owned()].into(),
            dependencies: true,
            packages: names.iter().map(|s| (*s).to_owned()).collect(),
        };
        LockFile {
            suite: "trixie".into(),
            release: ReleaseStamp {
                version: Some("13.1".into()),
                date: "Sat, 06 Sep 2025 08:57:31 UTC".into(),
            },
            sets: BTreeMap::from([
                ("base".into(), set(&["busybox-static", "no", "zlib1g"])),
                ("net".into(), set(&[])),
            ]),
            packages: packages.into_iter().map(|pin| (pin.name.clone(), pin)).collect(),
        }
    }

    #[test]
    fn loads_what_it_wrote() {
        let lock = sample();
        assert_eq!(LockFile::load(lock.to_text().as_bytes(), "x").unwrap(), lock);
        let empty = LockFile {
            sets: BTreeMap::new(),
            packages: BTreeMap::new(),
            ..lock
        };
        assert_eq!(LockFile::load(empty.to_text().as_bytes(), "x").unwrap(), empty);
    }

    #[test]
    fn is_stable_and_reviewable() {
        insta::assert_snapshot!(sample().to_text());
    }

    fn error(from: &str, to: &str) -> String {
        let text = sample().to_text();
        assert!(text.contains(from), "{from}");
        LockFile::load(text.replacen(from, to, 1).as_bytes(), "images/m/image.lock")
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn every_fault_has_its_place() {
        for (from, to, expected) in [
            (
                "format: 1",
                "format: 2",
                "images/m/image.lock:2:9: the lock has format 2, this labctl knows 1",
            ),
            (
                "suite: trixie",
                "suit: trixie",
                "images/m/image.lock:3:1: unknown field `suit`",
            ),
            ("\"13.1\"", "[", "images/m/image.lock:"),
            ("size: 12", "size: many", "images/m/image.lock:31:11: invalid u64"),
            ("sha256: \"", "sha256: \"zz", "images/m/image.lock:32:13: "),
            (
                "path: \"pool",
                "path: \"../pool",
                "images/m/image.lock:33:11: the path `../pool",
            ),
            ("path: \"pool/", "path: \"pool//", "is not normalised"),
            ("version: \"1:", "version: \"one:", "images/m/image.lock:29:14: "),
            (
                "arch: amd64",
                "arch: i386",
                "images/m/image.lock:30:11: the architecture `i386`",
            ),
            (
                "- name: \"no\"",
                "- name: busybox-static",
                "the package `busybox-static` is pinned twice",
            ),
            (
                "      - zlib1g",
                "      - zlib2g",
                "images/m/image.lock:18:9: the set `base` has `zlib2g`, which is not pinned below",
            ),
            ("    size: 12\n", "", "missing"),
        ] {
            let error = error(from, to);
            assert!(error.contains(expected), "{to}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
        let error = LockFile::load(b"format: 1\nsuite: \xff\n", "f").unwrap_err();
        assert_eq!(error.to_string(), "f:2:1: not UTF-8");
        assert!(LockFile::load(b"", "f").is_err());
    }

    #[test]
    fn knows_its_request() {
        let lock = sample();
        let mut request = lock.request();
        assert!(lock.answers(&request));
        request.sets.get_mut("base").unwrap().packages.reverse();
        assert!(lock.answers(&request));
        request.sets.get_mut("base").unwrap().packages.push("vim".into());
        assert!(!lock.answers(&request));
        assert_eq!(lock.set("base").unwrap().count(), 3);
        assert!(lock.set("none").is_none());
        assert_eq!(lock.total_size(), 36);
        assert_eq!(
            (
                lock.only(&["base"]).packages.len(),
                lock.only(&["net", "none"]).packages.len()
            ),
            (3, 0)
        );
        assert_eq!(lock.only(&["base", "net"]), lock);
    }
}
