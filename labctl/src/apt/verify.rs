//! Whose signature an `InRelease` bears: asked of the host's `gpgv`, judged from its status lines.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use fs_err as fs;

use super::sources::SignedBy;
use crate::supervise::{blocking_command, find_program};

/// An index whose origin is not proved.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("`gpgv` is not installed, so the archive's signature cannot be checked")]
    NoProgram {
        /// The Debian and Ubuntu package that has it.
        install: &'static str,
    },
    #[error("there is no keyring of the Debian archive (looked for {})", list(tried))]
    NoKeyring {
        tried: Vec<PathBuf>,
        install: &'static str,
    },
    #[error("the keyring `{}` is damaged", path.display())]
    Keyring { path: PathBuf },
    #[error("the signature of `{what}` was refused: {why}")]
    Refused { what: String, why: String },
    #[error("cannot run gpgv")]
    Run(#[source] std::io::Error),
}

fn list(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths.iter().map(|path| format!("`{}`", path.display())).collect();
    paths.join(", ")
}

/// `gpgv` and the keyrings that it may trust.
#[derive(Debug)]
pub struct Verifier {
    gpgv: PathBuf,
    keyrings: Vec<PathBuf>,
    /// Keyrings that had to be converted live here.
    folder: tempfile::TempDir,
}

impl Verifier {
    /// The keyrings of the mirror's own entry count if there are any, else those of `common` that exist.
    ///
    /// # Errors
    /// When `gpgv` or every keyring is missing.
    pub fn new(
        search_path: &OsStr,
        signed_by: &[SignedBy],
        common: &[PathBuf],
    ) -> Result<Verifier, VerifyError> {
        let gpgv = find_program("gpgv", search_path).ok_or(VerifyError::NoProgram { install: "gpgv" })?;
        let folder = tempfile::tempdir().map_err(VerifyError::Run)?;
        let mut verifier = Verifier {
            gpgv,
            keyrings: Vec::new(),
            folder,
        };
        let mut tried = Vec::new();
        for by in signed_by {
            match by {
                SignedBy::File(path) => verifier.add_file(path, &mut tried)?,
                SignedBy::Inline(text) => verifier.add_armoured(text, Path::new("Signed-By"))?,
            }
        }
        if verifier.keyrings.is_empty() {
            for path in common {
                verifier.add_file(path, &mut tried)?;
            }
        }
        if verifier.keyrings.is_empty() {
            return Err(VerifyError::NoKeyring {
                tried,
                install: "debian-archive-keyring",
            });
        }
        Ok(verifier)
    }

    fn add_file(&mut self, path: &Path, tried: &mut Vec<PathBuf>) -> Result<(), VerifyError> {
        let Ok(bytes) = fs::read(path) else {
            tried.push(path.to_owned());
            return Ok(());
        };
        match std::str::from_utf8(&bytes) {
            Ok(text) if text.trim_start().starts_with("-----BEGIN") => self.add_armoured(text, path),
            _ => {
                self.keyrings.push(path.to_owned());
                Ok(())
            }
        }
    }

    /// gpgv reads binary keyrings only.
    fn add_armoured(&mut self, text: &str, path: &Path) -> Result<(), VerifyError> {
        let bytes = dearmour(text).ok_or_else(|| VerifyError::Keyring {
            path: path.to_owned(),
        })?;
        let binary = self
            .folder
            .path()
            .join(format!("keyring-{}.gpg", self.keyrings.len()));
        fs::write(&binary, bytes).map_err(VerifyError::Run)?;
        self.keyrings.push(binary);
        Ok(())
    }

    /// The text that `signed`, a clear-signed file called `what` in messages, vouches for.
    ///
    /// # Errors
    /// [`VerifyError::Refused`] unless a trusted key made a good signature and none is bad.
    pub fn signed_text(&self, signed: &[u8], what: &str) -> Result<String, VerifyError> {
        let mut input = tempfile::NamedTempFile::new_in(self.folder.path()).map_err(VerifyError::Run)?;
        input.write_all(signed).map_err(VerifyError::Run)?;
        let output = input.path().with_extension("text");
        let mut command = blocking_command(&self.gpgv);
        command.args(["--quiet", "--status-fd", "1"]);
        for keyring in &self.keyrings {
            command.arg("--keyring").arg(keyring);
        }
        // What gpgv itself took for the signed text, and nothing beside it, is what gets parsed.
        let done = command
            .arg("--output")
            .arg(&output)
            .arg(input.path())
            .output()
            .map_err(VerifyError::Run)?;
        let refused = |why: String| VerifyError::Refused {
            what: what.to_owned(),
            why,
        };
        judge(&String::from_utf8_lossy(&done.stdout)).map_err(|why| {
            let said = String::from_utf8_lossy(&done.stderr);
            let said = said
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .collect::<Vec<_>>()
                .join("; ");
            refused(if said.is_empty() {
                why.to_owned()
            } else {
                format!("{why} ({said})")
            })
        })?;
        fs::read_to_string(&output).map_err(|error| refused(format!("gpgv gave no text: {error}")))
    }
}

/// Reads status lines (doc/DETAILS of GnuPG). An archive in transition signs with several keys, of which the
/// host need not know all, so that gpgv's exit status says too little.
fn judge(status: &str) -> Result<(), &'static str> {
    let mut good = false;
    for line in status.lines().filter_map(|line| line.strip_prefix("[GNUPG:] ")) {
        match line.split(' ').next().unwrap_or_default() {
            "GOODSIG" => good = true,
            "BADSIG" => return Err("it does not fit the text"),
            "NODATA" => return Err("there is none"),
            "UNEXPECTED" => return Err("it is malformed"),
            _ => {}
        }
    }
    if good {
        Ok(())
    } else if status.contains("NO_PUBKEY") {
        Err("no known key made it")
    } else if status.contains("EXPKEYSIG") || status.contains("REVKEYSIG") || status.contains("EXPSIG") {
        Err("its key or itself is expired or revoked")
    } else {
        Err("no good signature was found")
    }
}

/// The bytes of an ASCII-armoured block (RFC 9580 §6), without checking its optional checksum.
fn dearmour(text: &str) -> Option<Vec<u8>> {
    let mut lines = text
        .lines()
        .map(str::trim)
        .skip_while(|line| !line.starts_with("-----BEGIN"));
    lines.next()?;
    let body: String = lines
        .skip_while(|line| !line.is_empty())
        .take_while(|line| !line.starts_with('=') && !line.starts_with("-----END"))
        .collect();
    base64::engine::general_purpose::STANDARD
        .decode(body)
        .ok()
        .filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_good_signature_is_enough_and_one_bad_is_too_many() {
        let good = "[GNUPG:] GOODSIG 0123 Debian Archive\n";
        let unknown = "[GNUPG:] ERRSIG 77 1 8 01\n[GNUPG:] NO_PUBKEY 77\n";
        let bad = "[GNUPG:] BADSIG 0123 Debian Archive\n";
        assert_eq!(judge(good), Ok(()));
        assert_eq!(judge(&format!("{unknown}{good}")), Ok(()));
        assert_eq!(judge(unknown), Err("no known key made it"));
        assert_eq!(judge(&format!("{good}{bad}")), Err("it does not fit the text"));
        assert_eq!(judge("[GNUPG:] NODATA 1\n"), Err("there is none"));
        assert_eq!(
            judge("[GNUPG:] EXPKEYSIG 0123 x\n"),
            Err("its key or itself is expired or revoked")
        );
        assert_eq!(judge(""), Err("no good signature was found"));
        // A line that only looks like one, from another channel.
        assert_eq!(judge("GOODSIG 0123 x\n"), Err("no good signature was found"));
    }

    #[test]
    fn takes_the_armour_off() {
        let armoured = "-----BEGIN PGP PUBLIC KEY BLOCK-----\nComment: x\n\nAQID\nBAU=\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n";
        assert_eq!(dearmour(armoured), Some(vec![1, 2, 3, 4, 5]));
        assert_eq!(dearmour("AQID"), None);
        assert_eq!(dearmour(&armoured.replace("AQID", "?")), None);
    }

    #[test]
    fn says_what_to_install() {
        let none = Verifier::new(OsStr::new("/nonexistent"), &[], &[]).unwrap_err();
        assert!(matches!(none, VerifyError::NoProgram { install: "gpgv" }));
        let here = tempfile::tempdir().unwrap();
        let gpgv = here.path().join("gpgv");
        fs::write(&gpgv, "").unwrap();
        fs::set_permissions(&gpgv, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let none = Verifier::new(here.path().as_os_str(), &[], &["/nonexistent/k.gpg".into()]).unwrap_err();
        assert!(matches!(
            none,
            VerifyError::NoKeyring {
                install: "debian-archive-keyring",
                ..
            }
        ));
        assert!(none.to_string().contains("/nonexistent/k.gpg"));
    }
}
