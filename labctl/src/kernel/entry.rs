//! A finished kernel in the store, and what others need to know of it.
//!
//! ```text
//! kernel.json    what is below            tree/      what modules are compiled against
//! vmlinux        the ELF file QEMU boots  modules/   what the initramfs loads, packaged kernels only
//! config         its configuration        btf, System.map where there are any
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::config::Config;
use super::error::KernelError;
use super::spec::KernelSpec;
use crate::cbuild::KernelTree;
use crate::digest::Digest;
use crate::store::{Entry, KERNEL_TREE};

pub(super) const RECORD: &str = "kernel.json";
pub(super) const IMAGE: &str = "vmlinux";
pub(super) const CONFIG: &str = "config";
pub(super) const TREE: &str = KERNEL_TREE;
pub(super) const MODULES: &str = "modules";

/// `kernel.json`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) release: String,
    /// Where the module tree has to be mounted, and the folder in it to run make in.
    pub(super) mount: String,
    pub(super) build_dir: String,
    pub(super) env: BTreeMap<String, String>,
    /// File names below `modules`, in load order.
    pub(super) modules: Vec<String>,
}

/// A kernel that can be booted and compiled against.
#[derive(Debug, Clone)]
pub struct Kernel {
    pub name: String,
    /// `uname -r`.
    pub release: String,
    /// Of all its inputs.
    pub id: Digest,
    /// An ELF file with a PVH entry point.
    pub image: PathBuf,
    /// Modules that the initramfs loads, in load order.
    pub modules: Vec<PathBuf>,
    pub tree: KernelTree,
    /// Words for the command line on top of the machine's own.
    pub command_line: Vec<String>,
    /// What it offers to exercises, each proved by its configuration.
    pub features: BTreeSet<String>,
}

impl Kernel {
    /// Reads a stored kernel, and holds what `spec` promises against its configuration.
    pub(super) fn open(
        name: &str,
        spec: &KernelSpec,
        id: Digest,
        entry: &Entry,
    ) -> Result<Self, KernelError> {
        let record = fs::read(entry.file(RECORD)).map_err(KernelError::io("read a stored kernel"))?;
        let record: Record = serde_json::from_slice(&record)
            .map_err(|error| KernelError::io("read a stored kernel")(error.into()))?;
        // It may have been made elsewhere: what it names is in it.
        if let Some(module) = record.modules.iter().find(|module| module.contains('/')) {
            return Err(KernelError::Incomplete {
                what: format!("module called `{module}`"),
            });
        }
        let config =
            fs::read_to_string(entry.file(CONFIG)).map_err(KernelError::io("read a kernel's config"))?;
        spec.prove(&Config::parse(&config))?;
        Ok(Self {
            name: name.to_owned(),
            id,
            image: entry.file(IMAGE),
            modules: record
                .modules
                .iter()
                .map(|module| entry.file(MODULES).join(module))
                .collect(),
            tree: KernelTree {
                kernel_id: id.to_string(),
                release: record.release.clone(),
                host: entry.file(TREE),
                mount: record.mount,
                build_dir: record.build_dir,
                env: record.env,
            },
            release: record.release,
            command_line: spec.command_line.clone(),
            features: spec.features.keys().cloned().collect(),
        })
    }
}

impl Record {
    pub(super) fn write(&self, dir: &std::path::Path) -> Result<(), KernelError> {
        let json = serde_json::to_vec_pretty(self)
            .map_err(|error| KernelError::io("describe the kernel")(error.into()))?;
        fs::write(dir.join(RECORD), json).map_err(KernelError::io("describe the kernel"))
    }
}
