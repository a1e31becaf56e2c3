//! Everything that has to exist before a guest can boot, found in the store or made. Blocking.
//!
//! What is wanted has an address that follows from the locks alone, so a warm store is asked first and no package is
//! looked at. Only what is missing is fetched, and only the sets of packages that it takes.

use std::time::Duration;

use super::bootable::Bootable;
use super::recipe::{ImageRecipe, KernelRecipe};
use super::tools::Tools;
use crate::apt::{ArchiveConfig, FetchError, LockFile, Strictness, ensure, stored};
use crate::bundle::BundleError;
use crate::cbuild::{CompileError, Compiler, SourceError};
use crate::digest::Digest;
use crate::embedded;
use crate::event::Events;
use crate::image::{
    BaseParts, ImageBuilder, ImageError, ImageSpec, KernelModule, LAYER_FILE, LayerInputs, LayerSpec,
    layer_id,
};
use crate::kernel::{
    HEADERS_SET, KERNEL_SET, Kernel, KernelBuilder, KernelError, KernelParts, TOOLCHAIN_SET,
};
use crate::sandbox::Bubblewrap;
use crate::store::{Bucket, Store, StoreError};
use crate::substitute::Substitutes;
use crate::supervise::Cancel;
use crate::toolchain::{LazyToolchain, PackageFile, Toolchain, ToolchainError};
use crate::vm::Disk;

/// Wall-clock time for one compilation of a student's sources; some thirty times what the lesson's take.
const COMPILE: Duration = Duration::from_secs(60);

/// Words of every guest's command line, each with its reason.
const COMMAND_LINE: [&str; 12] = [
    // The console is recorded by QEMU from the first byte.
    "console=ttyS0",
    // One UART is there; probing for the other three costs time.
    "8250.nr_uarts=1",
    // Under emulation the calibration against other clocks is slow and finds nothing better.
    "tsc=reliable",
    "no_timer_check",
    // With one processor the kernel would take each of its six thousand `lock` prefixes away, an emulated write into code
    // each, for a tenth of a second: more than they cost in the life of a lab.
    "noreplace-smp",
    // Else it would overwrite the memory of the initramfs, 11 MB, before it frees it.
    "retain_initrd",
    // RDRAND is all there is before the random device; waiting for more would block the SSH server.
    "random.trust_cpu=on",
    // An oops ends the guest: what comes after one proves nothing, and the report is the last thing in the log.
    "oops=panic",
    // A processor that a student's module holds for 20 s is a finding, not a time-out.
    "softlockup_panic=1",
    // A panicked guest resets at once, which `-no-reboot` turns into QEMU's end.
    "panic=-1",
    // Warnings and worse on the console; a panic prints all. The rest goes to the kernel log, which is quicker.
    "loglevel=5",
    "rdinit=/init",
];

/// Why a lab cannot be made ready.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot get the packages of `{what}`")]
    Fetch {
        what: String,
        #[source]
        source: Box<FetchError>,
    },
    #[error("cannot unpack the toolchain")]
    Toolchain(#[from] ToolchainError),
    #[error("cannot make the kernel `{name}`")]
    Kernel {
        name: String,
        #[source]
        source: Box<KernelError>,
    },
    #[error("cannot make the image `{name}`")]
    Image {
        name: String,
        #[source]
        source: Box<ImageError>,
    },
    #[error("the course asks for the layer `{layer}`, which the image `{image}` does not have")]
    NoLayer { image: String, layer: String },
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error("cannot read a kernel module")]
    Io(#[from] std::io::Error),
    #[error("cannot compile labctl's own kernel modules")]
    Compile(#[from] CompileError),
    #[error("labctl's own kernel modules cannot be used")]
    Sources(#[from] SourceError),
    #[error("labctl's own kernel module `{name}` does not compile against this kernel:\n{log}")]
    OwnModule { name: String, log: String },
}

/// What making ready takes from the outside.
#[derive(Debug, Clone)]
pub struct Preparation {
    pub store: Store,
    pub archive: ArchiveConfig,
    pub substitutes: Substitutes,
    pub strictness: Strictness,
    pub bubblewrap: Bubblewrap,
    pub events: Events,
    pub cancel: Cancel,
}

/// A kernel with the lock that it was really made from.
#[derive(Debug, Clone)]
pub struct PreparedKernel {
    pub kernel: Kernel,
    lock: LockFile,
    recipe: KernelRecipe,
}

impl PreparedKernel {
    fn new(kernel: Kernel, lock: &LockFile, recipe: &KernelRecipe) -> Self {
        Self {
            kernel,
            lock: lock.clone(),
            recipe: recipe.clone(),
        }
    }

    pub(super) fn lock(&self) -> &LockFile {
        &self.lock
    }
}

impl Preparation {
    /// The kernel, found or made.
    ///
    /// # Errors
    /// [`PrepareError::Kernel`] and those of fetching.
    pub fn kernel(&self, recipe: &KernelRecipe, lock: &LockFile) -> Result<PreparedKernel, PrepareError> {
        let failed = |source| PrepareError::Kernel {
            name: recipe.name.clone(),
            source: Box::new(source),
        };
        let builder = KernelBuilder {
            store: &self.store,
            events: &self.events,
            cancel: &self.cancel,
        };
        let pinned = KernelPackages::of(lock, &self.store);
        match builder.find(&pinned.parts(recipe)) {
            Ok(Some(kernel)) => return Ok(PreparedKernel::new(kernel, lock, recipe)),
            Ok(None) => {}
            Err(KernelError::Store(StoreError::Damaged { .. })) => {}
            Err(error) => return Err(failed(error)),
        }
        let id = pinned.parts(recipe).id();
        if self.substituted(Bucket::Kernels, id, &recipe.name, &recipe.committed)?
            && let Some(kernel) = builder.find(&pinned.parts(recipe)).map_err(failed)?
        {
            return Ok(PreparedKernel::new(kernel, lock, recipe));
        }
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        if let Some(minutes) = pinned.parts(recipe).minutes(cores) {
            self.events.note(format!(
                "{} is compiled once, which takes about {minutes} minutes on {cores} idle cores",
                recipe.name
            ));
        }
        let lock = self.fetched(&recipe.name, lock)?;
        let packages = KernelPackages::of(&lock, &self.store);
        let toolchain = Toolchain::open(&self.store, &packages.toolchain, &self.events, &self.cancel)?;
        let kernel = builder
            .make(&packages.parts(recipe), &toolchain, &self.bubblewrap)
            .map_err(failed)?;
        Ok(PreparedKernel::new(kernel, &lock, recipe))
    }

    /// The address of the kernel that `lock` pins, whether it exists or not.
    pub fn kernel_id(recipe: &KernelRecipe, lock: &LockFile, store: &Store) -> Digest {
        KernelPackages::of(lock, store).parts(recipe).id()
    }

    /// Sees to it that what modules are compiled against is whole.
    fn whole(&self, kernel: &PreparedKernel) -> Result<(), PrepareError> {
        let id = kernel.kernel.id.to_string();
        match self.store.look_into_the_rest(Bucket::Kernels, &id) {
            Err(damage @ StoreError::Damaged { .. }) => {
                self.events.warn(format!("{damage}; it is made again"));
                self.store.remove_damaged(Bucket::Kernels, &id, &self.cancel)?;
                self.kernel(&kernel.recipe, &kernel.lock).map(drop)
            }
            looked => Ok(looked?),
        }
    }

    /// The compiler for a kernel's modules and for programs. One that is there already is looked at when something has
    /// to be compiled, and so is what it compiles against.
    ///
    /// # Errors
    /// Those of fetching and unpacking.
    pub fn compiler(&self, kernel: &PreparedKernel) -> Result<Compiler, PrepareError> {
        let id = Toolchain::id_of(&KernelPackages::of(&kernel.lock, &self.store).toolchain);
        let toolchain = if self.store.has(Bucket::Roots, &id.to_string()) {
            let (preparation, kernel) = (self.clone(), kernel.clone());
            LazyToolchain::new(id, move || {
                preparation.whole(&kernel)?;
                Ok(preparation.toolchain(&kernel)?)
            })
        } else {
            self.whole(kernel)?;
            self.toolchain(kernel)?.into()
        };
        Ok(Compiler {
            bubblewrap: self.bubblewrap.clone(),
            toolchain,
            store: self.store.clone(),
            budget: COMPILE,
            events: self.events.clone(),
        })
    }

    pub(super) fn toolchain(&self, kernel: &PreparedKernel) -> Result<Toolchain, PrepareError> {
        let packages = KernelPackages::of(&kernel.lock, &self.store).toolchain;
        let id = Toolchain::id_of(&packages);
        let what = format!("compiler for {}", kernel.kernel.name);
        let packages = if self.has(Bucket::Roots, id, &what, &kernel.recipe.committed)? {
            packages
        } else {
            let lock = self.fetched("the toolchain", &kernel.lock.only(&[TOOLCHAIN_SET]))?;
            KernelPackages::of(&lock, &self.store).toolchain
        };
        Ok(Toolchain::open(
            &self.store,
            &packages,
            &self.events,
            &self.cancel,
        )?)
    }

    /// The image with the named layers, for this kernel; together they can be booted.
    ///
    /// # Errors
    /// [`PrepareError::Image`] and those of fetching.
    pub fn bootable(
        &self,
        recipe: &ImageRecipe,
        lock: &LockFile,
        kernel: &PreparedKernel,
        layers: &[String],
        shape: Shape,
    ) -> Result<Bootable, PrepareError> {
        let failed = |source| PrepareError::Image {
            name: recipe.name.clone(),
            source: Box::new(source),
        };
        // All of them before the base is made, which lasts, and would stay in the store for nothing.
        let mut specs = Vec::new();
        for name in layers {
            let spec = recipe
                .spec
                .layers
                .get(name)
                .ok_or_else(|| PrepareError::NoLayer {
                    image: recipe.name.clone(),
                    layer: name.clone(),
                })?;
            specs.push((name, spec));
        }
        let modules = kernel_modules(&kernel.kernel)?;
        let builder = ImageBuilder {
            store: &self.store,
            bubblewrap: &self.bubblewrap,
            events: &self.events,
        };
        let pinned = packages(lock, ImageSpec::BASE_SET, &self.store);
        let id = base_parts(recipe, &pinned, &modules, layers).id();
        let what = format!("initramfs of {}", recipe.name);
        let base_packages = if self.has(Bucket::Images, id, &what, &recipe.committed)? {
            pinned
        } else {
            let lock = self.fetched(&recipe.name, &lock.only(&[ImageSpec::BASE_SET]))?;
            packages(&lock, ImageSpec::BASE_SET, &self.store)
        };
        let base = builder
            .base(
                &base_parts(recipe, &base_packages, &modules, layers),
                &self.cancel,
            )
            .map_err(failed)?;
        let mut disks = Vec::new();
        for (name, spec) in specs {
            let layer = self.layer(recipe, lock, (name, spec), &builder)?;
            disks.push(Disk {
                path: layer,
                serial: name.chars().take(20).collect(),
            });
        }
        let own = kernel.kernel.command_line.iter().map(String::as_str);
        Ok(Bootable {
            kernel_name: kernel.kernel.name.clone(),
            kernel_release: kernel.kernel.release.clone(),
            kernel_id: format!("sha256:{}", kernel.kernel.id),
            image_id: format!("sha256:{}", base.id),
            kernel: kernel.kernel.image.clone(),
            initrd: base.initramfs,
            cmdline: COMMAND_LINE.into_iter().chain(own).map(str::to_owned).collect(),
            layers: disks,
            tools: Tools::default(),
            cpus: shape.cpus,
            memory: shape.memory,
            module: shape.module,
        })
    }

    pub(super) fn layer(
        &self,
        recipe: &ImageRecipe,
        lock: &LockFile,
        (name, spec): (&str, &LayerSpec),
        builder: &ImageBuilder<'_>,
    ) -> Result<std::path::PathBuf, PrepareError> {
        let set = ImageSpec::layer_set(name);
        let pinned = packages(lock, &set, &self.store);
        let tools = Toolchain::id_of(&packages(lock, ImageSpec::TOOLS_SET, &self.store));
        let id = layer_id(spec, &pinned, tools);
        let what = format!("layer {name} of {}", recipe.name);
        if self.has(Bucket::Images, id, &what, &recipe.committed)? {
            return Ok(self.store.path(Bucket::Images, &id.to_string()).join(LAYER_FILE));
        }
        let lock = self.fetched(&recipe.name, &lock.only(&[&set, ImageSpec::TOOLS_SET]))?;
        let tools = packages(&lock, ImageSpec::TOOLS_SET, &self.store);
        let tools = Toolchain::open(&self.store, &tools, &self.events, &self.cancel)?;
        let packages = packages(&lock, &set, &self.store);
        let inputs = LayerInputs {
            name,
            spec,
            packages: &packages,
            tools: &tools,
        };
        let layer = builder
            .layer(&inputs, &self.cancel)
            .map_err(|source| PrepareError::Image {
                name: recipe.name.clone(),
                source: Box::new(source),
            })?;
        Ok(layer.path)
    }

    /// The lock whose packages the store now has: `lock`, unless the mirror has drifted.
    pub(super) fn fetched(&self, what: &str, lock: &LockFile) -> Result<LockFile, PrepareError> {
        ensure(
            lock,
            &self.archive,
            &self.store,
            &self.events,
            &self.cancel,
            self.strictness,
        )
        .map(|ensured| ensured.lock)
        .map_err(|source| PrepareError::Fetch {
            what: what.to_owned(),
            source: Box::new(source),
        })
    }
}

/// What the initramfs for `kernel` loads.
pub(super) fn kernel_modules(kernel: &Kernel) -> std::io::Result<Vec<KernelModule>> {
    let read = |path: &std::path::PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        Ok(KernelModule {
            file_name: name.unwrap_or_default(),
            data: fs_err::read(path)?.into(),
        })
    };
    kernel.modules.iter().map(read).collect()
}

pub(super) fn base_parts<'a>(
    recipe: &'a ImageRecipe,
    packages: &'a [PackageFile],
    modules: &'a [KernelModule],
    layers: &'a [String],
) -> BaseParts<'a> {
    BaseParts {
        spec: &recipe.spec.base,
        packages,
        overlay: &recipe.overlay,
        init: &embedded::LAB_INIT,
        modules,
        layers,
    }
}

/// The machine's shape, as the course says.
#[derive(Debug, Clone)]
pub struct Shape {
    pub cpus: u32,
    /// MiB.
    pub memory: u32,
    pub module: String,
}

/// The sets of a kernel's lock.
pub(super) struct KernelPackages {
    kernel: Vec<PackageFile>,
    headers: Vec<PackageFile>,
    pub(super) toolchain: Vec<PackageFile>,
}

impl KernelPackages {
    pub(super) fn of(lock: &LockFile, store: &Store) -> Self {
        Self {
            kernel: packages(lock, KERNEL_SET, store),
            headers: packages(lock, HEADERS_SET, store),
            toolchain: packages(lock, TOOLCHAIN_SET, store),
        }
    }

    pub(super) fn parts<'a>(&'a self, recipe: &'a KernelRecipe) -> KernelParts<'a> {
        KernelParts {
            name: &recipe.name,
            spec: &recipe.spec,
            fragments: &recipe.fragments,
            kernel: &self.kernel,
            headers: &self.headers,
            toolchain: &self.toolchain,
        }
    }
}

/// One set of a lock, with the places where the store has or would have the packages.
pub(super) fn packages(lock: &LockFile, set: &str, store: &Store) -> Vec<PackageFile> {
    let pins = lock.set(set).into_iter().flatten();
    pins.map(|pin| PackageFile {
        name: pin.name.clone(),
        version: pin.version.to_string(),
        sha256: pin.sha256,
        path: stored(store, pin),
    })
    .collect()
}
