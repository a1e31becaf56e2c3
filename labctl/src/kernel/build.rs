//! Finding a kernel in the store, or making it.

use super::entry::Kernel;
use super::error::KernelError;
use super::packaged;
use super::plan::{BuildPlan, plan};
use super::source::SourceBuild;
use super::spec::{KernelSpec, Origin};
use crate::digest::{Digest, InputHasher};
use crate::event::{Events, Stage};
use crate::sandbox::Bubblewrap;
use crate::store::{Bucket, Store};
use crate::supervise::Cancel;
use crate::toolchain::{PackageFile, Toolchain};

/// Changes when the same inputs would give another kernel or another tree for modules.
const RECIPE: &str = "kernel/3";

/// Everything that decides a kernel. The packages need not have been fetched to know its address.
#[derive(Debug, Clone)]
pub struct KernelParts<'a> {
    pub name: &'a str,
    pub spec: &'a KernelSpec,
    /// File name -> text, of the fragments that the description lists, in its order.
    pub fragments: &'a [(String, String)],
    /// The set [`super::KERNEL_SET`] of the lock.
    pub kernel: &'a [PackageFile],
    /// The set [`super::HEADERS_SET`]; empty for a kernel built from source.
    pub headers: &'a [PackageFile],
    /// The set [`super::TOOLCHAIN_SET`].
    pub toolchain: &'a [PackageFile],
}

/// What a build needs besides its parts.
#[derive(Debug, Clone, Copy)]
pub struct KernelBuilder<'a> {
    pub store: &'a Store,
    pub events: &'a Events,
    pub cancel: &'a Cancel,
}

impl KernelParts<'_> {
    /// The kernel's content address.
    pub fn id(&self) -> Digest {
        let mut hasher = InputHasher::new(RECIPE);
        for package in self.kernel.iter().chain(self.headers) {
            hasher = hasher.input("package", package.sha256.to_string());
        }
        match &self.spec.origin {
            Origin::Source(source) => {
                hasher = hasher
                    .input("toolchain", Toolchain::id_of(self.toolchain).to_string())
                    .input("localversion", &source.localversion)
                    .input("base", format!("{:?}", source.base));
                for (name, text) in self.fragments {
                    hasher = hasher.input("fragment", name).input("text", text);
                }
            }
            Origin::Packaged(packaged) => {
                for module in &packaged.modules {
                    hasher = hasher.input("module", module);
                }
            }
        }
        hasher.finish()
    }

    /// How long a build takes on `cores` idle cores of the machine that the cost was measured on; `None` for a kernel
    /// that is only unpacked.
    pub fn minutes(&self, cores: usize) -> Option<u64> {
        match &self.spec.origin {
            Origin::Source(source) => {
                let cores = u64::try_from(cores.max(1)).unwrap_or(1);
                Some((u64::from(source.cost.cpu_seconds) / cores).div_ceil(60))
            }
            Origin::Packaged(_) => None,
        }
    }

    fn plan(&self, jobs: usize) -> Result<Option<BuildPlan>, KernelError> {
        match &self.spec.origin {
            Origin::Source(source) => Ok(Some(plan(source, self.fragments, jobs)?)),
            Origin::Packaged(_) => Ok(None),
        }
    }
}

impl KernelBuilder<'_> {
    /// The kernel, if the store has it.
    ///
    /// # Errors
    /// A damaged entry, or a promise of the description that the kernel does not keep.
    pub fn find(&self, parts: &KernelParts<'_>) -> Result<Option<Kernel>, KernelError> {
        let id = parts.id();
        match self.store.get(Bucket::Kernels, &id.to_string())? {
            Some(entry) => Kernel::open(parts.name, parts.spec, id, &entry).map(Some),
            None => Ok(None),
        }
    }

    /// As [`KernelBuilder::find`], without taking the kernel into use: a `cache gc` may remove it at any time.
    ///
    /// # Errors
    /// As [`KernelBuilder::find`].
    pub fn peek(&self, parts: &KernelParts<'_>) -> Result<Option<Kernel>, KernelError> {
        let id = parts.id();
        match self.store.peek(Bucket::Kernels, &id.to_string())? {
            Some(entry) => Kernel::open(parts.name, parts.spec, id, &entry).map(Some),
            None => Ok(None),
        }
    }

    /// Makes the kernel; finds it, when another labctl was quicker. Its packages have been fetched. Blocking, for
    /// minutes when it is built from source.
    ///
    /// # Errors
    /// [`KernelError`] with the phase and the end of the build's output.
    pub fn make(
        &self,
        parts: &KernelParts<'_>,
        toolchain: &Toolchain,
        bubblewrap: &Bubblewrap,
    ) -> Result<Kernel, KernelError> {
        let id = parts.id();
        let (store, events, cancel) = (self.store, self.events, self.cancel);
        let jobs = std::thread::available_parallelism().map_or(2, usize::from);
        let scratch = store.scratch(Bucket::Kernels, &id.to_string());
        let on_damage =
            |damage: &crate::store::StoreError| events.warn(format!("{damage}; it is made again"));
        let entry = store.get_or_make(
            Bucket::Kernels,
            &id.to_string(),
            cancel,
            on_damage,
            |staging| match (parts.plan(jobs)?, &parts.spec.origin) {
                (Some(plan), _) => {
                    events.started(Stage::Kernel, format!("compiling {}", parts.name));
                    let build = SourceBuild {
                        name: parts.name,
                        plan: &plan,
                        packages: parts.kernel,
                        toolchain,
                        bubblewrap,
                        scratch: &scratch,
                        events,
                        cancel,
                    };
                    build.run(staging)?;
                    events.finished(Stage::Kernel, parts.name.to_owned());
                    Ok(())
                }
                (None, Origin::Packaged(packaged)) => {
                    packaged::unpack(packaged, parts.kernel, parts.headers, staging, events, cancel)
                }
                (None, Origin::Source(_)) => Ok(()),
            },
        );
        let entry = entry.map_err(|error: KernelError| error)?;
        // Only now: while the build is not whole, its tree is what makes it resumable.
        drop(fs_err::remove_dir_all(&scratch));
        Kernel::open(parts.name, parts.spec, id, &entry)
    }
}
