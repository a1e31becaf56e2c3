//! What a substitute is believed by: a digest that is committed beside the lock, or a signature. Pure.

use std::collections::BTreeMap;
use std::fmt;

use russh::keys::ssh_key::{PublicKey, SshSig};
use serde::Deserialize;

use super::record::Record;
use crate::digest::Digest;

/// What signatures are made for: `ssh-keygen -Y sign -n labctl`.
pub const NAMESPACE: &str = "labctl";
const SCHEMA: &str = "labctl/substitute-lock/v1";

/// A public key of OpenSSH's whose signatures are believed.
#[derive(Debug, Clone)]
pub struct Key(PublicKey);

/// A text that is no public key.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not a public key as in ~/.ssh/id_ed25519.pub: {why}")]
pub struct NotAKey {
    text: String,
    why: String,
}

impl Key {
    /// # Errors
    /// [`NotAKey`].
    pub fn parse(text: &str) -> Result<Self, NotAKey> {
        PublicKey::from_openssh(text.trim())
            .map(Self)
            .map_err(|error| NotAKey {
                text: text.chars().take(40).collect(),
                why: error.to_string(),
            })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.comment().as_str() {
            Ok(comment) if !comment.is_empty() => f.write_str(comment),
            _ => write!(f, "{}", self.0.fingerprint(russh::keys::HashAlg::Sha256)),
        }
    }
}

/// Content digests by id, as a course has committed them: `substitute.lock`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed(BTreeMap<Digest, Digest>);

/// `substitute.lock` as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawCommitted {
    schema: String,
    entries: BTreeMap<Digest, Digest>,
}

/// A `substitute.lock` of another version of labctl.
#[derive(Debug, thiserror::Error)]
#[error("its schema is `{0}`, and this labctl reads `{SCHEMA}`")]
pub struct NotCommitted(String);

impl Committed {
    pub fn new(entries: impl IntoIterator<Item = (Digest, Digest)>) -> Self {
        Self(entries.into_iter().collect())
    }

    pub fn to_text(&self) -> String {
        let mut text = format!(
            "# Written by `labctl cache digest`: what each entry of the store holds when it is made from the lock beside \
             this.\nschema: {SCHEMA}\nentries:\n"
        );
        for (id, content) in &self.0 {
            text.push_str(&format!("  {id}: {content}\n"));
        }
        text
    }

    pub fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
    }

    pub fn get(&self, id: Digest) -> Option<Digest> {
        self.0.get(&id).copied()
    }
}

impl TryFrom<RawCommitted> for Committed {
    type Error = NotCommitted;

    fn try_from(raw: RawCommitted) -> Result<Self, NotCommitted> {
        if raw.schema == SCHEMA {
            Ok(Self(raw.entries))
        } else {
            Err(NotCommitted(raw.schema))
        }
    }
}

/// Why something is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Proof {
    Committed,
    /// By the key with this name.
    Signed(String),
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Committed => f.write_str("as the course has committed it"),
            Self::Signed(key) => write!(f, "signed by {key}"),
        }
    }
}

/// Whether the course has committed what `record` says; `None` when it has committed nothing about this entry.
pub(super) fn committed(record: &Record, known: &Committed) -> Option<Result<Proof, String>> {
    known.get(record.id).map(|content| {
        if content == record.content {
            Ok(Proof::Committed)
        } else {
            Err("its content is not what the course has committed".to_owned())
        }
    })
}

/// Which of `keys` has signed `message`.
pub(super) fn signed(message: &[u8], signature: &[u8], keys: &[Key]) -> Result<Proof, String> {
    let signature =
        SshSig::from_pem(signature).map_err(|error| format!("its signature cannot be read: {error}"))?;
    let key = keys.iter().find(|key| key.0.key_data() == signature.public_key());
    let key = key.ok_or("it is signed by a key that is not trusted here")?;
    key.0
        .verify(NAMESPACE, message, &signature)
        .map_err(|error| format!("its signature does not fit: {error}"))?;
    Ok(Proof::Signed(key.to_string()))
}
