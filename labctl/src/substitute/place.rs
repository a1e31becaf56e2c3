//! Where substitutes are looked for. Pure.

use std::fmt;
use std::path::Path;

/// A folder or server that may have substitutes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// As the user wrote it.
    pub shown: String,
    /// An `http:`, `https:` or `file:` address, without a slash at its end.
    pub base: String,
}

/// A text that names no place.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is no place for substitutes: give a folder, an http or https address, or github:OWNER/REPOSITORY@TAG"
)]
pub struct NotAPlace(String);

impl Place {
    /// `github` is the address of the forge that `github:` stands for; a relative folder is below `here`.
    ///
    /// # Errors
    /// [`NotAPlace`].
    pub fn parse(text: &str, github: &str, here: &Path) -> Result<Self, NotAPlace> {
        let wrong = || NotAPlace(text.to_owned());
        let text = text.trim();
        let base = if let Some(release) = text.strip_prefix("github:") {
            let (repository, tag) = release.split_once('@').ok_or_else(wrong)?;
            let (owner, name) = repository.split_once('/').ok_or_else(wrong)?;
            if !is_word(owner) || !is_word(name) || tag.is_empty() || !tag.split('/').all(is_word) {
                return Err(wrong());
            }
            // Where every release has its files, without asking the forge's API, which counts requests.
            format!(
                "{}/{owner}/{name}/releases/download/{tag}",
                github.trim_end_matches('/')
            )
        } else if let Some((scheme, rest)) = text.split_once("://") {
            match scheme {
                "http" | "https" if !rest.trim_matches('/').is_empty() => text.to_owned(),
                "file" if rest.starts_with('/') => text.to_owned(),
                _ => return Err(wrong()),
            }
        } else if text.is_empty() {
            return Err(wrong());
        } else {
            let folder = here.join(text);
            format!("file://{}", folder.to_str().ok_or_else(wrong)?)
        };
        Ok(Self {
            shown: text.to_owned(),
            base: base.trim_end_matches('/').to_owned(),
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// What a forge takes as a part of a name.
fn is_word(text: &str) -> bool {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    !text.is_empty() && text != "." && text != ".." && text.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_servers_and_releases_are_places() {
        let parse = |text: &str| Place::parse(text, "https://forge.example/", Path::new("/home/u"));
        let cases = [
            ("/srv/labctl/", "file:///srv/labctl"),
            ("shared", "file:///home/u/shared"),
            ("file:///srv/x", "file:///srv/x"),
            ("https://labs.example/s/", "https://labs.example/s"),
            ("http://10.0.0.1:8000", "http://10.0.0.1:8000"),
            (
                "github:uni/course@v1.2",
                "https://forge.example/uni/course/releases/download/v1.2",
            ),
            (
                "github:uni/course@kernels/2026",
                "https://forge.example/uni/course/releases/download/kernels/2026",
            ),
        ];
        for (text, base) in cases {
            assert_eq!(parse(text).unwrap().base, base, "{text}");
        }
        for bad in [
            "",
            "ftp://x/y",
            "http://",
            "file://host/x",
            "github:uni",
            "github:uni/course",
            "github:uni/course@",
            "github:../x@y",
            "github:uni/course@../../other",
            "github:uni/co urse@v1",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
