//! A mirror that can be talked to.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::sources::{Mirror, MirrorChoice, MirrorError, find_mirror};
use super::transport::{TransferError, Transport, TransportConfig};
use crate::supervise::Cancel;

/// All that fetching and checking packages takes from the outside.
#[derive(Debug, Clone)]
pub struct ArchiveConfig {
    pub mirror: MirrorChoice,
    /// Keyrings to try beside those that the mirror's own entry names.
    pub keyrings: Vec<PathBuf>,
    /// Where `gpgv` is looked for.
    pub search_path: OsString,
    pub transport: TransportConfig,
    /// Files fetched at once.
    pub parallel: usize,
    /// Today, to warn of an index that has gone stale.
    pub now: SystemTime,
}

impl ArchiveConfig {
    /// The usual places of a Debian or Ubuntu host.
    pub fn for_host(mirror: Option<String>, search_path: OsString, now: SystemTime) -> ArchiveConfig {
        let keyrings = [
            "/usr/share/keyrings/debian-archive-keyring.gpg",
            "/usr/share/keyrings/debian-archive-keyring.pgp",
        ];
        ArchiveConfig {
            mirror: MirrorChoice {
                explicit: mirror,
                configured: None,
                apt_dir: "/etc/apt".into(),
            },
            keyrings: keyrings.map(PathBuf::from).to_vec(),
            search_path,
            transport: TransportConfig::default(),
            parallel: 4,
            now,
        }
    }
}

/// A mirror with the means to reach it.
#[derive(Debug, Clone)]
pub struct Archive {
    pub(super) mirror: Mirror,
    pub(super) transport: Transport,
}

/// The archive could not be set up; nothing was contacted yet.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    #[error(transparent)]
    Transfer(#[from] TransferError),
}

impl Archive {
    pub(super) fn open(config: &ArchiveConfig) -> Result<Archive, OpenError> {
        let mirrors = find_mirror(&config.mirror)?;
        Ok(Archive {
            mirror: mirrors.main,
            transport: Transport::new(&config.transport)?,
        })
    }

    /// A server or folder that is no mirror of packages: its files are asked for by name.
    ///
    /// # Errors
    /// [`TransferError::Proxy`].
    pub fn at(base: &str, transport: &TransportConfig) -> Result<Archive, TransferError> {
        Ok(Archive {
            mirror: Mirror {
                base: base.to_owned(),
                signed_by: Vec::new(),
                origin: String::new(),
            },
            transport: Transport::new(transport)?,
        })
    }

    /// The address of `path`, which is relative to the archive's base.
    pub(super) fn url(&self, path: &str) -> String {
        let base = &self.mirror.base;
        if base.starts_with("file://") {
            return format!("{base}/{path}");
        }
        let mut url = format!("{base}/");
        for byte in path.bytes() {
            // RFC 3986: unreserved characters, and those that a path segment may hold as they are.
            if byte.is_ascii_alphanumeric() || b"-._~/+:@=,".contains(&byte) {
                url.push(char::from(byte));
            } else {
                url.push_str(&format!("%{byte:02X}"));
            }
        }
        url
    }

    /// Runs `transfer` until it works, fails for good, or has been tried often enough.
    pub(super) fn with_retries<T, E: AsTransfer>(
        &self,
        cancel: &Cancel,
        mut transfer: impl FnMut() -> Result<T, E>,
    ) -> Result<T, E> {
        let config = self.transport.config();
        let mut pause = config.backoff;
        for attempt in 1.. {
            match transfer() {
                Err(error)
                    if attempt < config.attempts && error.as_transfer().is_some_and(|e| e.is_transient()) =>
                {
                    wait(pause, cancel)?;
                    pause *= 2;
                }
                other => return other,
            }
        }
        transfer()
    }

    /// A small file as a whole; `most` bytes at the most.
    ///
    /// # Errors
    /// [`TransferError`], with the address.
    pub fn bytes(&self, path: &str, most: usize, cancel: &Cancel) -> Result<Vec<u8>, TransferError> {
        let url = self.url(path);
        self.with_retries(cancel, || {
            let transfer = self.transport.open(&url, 0);
            transfer.head(cancel)?;
            let mut bytes = Vec::new();
            while let Some(chunk) = transfer.chunk(cancel)? {
                bytes.extend_from_slice(&chunk);
                if bytes.len() > most {
                    let source = format!("it is larger than {most} bytes").into();
                    return Err(TransferError::Failed {
                        url: url.clone(),
                        source,
                    });
                }
            }
            Ok(bytes)
        })
    }
}

/// Errors that may have a transfer as their reason.
pub(super) trait AsTransfer: From<TransferError> {
    fn as_transfer(&self) -> Option<&TransferError>;
}

impl AsTransfer for TransferError {
    fn as_transfer(&self) -> Option<&TransferError> {
        Some(self)
    }
}

fn wait(pause: Duration, cancel: &Cancel) -> Result<(), TransferError> {
    let begun = std::time::Instant::now();
    while begun.elapsed() < pause {
        cancel.check()?;
        // Nobody unparks this thread; the time-out keeps a stop from being noticed late.
        std::thread::park_timeout((pause.saturating_sub(begun.elapsed())).min(Duration::from_millis(100)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_escaped_for_http_only() {
        let archive = |base: &str| {
            let config =
                ArchiveConfig::for_host(Some(base.to_owned()), OsString::new(), SystemTime::UNIX_EPOCH);
            Archive::open(&config).unwrap()
        };
        let path = "pool/main/a/a+b_1%3a2~rc_x.deb";
        assert_eq!(
            archive("http://mirror.example/d/").url(path),
            "http://mirror.example/d/pool/main/a/a+b_1%253a2~rc_x.deb"
        );
        assert_eq!(archive("file:/srv/d").url(path), format!("file:///srv/d/{path}"));
    }
}
