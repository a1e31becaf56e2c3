//! The stanza style of sources.list(5).

use std::path::{Path, PathBuf};

use lab_deb::deb822;

use super::sources::{SignedBy, SourceEntry};

/// Stanzas of sources.list(5) that are enabled and offer binary packages. What cannot be read ends the file, as
/// another file may still do.
pub(super) fn read(text: &str, file: &Path) -> Vec<SourceEntry> {
    let mut entries = Vec::new();
    for stanza in deb822::paragraphs(text).map_while(Result::ok) {
        let words = |name: &str| -> Vec<String> {
            stanza
                .field(name)
                .into_iter()
                .flat_map(|field| field.words().map(str::to_owned))
                .collect()
        };
        let disabled = stanza.get("Enabled").is_some_and(|value| {
            ["no", "false", "without", "off", "disable", "0"].contains(&value.to_ascii_lowercase().as_str())
        });
        if disabled || !words("Types").iter().any(|kind| kind == "deb") {
            continue;
        }
        entries.push(SourceEntry {
            uris: words("URIs"),
            suites: words("Suites"),
            components: words("Components"),
            signed_by: stanza
                .field("Signed-By")
                .map(|field| signed_by(&field))
                .unwrap_or_default(),
            origin: format!("{}:{}", file.display(), stanza.line()),
        });
    }
    entries
}

fn signed_by(field: &deb822::Field<'_>) -> Vec<SignedBy> {
    let lines: Vec<&str> = field.lines().collect();
    if lines.first().is_some_and(|line| line.starts_with("-----BEGIN")) {
        // A lone dot stands for an empty line, which would end the stanza.
        let text: Vec<&str> = lines
            .into_iter()
            .map(|line| if line == "." { "" } else { line })
            .collect();
        return vec![SignedBy::Inline(text.join("\n") + "\n")];
    }
    signed_by_files(field.words())
}

/// Keyring files; fingerprints, which say nothing about where the key is, are passed over.
pub(super) fn signed_by_files<'a>(words: impl Iterator<Item = &'a str>) -> Vec<SignedBy> {
    words
        .flat_map(|word| word.split(','))
        .filter(|word| word.starts_with('/'))
        .map(|path| SignedBy::File(PathBuf::from(path)))
        .collect()
}
