//! Entries of a bundle, as they are told.

use std::fmt::Write as _;

use lab_kmsg::sanitize::line as sanitize;
use serde::Serialize;

use crate::bundle::{self, Fate};
use crate::cli::cache::size;
use crate::cli::failure::Failure;
use crate::digest::Digest;

/// One entry, as JSON tells it.
#[derive(Serialize)]
pub(super) struct Told {
    part: String,
    id: String,
    what: String,
    content: Digest,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    fate: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    differs_in: Option<String>,
}

pub(super) fn row(text: &mut String, fate: &str, entry: &bundle::Listed) {
    let id: String = entry.id.to_string().chars().take(12).collect();
    let what = sanitize(entry.what.as_bytes(), 100);
    let bytes = size(entry.bytes);
    let line = if fate.is_empty() {
        format!("{:<8} {id} {bytes:>10}  {what}", entry.bucket)
    } else {
        format!("{fate:<8} {:<8} {id} {bytes:>10}  {what}", entry.bucket)
    };
    // Writing to a `String` cannot fail.
    let _ = writeln!(text, "{}", line.trim_end());
}

pub(super) fn word(fate: &Fate) -> &'static str {
    match fate {
        Fate::Added => "added",
        Fate::Kept => "kept",
        Fate::Differs(_) => "differs",
    }
}

pub(super) fn told(entry: &bundle::Listed, fate: Option<&Fate>) -> Told {
    Told {
        part: entry.bucket.clone(),
        id: entry.id.to_string(),
        what: entry.what.clone(),
        content: entry.content,
        bytes: entry.bytes,
        fate: fate.map(word),
        differs_in: match fate {
            Some(Fate::Differs(path)) => Some(path.clone()),
            _ => None,
        },
    }
}

pub(super) fn json(value: &serde_json::Value) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}
