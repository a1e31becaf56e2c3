//! `<id>.json`: what a substitute says of itself, and what is signed. Pure.

use serde::{Deserialize, Serialize};

use crate::bundle::{Listed, Written};
use crate::digest::Digest;

const SCHEMA: &str = "labctl/substitute/v1";
/// Of the bundle of one entry. The largest of this course's has 300 MB.
const LARGEST: u64 = 8 << 30;

/// What a substitute says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub schema: String,
    pub bucket: String,
    /// Of the entry's inputs.
    pub id: Digest,
    /// For people.
    pub what: String,
    /// Of the entry's items: what it is trusted by.
    pub content: Digest,
    pub file: File,
}

/// The bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Bytes.
    pub size: u64,
    pub sha256: Digest,
}

/// The names under which a place has the entry `id`: its record, the signature of that, its bundle.
pub fn file_names(id: Digest) -> [String; 3] {
    [
        format!("{id}.json"),
        format!("{id}.json.sig"),
        format!("{id}.tar.zst"),
    ]
}

impl Record {
    pub fn new(listed: &Listed, written: &Written) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            bucket: listed.bucket.clone(),
            id: listed.id,
            what: listed.what.clone(),
            content: listed.content,
            file: File {
                size: written.size,
                sha256: written.sha256,
            },
        }
    }

    /// The bytes of `<id>.json`.
    ///
    /// # Errors
    /// Those of serde.
    pub fn to_bytes(&self) -> serde_json::Result<Vec<u8>> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        Ok(json)
    }

    /// Reads a record that is to be of the entry `id` of `bucket`.
    pub(super) fn parse(json: &[u8], bucket: &str, id: Digest) -> Result<Self, String> {
        let record: Self = serde_json::from_slice(json)
            .map_err(|error| format!("its description cannot be read: {error}"))?;
        if record.schema != SCHEMA {
            return Err("its description is of another version of labctl".to_owned());
        }
        if record.bucket != bucket || record.id != id {
            return Err("its description is that of another entry".to_owned());
        }
        if record.file.size > LARGEST {
            return Err(format!(
                "it has {} bytes, more than are fetched",
                record.file.size
            ));
        }
        Ok(record)
    }
}
