//! A suite's `Release` file: the dates and checksums that the archive's key signs (Debian's repository format).

use std::collections::BTreeMap;

use thiserror::Error;

use crate::deb822::{self, SyntaxError};

/// A `Release` file that cannot be used.
#[derive(Debug, Error)]
pub enum ReleaseError {
    #[error("the file is empty")]
    Empty,
    #[error("not a control file")]
    Syntax(#[from] SyntaxError),
    #[error("the field `{field}` is missing")]
    Missing { field: &'static str },
    #[error("`{field}: {value}` is not a date")]
    Date { field: &'static str, value: String },
    #[error("the checksum line `{line}` is not `sha256 size path`")]
    Checksum { line: String },
}

/// What the archive vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checksum {
    pub sha256: [u8; 32],
    /// Bytes.
    pub size: u64,
}

/// A parsed `Release`; whether its signature was checked is the caller's knowledge.
#[derive(Debug, Clone)]
pub struct Release {
    pub suite: Option<String>,
    pub codename: Option<String>,
    /// The point release (`13.1`); rolling suites have none.
    pub version: Option<String>,
    /// As written, for people; [`parse_date`] reads it.
    pub date: String,
    /// Seconds since the epoch.
    pub date_seconds: i64,
    /// Seconds since the epoch.
    pub valid_until_seconds: Option<i64>,
    /// Whether the archive also offers each index under its hash.
    pub acquire_by_hash: bool,
    /// By path below `dists/<suite>/`.
    pub files: BTreeMap<String, Checksum>,
}

impl Release {
    pub fn parse(text: &str) -> Result<Release, ReleaseError> {
        let stanza = deb822::paragraphs(text).next().ok_or(ReleaseError::Empty)??;
        let date = stanza
            .get("Date")
            .ok_or(ReleaseError::Missing { field: "Date" })?;
        let seconds = |field: &'static str, value: &str| {
            parse_date(value).ok_or_else(|| ReleaseError::Date {
                field,
                value: value.to_owned(),
            })
        };
        let sums = stanza
            .field("SHA256")
            .ok_or(ReleaseError::Missing { field: "SHA256" })?;
        let mut files = BTreeMap::new();
        for line in sums.lines() {
            let (path, checksum) = checksum_line(line).ok_or_else(|| ReleaseError::Checksum {
                line: line.to_owned(),
            })?;
            files.insert(path.to_owned(), checksum);
        }
        let owned = |name| stanza.get(name).map(str::to_owned);
        Ok(Release {
            suite: owned("Suite"),
            codename: owned("Codename"),
            version: owned("Version"),
            date: date.to_owned(),
            date_seconds: seconds("Date", date)?,
            valid_until_seconds: stanza
                .get("Valid-Until")
                .map(|value| seconds("Valid-Until", value))
                .transpose()?,
            acquire_by_hash: stanza.get("Acquire-By-Hash") == Some("yes"),
            files,
        })
    }
}

fn checksum_line(line: &str) -> Option<(&str, Checksum)> {
    let mut words = line.split_whitespace();
    let (hash, size, path) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() {
        return None;
    }
    Some((
        path,
        Checksum {
            sha256: parse_sha256(hash)?,
            size: size.parse().ok()?,
        },
    ))
}

/// Reads 64 hexadecimal digits.
pub(crate) fn parse_sha256(hex: &str) -> Option<[u8; 32]> {
    if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}

/// Reads `Sat, 09 Aug 2025 08:40:11 UTC` (the zone may be `UTC`, `GMT`, `Z` or `+0000`, which is all that archives
/// write) as seconds since 1970-01-01 00:00 UTC.
pub fn parse_date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let rest = text.split_once(',').map_or(text, |(_, rest)| rest);
    let words: Vec<&str> = rest.split_whitespace().collect();
    let [day, month, year, time, zone] = words[..] else {
        return None;
    };
    if !["UTC", "GMT", "Z", "+0000"].contains(&zone) {
        return None;
    }
    let day: i64 = day.parse().ok().filter(|d| (1..=31).contains(d))?;
    let month = MONTHS.iter().position(|name| *name == month)? as i64 + 1;
    let year: i64 = year.parse().ok().filter(|y| (1970..=9999).contains(y))?;
    let mut clock = time.split(':').map(|part| part.parse::<i64>().ok());
    let (hours, minutes, seconds) = (clock.next()??, clock.next()??, clock.next()??);
    if clock.next().is_some()
        || !(0..24).contains(&hours)
        || !(0..60).contains(&minutes)
        || !(0..=60).contains(&seconds)
    {
        return None;
    }
    Some(days_since_epoch(year, month, day) * 86_400 + hours * 3_600 + minutes * 60 + seconds)
}

/// The proleptic Gregorian calendar, with years counted from March so that the leap day comes last.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month <= 2 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let days_in_months = (153 * month + 2) / 5;
    year * 365 + year / 4 - year / 100 + year / 400 + days_in_months + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Origin: Debian\nSuite: stable\nVersion: 13.1\nCodename: trixie\nAcquire-By-Hash: yes\n\
        Date: Sat, 06 Sep 2025 08:57:31 UTC\nMD5Sum:\n d41d8cd98f00b204e9800998ecf8427e 0 main/binary-amd64/Packages\n\
        SHA256:\n e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 main/binary-amd64/Packages.xz\n";

    #[test]
    fn reads_dates_and_checksums() {
        let release = Release::parse(TEXT).unwrap();
        assert_eq!(release.codename.as_deref(), Some("trixie"));
        assert_eq!(release.version.as_deref(), Some("13.1"));
        assert_eq!(release.date_seconds, 1_757_149_051);
        assert!(release.acquire_by_hash);
        assert_eq!(release.files["main/binary-amd64/Packages.xz"].sha256[0], 0xe3);
        assert_eq!(release.files.len(), 1);
    }

    #[test]
    fn names_what_is_wrong() {
        for (from, to, part) in [
            ("Date: Sat, 06 Sep", "Date: someday", "not a date"),
            ("e3b0c4", "zzzzzz", "sha256 size path"),
            ("SHA256:", "SHA1:", "`SHA256` is missing"),
        ] {
            let error = Release::parse(&TEXT.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        assert!(matches!(Release::parse(" \n"), Err(ReleaseError::Empty)));
    }

    #[test]
    fn dates_are_seconds_since_the_epoch() {
        assert_eq!(parse_date("Thu, 01 Jan 1970 00:00:00 UTC"), Some(0));
        assert_eq!(parse_date("Thu, 29 Feb 2024 12:00:00 GMT"), Some(1_709_208_000));
        assert_eq!(parse_date("01 Mar 2000 00:00:01 +0000"), Some(951_868_801));
        for bad in [
            "",
            "Sat, 06 Sep 2025",
            "Sat, 06 Sep 2025 25:00:00 UTC",
            "Sat, 06 Sep 2025 08:57:31 CEST",
        ] {
            assert_eq!(parse_date(bad), None, "{bad}");
        }
    }
}
