//! The one-line style of sources.list(5): `deb [option=value …] uri suite component …`.

use std::path::Path;

use super::sources::{SignedBy, SourceEntry};
use super::stanzas::signed_by_files;

/// The `deb` entries of `text`; lines that cannot be read are passed over, as apt would have complained about them.
pub(super) fn read(text: &str, file: &Path) -> Vec<SourceEntry> {
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(at, line)| entry(line, format!("{}:{}", file.display(), at + 1)))
        .collect()
}

fn entry(line: &str, origin: String) -> Option<SourceEntry> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let rest = line.strip_prefix("deb")?;
    if !rest.starts_with([' ', '\t', '[']) {
        return None;
    }
    let rest = rest.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(inner) => inner.split_once(']')?,
        None => ("", rest),
    };
    // A disc's name has blanks: `cdrom:[Debian GNU/Linux 13]/`.
    let rest = rest.trim_start();
    if rest.starts_with("cdrom:") {
        return None;
    }
    let mut words = rest.split_whitespace().map(str::to_owned);
    let (uri, suite) = (words.next()?, words.next()?);
    Some(SourceEntry {
        uris: vec![uri],
        suites: vec![suite],
        components: words.collect(),
        signed_by: signed_by(options),
        origin,
    })
}

fn signed_by(options: &str) -> Vec<SignedBy> {
    let value = options.split_whitespace().find_map(|option| {
        let (name, value) = option.split_once('=')?;
        name.eq_ignore_ascii_case("signed-by").then_some(value)
    });
    signed_by_files(value.into_iter())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uris(text: &str) -> Vec<String> {
        read(text, Path::new("list"))
            .into_iter()
            .flat_map(|entry| entry.uris)
            .collect()
    }

    #[test]
    fn takes_deb_lines_only() {
        assert_eq!(uris("deb http://a.invalid/x s main"), ["http://a.invalid/x"]);
        assert_eq!(uris("deb\thttp://a.invalid/x\ts\tmain"), ["http://a.invalid/x"]);
        assert_eq!(
            uris("  deb [a=b c=d]   http://a.invalid/x s main"),
            ["http://a.invalid/x"]
        );
        for line in [
            "",
            "# deb http://a.invalid s main",
            "deb-src http://a.invalid s main",
            "deb http://a.invalid",
            "deb [a=b http://a.invalid s",
        ] {
            assert_eq!(uris(line), Vec::<String>::new(), "{line}");
        }
    }

    #[test]
    fn a_disc_is_no_mirror() {
        assert_eq!(
            uris("deb cdrom:[Debian GNU/Linux 13 _Trixie_]/ trixie main"),
            Vec::<String>::new()
        );
    }
}
