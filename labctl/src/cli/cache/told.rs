//! Sizes, ages and lists for people.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use super::census::Item;
use crate::cli::args::Part;

/// More entries of one part than this are counted, not listed, unless the part was named.
const LISTED: usize = 8;
/// Digits of an id that are shown; labctl prints them, and takes none.
const ID: usize = 12;

/// `1.4 GiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    // In tenths, so that nothing is lost to a float.
    let mut tenths = bytes.saturating_mul(10) >> 10;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths >>= 10;
        unit += 1;
    }
    let unit = UNITS[unit];
    if tenths >= 1000 || unit == "KiB" {
        format!("{} {unit}", tenths / 10)
    } else {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    }
}

/// `3 days ago`.
pub(crate) fn age(now: SystemTime, then: SystemTime) -> String {
    let seconds = now.duration_since(then).unwrap_or(Duration::ZERO).as_secs();
    let (count, unit) = match seconds {
        0..60 => return "just now".to_owned(),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural} ago")
}

/// Parts with their sums, and below each its entries, the largest first; `all` of them, or the first few.
pub(crate) fn table(parts: &[Part], items: &[Item], all: bool, now: SystemTime) -> String {
    let mut text = String::new();
    for part in parts {
        let mut own: Vec<&Item> = items.iter().filter(|item| item.part == *part).collect();
        own.sort_by(|a, b| b.bytes().cmp(&a.bytes()).then_with(|| a.id().cmp(b.id())));
        let used = own.iter().map(|item| item.last_used()).max();
        let bytes = own.iter().map(|item| item.bytes()).sum();
        row(
            &mut text,
            name(*part),
            &counted(own.len()),
            bytes,
            used.map(|at| age(now, at)),
            "",
        );
        let shown = if all || own.len() <= LISTED {
            own.len()
        } else {
            LISTED
        };
        for item in &own[..shown] {
            let id: String = item
                .id()
                .chars()
                .take(if all { usize::MAX } else { ID })
                .collect();
            let used = age(now, item.last_used());
            row(&mut text, "", &id, item.bytes(), Some(used), &item.what);
        }
        if shown < own.len() {
            let _ = writeln!(text, "{:11}… `labctl cache ls {}` lists all", "", name(*part));
        }
    }
    let total = items.iter().map(Item::bytes).sum();
    row(&mut text, "all", &counted(items.len()), total, None, "");
    text
}

/// `4 entries`.
pub(crate) fn counted(count: usize) -> String {
    if count == 1 {
        "1 entry".to_owned()
    } else {
        format!("{count} entries")
    }
}

fn row(text: &mut String, part: &str, what: &str, bytes: u64, used: Option<String>, words: &str) {
    let used = used.unwrap_or_default();
    let line = format!("{part:<10} {what:<13} {:>10}  {used:<15} {words}", size(bytes));
    // Writing to a `String` cannot fail.
    let _ = writeln!(text, "{}", line.trim_end());
}

/// As on the command line.
pub(crate) fn name(part: Part) -> &'static str {
    match part {
        Part::Debs => "debs",
        Part::Roots => "roots",
        Part::Kernels => "kernels",
        Part::Images => "images",
        Part::Artefacts => "artefacts",
        Part::Templates => "templates",
        Part::Staging => "staging",
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn sizes_have_two_or_three_digits() {
        let said: Vec<_> = [0, 4096, 1_000_000, 68_000_000, 563 << 20, 3 << 30]
            .map(size)
            .to_vec();
        assert_eq!(
            said,
            ["0 KiB", "4 KiB", "976 KiB", "64.8 MiB", "563 MiB", "3.0 GiB"]
        );
    }

    #[test]
    fn ages_are_rounded_down() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 30);
        let said = [59, 60, 7199, 7200, 86_400 * 40].map(|back| age(now, now - Duration::from_secs(back)));
        assert_eq!(
            said,
            [
                "just now",
                "1 minute ago",
                "1 hour ago",
                "2 hours ago",
                "40 days ago"
            ]
        );
        assert_eq!(age(now, now + Duration::from_secs(60)), "just now");
    }

    #[test]
    fn parts_are_called_as_they_are_asked_for() {
        for part in Part::value_variants() {
            assert_eq!(part.to_possible_value().unwrap().get_name(), name(*part));
        }
    }
}
