//! Addresses of archives, as users and apt write them.

use std::path::Path;

use fs_err as fs;

/// The base address of an apt URI that can be fetched from here.
pub(super) fn usable_uri(uri: &str) -> Option<String> {
    match uri.strip_prefix("mirror+file:") {
        Some(list) => {
            let text = fs::read_to_string(Path::new(list)).ok()?;
            first_of_mirror_list(&text).and_then(|uri| normal_url(&uri))
        }
        None => normal_url(uri),
    }
}

/// The mirror that comes first in a list of apt-transport-mirror(1): the lowest `priority:`, else the order.
fn first_of_mirror_list(text: &str) -> Option<String> {
    let mut best: Option<(u32, &str)> = None;
    for line in text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default())
    {
        let mut words = line.split_whitespace();
        let Some(uri) = words.next() else { continue };
        let priority = words
            .find_map(|word| word.strip_prefix("priority:")?.parse().ok())
            .unwrap_or(u32::MAX);
        if best.is_none_or(|(lowest, _)| priority < lowest) {
            best = Some((priority, uri));
        }
    }
    best.map(|(_, uri)| uri.to_owned())
}

/// `None` for schemes that are not fetched here (`cdrom:`, `tor+http:`).
pub(super) fn normal_url(url: &str) -> Option<String> {
    let trimmed = url.trim().trim_end_matches('/');
    let lower = trimmed.to_ascii_lowercase();
    let rest = |prefix: &str| {
        lower
            .starts_with(prefix)
            .then(|| trimmed[prefix.len()..].to_owned())
    };
    if let Some(rest) = rest("http://").or_else(|| rest("https://")) {
        return (!rest.is_empty() && !rest.starts_with('/')).then(|| trimmed.to_owned());
    }
    // apt takes `file:/path` for `file:///path`.
    let path = rest("file:").or_else(|| rest("copy:"))?;
    let path = format!("/{}", path.trim_start_matches('/'));
    Some(format!("file://{path}"))
}
