//! What modules are compiled against, for any kernel: a folder of the host, and where it has to appear inside.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A kernel's build tree (its own, or the headers that a distribution ships).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelTree {
    /// The kernel's content address: part of the key of everything compiled against it.
    pub kernel_id: String,
    /// `uname -r`.
    pub release: String,
    /// The folder on this host.
    pub host: PathBuf,
    /// Where it is mounted: a tree knows its own absolute path.
    pub mount: String,
    /// The folder to run make in, inside.
    pub build_dir: String,
    /// What make needs in its environment besides.
    pub env: BTreeMap<String, String>,
}
