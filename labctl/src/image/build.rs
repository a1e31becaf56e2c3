//! Carrying out a plan: the base and the layers, each an entry of the store.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::initramfs;
use super::layer::{LAYER_FILE, LayerInputs};
use super::plan::{BaseInputs, KernelModule, PlanError, plan};
use super::pool::{PoolError, read_packages};
use super::spec::BaseSpec;
use crate::digest::{Digest, InputHasher};
use crate::embedded::Tool;
use crate::event::{Events, Stage};
use crate::sandbox::{Bubblewrap, SandboxError};
use crate::store::{Bucket, Store, StoreError};
use crate::supervise::{Cancel, Cancelled};
use crate::toolchain::{PackageError, PackageFile};

/// Changes when the same inputs would give another initramfs.
const RECIPE: &str = "initramfs/3";
const INITRAMFS: &str = "initramfs.cpio";
const RECORD: &str = "image.json";

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error(transparent)]
    Pool(#[from] PoolError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Package(#[from] PackageError),
    #[error("mkfs.erofs could not make the layer `{layer}`: {message}")]
    Mkfs { layer: String, message: String },
    #[error("cannot {action}")]
    Io {
        action: &'static str,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl ImageError {
    pub(super) fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}

/// The initramfs that guests share. An instance's own files are put behind it by [`super::instance_initrd`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseImage {
    pub id: Digest,
    pub initramfs: PathBuf,
    /// Of the file's bytes.
    pub sha256: Digest,
    pub size: u64,
    /// What zstd would make of it, in bytes.
    pub compressed_size: u64,
}

/// A layer's erofs image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerImage {
    pub name: String,
    pub id: Digest,
    pub path: PathBuf,
    pub size: u64,
}

/// What everything about an image is built with.
#[derive(Debug, Clone, Copy)]
pub struct ImageBuilder<'a> {
    pub store: &'a Store,
    pub bubblewrap: &'a Bubblewrap,
    pub events: &'a Events,
}

/// What the base is made of, before its packages are read.
#[derive(Debug, Clone, Copy)]
pub struct BaseParts<'a> {
    pub spec: &'a BaseSpec,
    pub packages: &'a [PackageFile],
    pub overlay: &'a BTreeMap<String, Vec<u8>>,
    pub init: &'static Tool,
    pub modules: &'a [KernelModule],
    pub layers: &'a [String],
}

impl BaseParts<'_> {
    /// The content address of the initramfs.
    pub fn id(&self) -> Digest {
        let mut hasher = InputHasher::new(RECIPE);
        let mut digests: Vec<String> = self
            .packages
            .iter()
            .map(|package| package.sha256.to_string())
            .collect();
        digests.sort();
        for digest in digests {
            hasher = hasher.input("package", digest);
        }
        for program in &self.spec.programs {
            hasher = hasher.input("program", program.as_str());
        }
        if let Some(applets) = &self.spec.applets {
            hasher = hasher.input("applets", applets.as_str());
        }
        for (link, target) in &self.spec.links {
            hasher = hasher.input("link", link.as_str()).input("target", target);
        }
        for (path, mode) in &self.spec.directories {
            hasher = hasher
                .input("directory", path.as_str())
                .input("mode", mode.to_le_bytes());
        }
        for (path, data) in self.overlay {
            hasher = hasher.input("overlay", path).input("data", data);
        }
        for module in self.modules {
            hasher = hasher
                .input("module", &module.file_name)
                .input("data", &module.data);
        }
        for layer in self.layers {
            hasher = hasher.input("layer", layer);
        }
        hasher.input("init", self.init.digest().to_string()).finish()
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) sha256: Digest,
    pub(super) size: u64,
    pub(super) compressed_size: u64,
}

impl ImageBuilder<'_> {
    /// Finds the initramfs in the store or builds it, in a second or two.
    ///
    /// # Errors
    /// [`ImageError`] names the package, the file or the library at fault.
    pub fn base(&self, parts: &BaseParts<'_>, cancel: &Cancel) -> Result<BaseImage, ImageError> {
        let id = parts.id();
        let entry = self.store.get_or_make(
            Bucket::Images,
            &id.to_string(),
            cancel,
            |damage| self.events.warn(format!("{damage}; it is built again")),
            |staging| {
                self.events.started(
                    Stage::Image,
                    format!("initramfs of {} packages", parts.packages.len()),
                );
                let record = self.make_base(parts, &staging.join(INITRAMFS), cancel)?;
                let json = serde_json::to_vec_pretty(&record)
                    .map_err(|error| ImageError::io("describe the image")(error.into()))?;
                fs::write(staging.join(RECORD), json).map_err(ImageError::io("describe the image"))?;
                self.events.finished(
                    Stage::Image,
                    format!(
                        "initramfs, {:.1} MB ({:.1} MB compressed)",
                        megabytes(record.size),
                        megabytes(record.compressed_size)
                    ),
                );
                Ok::<_, ImageError>(())
            },
        )?;
        let json = fs::read(entry.file(RECORD)).map_err(ImageError::io("read an image's description"))?;
        let Record {
            sha256,
            size,
            compressed_size,
        } = serde_json::from_slice(&json)
            .map_err(|error| ImageError::io("read an image's description")(error.into()))?;
        let initramfs = entry.file(INITRAMFS);
        Ok(BaseImage {
            id,
            initramfs,
            sha256,
            size,
            compressed_size,
        })
    }

    pub(super) fn make_base(
        &self,
        parts: &BaseParts<'_>,
        path: &std::path::Path,
        cancel: &Cancel,
    ) -> Result<Record, ImageError> {
        let pool = read_packages(parts.packages, &|path| path.starts_with("usr/"), cancel)?;
        let tree = plan(&BaseInputs {
            spec: parts.spec,
            pool: &pool,
            overlay: parts.overlay,
            init: parts.init.bytes,
            modules: parts.modules,
            layers: parts.layers,
        })?;
        let (size, compressed_size) =
            initramfs::write(&tree, path).map_err(ImageError::io("write the initramfs"))?;
        let file = fs::File::open(path).map_err(ImageError::io("read the initramfs"))?;
        let sha256 = Digest::of_reader(file).map_err(ImageError::io("read the initramfs"))?;
        Ok(Record {
            sha256,
            size,
            compressed_size,
        })
    }

    /// Finds a layer in the store or builds it.
    ///
    /// # Errors
    /// As [`ImageBuilder::base`], and those of the sandbox.
    pub fn layer(&self, inputs: &LayerInputs<'_>, cancel: &Cancel) -> Result<LayerImage, ImageError> {
        let id = inputs.id();
        let entry = self.store.get_or_make(
            Bucket::Images,
            &id.to_string(),
            cancel,
            |damage| self.events.warn(format!("{damage}; it is built again")),
            |staging| {
                self.events
                    .started(Stage::Image, format!("layer `{}`", inputs.name));
                self.make_layer(inputs, staging, cancel)?;
                self.events
                    .finished(Stage::Image, format!("layer `{}`", inputs.name));
                Ok::<_, ImageError>(())
            },
        )?;
        let path = entry.file(LAYER_FILE);
        let size = fs::metadata(&path)
            .map_err(ImageError::io("look at a layer"))?
            .len();
        Ok(LayerImage {
            name: inputs.name.to_owned(),
            id,
            path,
            size,
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "for a message")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
