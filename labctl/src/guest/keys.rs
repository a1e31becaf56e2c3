//! What lets in: the client's ed25519 key, and the password, which costs an emulated guest less to check; and the host's
//! ed25519 key, which proves that what answers on the forwarded port is that guest and no other.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err as fs;
use md4::{Digest as _, Md4};
use rand::RngCore as _;
use russh::keys::ssh_key;
use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::{HashAlg, LineEnding, PrivateKey, PublicKey};

/// A key that could not be written, read or understood.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("cannot store or read the keys of the guest")]
    Io(#[source] std::io::Error),
    #[error("`{path}` does not hold an ed25519 key")]
    NotEd25519 { path: PathBuf },
    #[error("`{path}` does not hold an OpenSSH key")]
    Malformed {
        path: PathBuf,
        #[source]
        source: ssh_key::Error,
    },
    #[error("a key cannot be encoded")]
    Encode(#[source] ssh_key::Error),
}

/// What it takes to enter a guest.
#[derive(Debug, Clone)]
pub struct Access {
    pub(super) client: Arc<PrivateKey>,
    pub(super) password: Password,
    pub(super) host: PublicKey,
}

/// The password of root: 256 random bits in hexadecimal digits. Under emulation the first command of a clone has its answer
/// 5 to 10 % sooner (0.34 instead of 0.38 s) than after a signature, whose check is long.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Password(String);

impl Password {
    fn generate() -> Self {
        let mut bits = [0; 32];
        rand::rng().fill_bytes(&mut bits);
        Self(hex::encode(bits))
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// The cheapest form that crypt(5) knows, `$3$$` and the MD4 of the password in UTF-16LE: many rounds are to make up
    /// for the passwords that people choose, and these bits have nothing that could be guessed.
    fn crypt(&self) -> String {
        let wide: Vec<u8> = self.0.encode_utf16().flat_map(u16::to_le_bytes).collect();
        format!("$3$${}", hex::encode(Md4::digest(wide)))
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password")
    }
}

/// The file of the password, beside those of [`KeyFiles`].
const PASSWORD: &str = "password";

/// Under which name, and at which port of 127.0.0.1, a host key is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownAs {
    /// The `HostKeyAlias` that OpenSSH clients look up, such as `labctl-module7`.
    pub alias: String,
    /// The forwarded port, when there is one already.
    pub port: Option<u16>,
}

/// Where [`InstanceKeys::save`] put the files that OpenSSH clients use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFiles {
    /// The client's private key in OpenSSH's format, mode 0600.
    pub identity: PathBuf,
    /// The host's public key, under each name of [`KnownAs`].
    pub known_hosts: PathBuf,
}

impl KeyFiles {
    /// The names that [`InstanceKeys::save`] uses in `dir`.
    pub fn in_dir(dir: &Path) -> Self {
        Self {
            identity: dir.join("id_ed25519"),
            known_hosts: dir.join("known_hosts"),
        }
    }
}

/// The keys of a new instance.
#[derive(Clone)]
pub struct InstanceKeys {
    client: Arc<PrivateKey>,
    password: Password,
    host: PrivateKey,
}

impl std::fmt::Debug for InstanceKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InstanceKeys")
            .field("client", &self.client.fingerprint(HashAlg::Sha256))
            .field("host", &self.host.fingerprint(HashAlg::Sha256))
            .finish()
    }
}

fn new_key(comment: &str) -> Result<PrivateKey, KeyError> {
    let mut seed = [0; 32];
    rand::rng().fill_bytes(&mut seed);
    let pair = Ed25519Keypair::from_seed(&seed);
    PrivateKey::new(KeypairData::Ed25519(pair), comment).map_err(KeyError::Encode)
}

impl InstanceKeys {
    /// Fresh keys from the operating system's random numbers.
    ///
    /// # Errors
    /// [`KeyError::Encode`], which only a defect of the key library can cause.
    pub fn generate() -> Result<Self, KeyError> {
        Ok(Self {
            client: Arc::new(new_key("labctl")?),
            password: Password::generate(),
            host: new_key("labctl-guest")?,
        })
    }

    /// What a connection needs.
    pub fn access(&self) -> Access {
        Access {
            client: Arc::clone(&self.client),
            password: self.password.clone(),
            host: self.host.public_key().clone(),
        }
    }

    /// The one line of `/root/.ssh/authorized_keys`, with its newline.
    ///
    /// # Errors
    /// [`KeyError::Encode`].
    pub fn authorized_keys(&self) -> Result<String, KeyError> {
        public_line(self.client.public_key())
    }

    /// The guest's `/etc/shadow` (shadow(5)): root's password, which never expires.
    pub fn shadow(&self) -> String {
        format!("root:{}:::::::\n", self.password.crypt())
    }

    /// The host key as dropbear keeps it: `string "ssh-ed25519"`, `string` of the 32 bytes of the seed followed by
    /// the 32 of the public key (dropbear's `buf_put_ed25519_priv_key`, lengths as in RFC 4251 section 5).
    ///
    /// # Errors
    /// [`KeyError::Encode`].
    pub fn dropbear_host_key(&self) -> Result<Vec<u8>, KeyError> {
        let pair = self
            .host
            .key_data()
            .ed25519()
            .ok_or(KeyError::Encode(ssh_key::Error::AlgorithmUnknown))?;
        let mut bytes = Vec::with_capacity(4 + 11 + 4 + 64);
        put_string(&mut bytes, b"ssh-ed25519");
        put_string(&mut bytes, &pair.to_bytes());
        Ok(bytes)
    }

    /// The lines of a `known_hosts` file: one for the alias and one for each address that is known.
    ///
    /// # Errors
    /// [`KeyError::Encode`].
    pub fn known_hosts(&self, known_as: &KnownAs) -> Result<String, KeyError> {
        known_hosts_lines(self.host.public_key(), known_as)
    }

    /// Writes the private key and the password (0600), the key's public half, the host's public key and `known_hosts` into `dir`.
    ///
    /// # Errors
    /// [`KeyError::Io`] when `dir` cannot be written to.
    pub fn save(&self, dir: &Path, known_as: &KnownAs) -> Result<KeyFiles, KeyError> {
        let files = KeyFiles::in_dir(dir);
        let private = self.client.to_openssh(LineEnding::LF).map_err(KeyError::Encode)?;
        write_new(&files.identity, private.as_bytes(), 0o600)?;
        write_new(&dir.join(PASSWORD), self.password.reveal().as_bytes(), 0o600)?;
        write_new(
            &dir.join("id_ed25519.pub"),
            self.authorized_keys()?.as_bytes(),
            0o644,
        )?;
        write_new(
            &dir.join("host_ed25519.pub"),
            public_line(self.host.public_key())?.as_bytes(),
            0o644,
        )?;
        write_new(&files.known_hosts, self.known_hosts(known_as)?.as_bytes(), 0o644)?;
        Ok(files)
    }
}

impl Access {
    /// Reads what [`InstanceKeys::save`] wrote into `dir`.
    ///
    /// # Errors
    /// A file is missing, or holds something else.
    pub fn load(dir: &Path) -> Result<Self, KeyError> {
        let path = KeyFiles::in_dir(dir).identity;
        let text = fs::read_to_string(&path).map_err(KeyError::Io)?;
        let client = PrivateKey::from_openssh(&text).map_err(|source| KeyError::Malformed {
            path: path.clone(),
            source,
        })?;
        if client.key_data().ed25519().is_none() {
            return Err(KeyError::NotEd25519 { path });
        }
        let path = dir.join("host_ed25519.pub");
        let text = fs::read_to_string(&path).map_err(KeyError::Io)?;
        let host = PublicKey::from_openssh(text.trim_end()).map_err(|source| KeyError::Malformed {
            path: path.clone(),
            source,
        })?;
        if host.key_data().ed25519().is_none() {
            return Err(KeyError::NotEd25519 { path });
        }
        let password = Password(fs::read_to_string(dir.join(PASSWORD)).map_err(KeyError::Io)?);
        Ok(Self {
            client: Arc::new(client),
            password,
            host,
        })
    }

    /// Replaces the `known_hosts` file in `dir`, for instance once the port is known.
    ///
    /// # Errors
    /// [`KeyError::Io`] when it cannot be written.
    pub fn save_known_hosts(&self, dir: &Path, known_as: &KnownAs) -> Result<(), KeyError> {
        let text = known_hosts_lines(&self.host, known_as)?;
        write_new(&KeyFiles::in_dir(dir).known_hosts, text.as_bytes(), 0o644)
    }

    /// The host key's fingerprint, as `ssh-keygen -l` prints it (`SHA256:…`).
    pub fn host_fingerprint(&self) -> String {
        self.host.fingerprint(HashAlg::Sha256).to_string()
    }
}

fn put_string(buffer: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    buffer.extend_from_slice(&length.to_be_bytes());
    buffer.extend_from_slice(bytes);
}

fn public_line(key: &PublicKey) -> Result<String, KeyError> {
    Ok(key.to_openssh().map_err(KeyError::Encode)? + "\n")
}

fn known_hosts_lines(host: &PublicKey, known_as: &KnownAs) -> Result<String, KeyError> {
    let mut key = host.clone();
    key.set_comment("");
    let key = key.to_openssh().map_err(KeyError::Encode)?;
    let mut lines = format!("{} {key}\n", known_as.alias);
    if let Some(port) = known_as.port {
        lines += &format!("[127.0.0.1]:{port} {key}\n");
    }
    Ok(lines)
}

/// Writes beside and renames, so that nobody reads half a key, and with the mode set before the first byte.
fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), KeyError> {
    let beside = path.with_extension("new");
    let write = || {
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true).mode(mode);
        let mut file = fs::OpenOptions::from_options(options).open(&beside)?;
        file.write_all(bytes)?;
        fs::rename(&beside, path)
    };
    write().map_err(KeyError::Io)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn known_as() -> KnownAs {
        KnownAs {
            alias: "labctl-module7".to_owned(),
            port: Some(40022),
        }
    }

    #[test]
    fn what_was_saved_lets_the_same_guest_in() {
        let dir = tempfile::tempdir().unwrap();
        let keys = InstanceKeys::generate().unwrap();
        let files = keys.save(dir.path(), &known_as()).unwrap();
        let access = Access::load(dir.path()).unwrap();
        assert_eq!(
            access.client.public_key().key_data(),
            keys.client.public_key().key_data()
        );
        assert!(access.password == keys.password);
        let secret = fs::metadata(dir.path().join(PASSWORD)).unwrap().permissions();
        assert_eq!(secret.mode() & 0o777, 0o600);
        assert_eq!(access.host.key_data(), keys.host.public_key().key_data());
        let mode = fs::metadata(&files.identity).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn two_instances_never_share_a_key() {
        let (one, two) = (
            InstanceKeys::generate().unwrap(),
            InstanceKeys::generate().unwrap(),
        );
        assert_ne!(one.access().host_fingerprint(), two.access().host_fingerprint());
        assert!(one.password != two.password);
        assert_ne!(
            one.client.public_key().key_data(),
            two.client.public_key().key_data()
        );
    }

    #[test]
    fn the_dropbear_form_holds_the_seed_and_the_public_key() {
        let keys = InstanceKeys::generate().unwrap();
        let bytes = keys.dropbear_host_key().unwrap();
        assert_eq!(&bytes[..15], b"\0\0\0\x0bssh-ed25519");
        assert_eq!(&bytes[15..19], &[0, 0, 0, 64]);
        assert_eq!(bytes.len(), 19 + 64);
        let pair = Ed25519Keypair::from_seed(bytes[19..51].try_into().unwrap());
        assert_eq!(&pair.public.0[..], &bytes[51..]);
        assert_eq!(
            keys.host.public_key().key_data().ed25519().unwrap().0[..],
            bytes[51..]
        );
    }

    /// As libxcrypt's crypt(3) has it: `perl -e 'print crypt("abc", q($3$$))'`.
    #[test]
    fn the_password_is_kept_as_crypt_does() {
        let password = Password("abc".to_owned());
        assert_eq!(password.crypt(), "$3$$e0fba38268d0ec66ef1cb452d5885e53");
        assert!(!format!("{password:?}").contains("abc"));
    }

    #[test]
    fn known_hosts_has_the_alias_and_the_port() {
        let keys = InstanceKeys::generate().unwrap();
        let text = keys.known_hosts(&known_as()).unwrap();
        let names: Vec<_> = text.lines().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(names, ["labctl-module7", "[127.0.0.1]:40022"]);
        assert!(text.lines().all(|line| line.split(' ').count() == 3));
    }

    #[test]
    fn a_key_file_that_was_cut_short_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let keys = InstanceKeys::generate().unwrap();
        let files = keys.save(dir.path(), &known_as()).unwrap();
        let text = fs::read_to_string(&files.identity).unwrap();
        fs::write(&files.identity, &text[..text.len() / 2]).unwrap();
        let error = Access::load(dir.path()).unwrap_err();
        assert!(error.to_string().contains("id_ed25519"), "{error}");
    }
}
