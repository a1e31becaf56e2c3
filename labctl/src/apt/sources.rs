//! Which Debian mirror to use: the one asked for, else the one that this host's apt uses.

use std::path::{Path, PathBuf};

use fs_err as fs;

use super::address::{normal_url, usable_uri};
use super::{one_line, stanzas};

/// What the user said about mirrors, and where apt keeps its lists. Earlier fields win.
#[derive(Debug, Clone, Default)]
pub struct MirrorChoice {
    /// Of the command line or the environment.
    pub explicit: Option<String>,
    /// Of the user's configuration file.
    pub configured: Option<String>,
    /// Normally `/etc/apt`.
    pub apt_dir: PathBuf,
}

/// Who may sign for an archive, as an apt source says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedBy {
    /// A keyring, binary or armoured.
    File(PathBuf),
    /// An armoured key in the source entry itself.
    Inline(String),
}

/// One archive: what `dists/` and `pool/` stand below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// `http`, `https` or `file`, without a trailing slash.
    pub base: String,
    /// Empty where nothing was said: the distribution's own keyrings then count.
    pub signed_by: Vec<SignedBy>,
    /// For messages: an option, or a file and line.
    pub origin: String,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirrors {
    pub main: Mirror,
    /// The archive of security updates, where the host has one.
    pub security: Option<Mirror>,
}

/// No mirror can be told.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    #[error(
        "`{url}` ({origin}) is not an address that packages can be fetched from: http, https or file is needed"
    )]
    Scheme { url: String, origin: String },
    #[error("the apt sources in `{}` have no Debian archive", apt_dir.display())]
    NoDebian {
        apt_dir: PathBuf,
        /// How many other archives there are: an Ubuntu host has some, a bare container none.
        others: usize,
    },
    #[error("cannot read the apt sources")]
    Read(#[source] std::io::Error),
}

/// One archive of apt's lists, whichever way it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SourceEntry {
    pub(super) uris: Vec<String>,
    pub(super) suites: Vec<String>,
    pub(super) components: Vec<String>,
    pub(super) signed_by: Vec<SignedBy>,
    pub(super) origin: String,
}

/// Names a mirror, in the order of preference of `choice`. Only the host's lists are read, nothing is contacted.
///
/// # Errors
/// [`MirrorError::NoDebian`] on a host whose apt knows no Debian archive.
pub fn find_mirror(choice: &MirrorChoice) -> Result<Mirrors, MirrorError> {
    let said = [
        (&choice.explicit, "asked for"),
        (&choice.configured, "of the configuration file"),
    ];
    for (url, origin) in said {
        if let Some(url) = url {
            let base = normal_url(url).ok_or_else(|| MirrorError::Scheme {
                url: url.clone(),
                origin: origin.to_owned(),
            })?;
            let main = Mirror {
                base,
                signed_by: Vec::new(),
                origin: origin.to_owned(),
            };
            return Ok(Mirrors { main, security: None });
        }
    }
    let entries = read_lists(&choice.apt_dir).map_err(MirrorError::Read)?;
    let best = |kind: Kind| {
        let candidates = entries
            .iter()
            .filter_map(|entry| rank(entry, kind).map(|rank| (rank, entry)));
        // The first of the best: apt's own order decides between equals.
        let best = candidates.reduce(|best, next| if next.0 > best.0 { next } else { best });
        best.and_then(|(_, entry)| {
            let base = entry.uris.iter().find_map(|uri| usable_uri(uri))?;
            Some(Mirror {
                base,
                signed_by: entry.signed_by.clone(),
                origin: entry.origin.clone(),
            })
        })
    };
    match best(Kind::Main) {
        Some(main) => Ok(Mirrors {
            main,
            security: best(Kind::Security),
        }),
        None => Err(MirrorError::NoDebian {
            apt_dir: choice.apt_dir.clone(),
            others: entries.len(),
        }),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Main,
    Security,
}

/// Names that suites of Debian have. A derivative reuses them rarely, and other archives (for containers, for
/// languages) only with components of their own.
const SUITES: [&str; 17] = [
    "stretch",
    "buster",
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "duke",
    "sid",
    "unstable",
    "testing",
    "stable",
    "oldstable",
    "oldoldstable",
    "experimental",
    "rc-buggy",
    "stable-new",
    "proposed-updates",
];
const POCKETS: [&str; 4] = ["-updates", "-backports", "-proposed-updates", "-backports-sloppy"];

/// How surely `entry` is a Debian archive of this kind; `None` if it is not.
fn rank(entry: &SourceEntry, kind: Kind) -> Option<u8> {
    if !entry
        .components
        .iter()
        .any(|component| component == "main" || component == "updates/main")
    {
        return None;
    }
    let is_security = |suite: &str| suite.ends_with("-security") || suite.ends_with("/updates");
    let base_of = |suite: &str| {
        let suite = suite.trim_end_matches("/updates").trim_end_matches("-security");
        POCKETS
            .iter()
            .find_map(|pocket| suite.strip_suffix(pocket))
            .unwrap_or(suite)
            .to_owned()
    };
    let wanted = kind == Kind::Security;
    if !entry
        .suites
        .iter()
        .any(|s| SUITES.contains(&base_of(s).as_str()) && is_security(s) == wanted)
    {
        return None;
    }
    let last = if wanted { "debian-security" } else { "debian" };
    let named = entry.uris.iter().any(|uri| {
        uri.trim_end_matches('/').rsplit('/').next() == Some(last) || uri.starts_with("mirror+file:")
    });
    let signed = entry
        .signed_by
        .iter()
        .any(|by| matches!(by, SignedBy::File(path) if path.to_string_lossy().contains("debian-archive")));
    Some(u8::from(named) + 2 * u8::from(signed))
}

/// The lists in apt's order: `sources.list`, then the folder's files by name.
fn read_lists(apt_dir: &Path) -> std::io::Result<Vec<SourceEntry>> {
    let mut files = vec![apt_dir.join("sources.list")];
    match fs::read_dir(apt_dir.join("sources.list.d")) {
        Ok(folder) => {
            let mut found = folder
                .map(|entry| entry.map(|e| e.path()))
                .collect::<Result<Vec<_>, _>>()?;
            found.sort();
            files.extend(found);
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut entries = Vec::new();
    for file in files {
        let read: fn(&str, &Path) -> Vec<SourceEntry> = match file.extension().and_then(|ext| ext.to_str()) {
            Some("list") => one_line::read,
            Some("sources") => stanzas::read,
            _ => continue,
        };
        match fs::read(&file) {
            Ok(bytes) => entries.extend(read(&String::from_utf8_lossy(&bytes), &file)),
            // A list that only root may read is not worth failing for while another names the archive.
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied
                ) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, MirrorChoice) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sources.list.d")).unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let choice = MirrorChoice {
            apt_dir: dir.path().to_owned(),
            ..MirrorChoice::default()
        };
        (dir, choice)
    }

    fn base(files: &[(&str, &str)]) -> String {
        let (_dir, choice) = host(files);
        find_mirror(&choice).unwrap().main.base
    }

    const STANZAS: &str = "# comment\nTypes: deb deb-src\nURIs: http://mirror.example/debian/\nSuites: bookworm bookworm-updates\n\
        Components: main contrib\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n\
        Types: deb\nURIs: http://mirror.example/debian-security\nSuites: bookworm-security\nComponents: main\n";

    #[test]
    fn reads_stanzas_with_the_security_archive() {
        let (_dir, choice) = host(&[("sources.list.d/debian.sources", STANZAS)]);
        let found = find_mirror(&choice).unwrap();
        assert_eq!(found.main.base, "http://mirror.example/debian");
        let keyring = PathBuf::from("/usr/share/keyrings/debian-archive-keyring.gpg");
        assert_eq!(found.main.signed_by, [SignedBy::File(keyring)]);
        assert!(
            found.main.origin.ends_with("debian.sources:2"),
            "{}",
            found.main.origin
        );
        assert_eq!(
            found.security.unwrap().base,
            "http://mirror.example/debian-security"
        );
    }

    #[test]
    fn what_was_said_comes_first() {
        let (_dir, mut choice) = host(&[("sources.list.d/debian.sources", STANZAS)]);
        choice.configured = Some("https://configured.invalid/d/".into());
        assert_eq!(
            find_mirror(&choice).unwrap().main.base,
            "https://configured.invalid/d"
        );
        choice.explicit = Some("file:/srv/mirror".into());
        assert_eq!(find_mirror(&choice).unwrap().main.base, "file:///srv/mirror");
        choice.explicit = Some("ftp://mirror.example/debian".into());
        assert!(matches!(find_mirror(&choice), Err(MirrorError::Scheme { .. })));
        choice.explicit = Some("mirror.example".into());
        assert!(matches!(find_mirror(&choice), Err(MirrorError::Scheme { .. })));
    }

    #[test]
    fn reads_one_line_entries() {
        let list = "# deb http://off.invalid/debian trixie main\ndeb cdrom:[Debian 13]/ trixie main\n\
            deb [ arch=amd64 signed-by=/k.gpg ] http://mirror.example/debian trixie main # ours\n";
        let (_dir, choice) = host(&[("sources.list", list)]);
        let found = find_mirror(&choice).unwrap();
        assert_eq!(found.main.base, "http://mirror.example/debian");
        assert_eq!(found.main.signed_by, [SignedBy::File("/k.gpg".into())]);
        assert!(found.main.origin.ends_with("sources.list:3"));
    }

    #[test]
    fn other_archives_that_borrow_names_are_passed_over() {
        let others = "deb http://tools.invalid/linux/debian bookworm stable\ndeb http://db.invalid/apt bookworm-pgdg main\n\
            deb http://llvm.invalid/bookworm/ llvm-toolchain-bookworm main\ndeb http://archive.invalid/ubuntu noble main universe\n";
        let (_dir, choice) = host(&[("sources.list", others)]);
        match find_mirror(&choice) {
            Err(MirrorError::NoDebian { others, .. }) => assert_eq!(others, 4),
            other => panic!("{other:?}"),
        }
        let ours = "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.example/apt stable main\n";
        assert_eq!(
            base(&[("sources.list", others), ("sources.list.d/a.list", ours)]),
            "http://mirror.example/apt"
        );
        // A derivative's archive of the same suite gives way to one that Debian's key signs.
        let derived = "deb http://derived.invalid/board/ trixie main\n";
        assert_eq!(
            base(&[("sources.list", derived), ("sources.list.d/a.list", ours)]),
            "http://mirror.example/apt"
        );
    }

    #[test]
    fn disabled_and_source_only_stanzas_are_passed_over() {
        let off = format!("Enabled: no\n{STANZAS}").replacen("# comment\n", "", 1);
        let (_dir, choice) = host(&[("sources.list.d/a.sources", &off.replace("deb deb-src", "deb"))]);
        assert!(matches!(
            find_mirror(&choice),
            Err(MirrorError::NoDebian { others: 1, .. })
        ));
        let (_dir, choice) = host(&[(
            "sources.list.d/a.sources",
            &STANZAS.replace("deb deb-src", "deb-src"),
        )]);
        assert!(find_mirror(&choice).is_err());
        let (_dir, choice) = host(&[("sources.list.d/a.sources.disabled", STANZAS)]);
        assert!(matches!(
            find_mirror(&choice),
            Err(MirrorError::NoDebian { others: 0, .. })
        ));
    }

    #[test]
    fn follows_a_mirror_list() {
        let dir = tempfile::tempdir().unwrap();
        let list = dir.path().join("debian.list");
        fs::write(
            &list,
            "# ours\nhttp://far.invalid/debian priority:2\nhttp://near.invalid/debian\tpriority:1 type:deb\n",
        )
        .unwrap();
        let stanza = STANZAS.replace(
            "http://mirror.example/debian/",
            &format!("mirror+file:{}", list.display()),
        );
        assert_eq!(
            base(&[("sources.list.d/debian.sources", &stanza)]),
            "http://near.invalid/debian"
        );
    }

    #[test]
    fn keeps_a_key_that_the_source_holds_itself() {
        let key = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINB\n -----END PGP PUBLIC KEY BLOCK-----";
        let text = STANZAS.replacen(
            "/usr/share/keyrings/debian-archive-keyring.gpg",
            &format!("\n {key}"),
            1,
        );
        let (_dir, choice) = host(&[("sources.list.d/debian.sources", &text)]);
        let expected = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQINB\n-----END PGP PUBLIC KEY BLOCK-----\n";
        assert_eq!(
            find_mirror(&choice).unwrap().main.signed_by,
            [SignedBy::Inline(expected.into())]
        );
    }

    #[test]
    fn a_host_without_apt_has_no_debian() {
        let choice = MirrorChoice {
            apt_dir: "/nonexistent/apt".into(),
            ..MirrorChoice::default()
        };
        assert!(matches!(
            find_mirror(&choice),
            Err(MirrorError::NoDebian { others: 0, .. })
        ));
    }
}
