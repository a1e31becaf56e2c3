//! What a module's guests need of a store on a host that has no network: everything that cannot be made there.
//!
//! Templates are of one machine, and made in seconds. Students' artefacts and labctl's own are compiled with what is
//! carried. The packages of the image's base come along, as an initramfs with other layers may be asked for.

use std::collections::{BTreeMap, BTreeSet};

use super::needs::combinations_of;
use super::prepare::{
    KernelPackages, Preparation, PrepareError, PreparedKernel, base_parts, kernel_modules, packages,
};
use super::recipe::{ImageRecipe, KernelRecipe, RecipeError};
use crate::apt::LockFile;
use crate::digest::Digest;
use crate::image::{ImageBuilder, ImageSpec, layer_id};
use crate::spec::course::Module;
use crate::spec::files::CourseFiles;
use crate::store::Bucket;
use crate::toolchain::Toolchain;

/// Why there is nothing to be carried.
#[derive(Debug, thiserror::Error)]
pub enum PortableError {
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    #[error(
        "the mirror has drifted from {file}: `{name}` was made of other packages than another host would look for"
    )]
    Drift { file: String, name: String },
}

/// An entry of the store that is there and in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Portable {
    pub bucket: Bucket,
    pub id: Digest,
    /// For people.
    pub what: String,
    /// The folders of the descriptions whose locks decide it alone, such as `kernels/lab-6.12`. An initramfs has none, as
    /// labctl's own program is in it.
    pub locked_by: BTreeSet<String>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Luggage<'a> {
    pub module: &'a Module,
    pub files: &'a CourseFiles,
    /// By name, of those that the module runs on.
    pub kernels: &'a [String],
    /// Also every package that any of it is made from.
    pub packages: bool,
}

impl Preparation {
    /// Finds or makes everything that `luggage` names, and says where it is.
    ///
    /// # Errors
    /// [`PortableError`]; a host that looks for what the locks pin would not find what a drifted mirror gave.
    pub fn portable(&self, luggage: &Luggage<'_>) -> Result<Vec<Portable>, PortableError> {
        let image = ImageRecipe::read(luggage.files, &luggage.module.image)?;
        let image_lock = image.lock(luggage.files)?;
        let mut found = Found::default();
        let mut kernels = BTreeMap::new();
        for name in luggage.kernels {
            let recipe = KernelRecipe::read(luggage.files, name)?;
            let lock = recipe.lock(luggage.files)?;
            let kernel = self.carry_kernel(&recipe, &lock, luggage.packages, &mut found)?;
            kernels.insert(name.as_str(), kernel);
        }
        self.carry_image(luggage, &image, &image_lock, &kernels, &mut found)?;
        Ok(found.all())
    }

    fn carry_kernel(
        &self,
        recipe: &KernelRecipe,
        lock: &LockFile,
        with_packages: bool,
        found: &mut Found,
    ) -> Result<PreparedKernel, PortableError> {
        let drift = || PortableError::Drift {
            file: recipe.lock_file(),
            name: recipe.name.clone(),
        };
        let kernel = self.kernel(recipe, lock)?;
        let id = Self::kernel_id(recipe, lock, &self.store);
        let tools = Toolchain::id_of(&KernelPackages::of(lock, &self.store).toolchain);
        if kernel.kernel.id != id || self.toolchain(&kernel)?.id() != tools {
            return Err(drift());
        }
        let folder = format!("kernels/{}", recipe.name);
        found.add(Bucket::Kernels, id, &recipe.name, Some(&folder));
        let what = format!("compiler for {}", recipe.name);
        found.add(Bucket::Roots, tools, &what, Some(&folder));
        if with_packages {
            self.carry_packages(&recipe.name, lock, found, drift)?;
        }
        Ok(kernel)
    }

    fn carry_image(
        &self,
        luggage: &Luggage<'_>,
        recipe: &ImageRecipe,
        lock: &LockFile,
        kernels: &BTreeMap<&str, PreparedKernel>,
        found: &mut Found,
    ) -> Result<(), PortableError> {
        let drift = || PortableError::Drift {
            file: recipe.lock_file(),
            name: recipe.name.clone(),
        };
        let builder = ImageBuilder {
            store: &self.store,
            bubblewrap: &self.bubblewrap,
            events: &self.events,
        };
        let tools = Toolchain::id_of(&packages(lock, ImageSpec::TOOLS_SET, &self.store));
        for (name, spec) in &recipe.spec.layers {
            self.layer(recipe, lock, (name, spec), &builder)?;
            let packages = packages(lock, &ImageSpec::layer_set(name), &self.store);
            let id = layer_id(spec, &packages, tools);
            if !self.store.has(Bucket::Images, &id.to_string()) {
                return Err(drift());
            }
            let what = format!("layer {name} of {}", recipe.name);
            found.add(
                Bucket::Images,
                id,
                &what,
                Some(&format!("images/{}", recipe.name)),
            );
        }
        if luggage.packages {
            self.carry_packages(&recipe.name, lock, found, drift)?;
        } else {
            let base = lock.only(&[ImageSpec::BASE_SET]);
            self.carry_packages(&recipe.name, &base, found, drift)?;
        }
        let base = packages(lock, ImageSpec::BASE_SET, &self.store);
        for (kernel_name, layers) in combinations_of(luggage.module) {
            let Some(kernel) = kernels.get(kernel_name) else {
                continue;
            };
            let modules = kernel_modules(&kernel.kernel).map_err(PrepareError::from)?;
            let parts = base_parts(recipe, &base, &modules, layers);
            let made = builder.base(&parts, &self.cancel);
            let made = made.map_err(|source| PrepareError::Image {
                name: recipe.name.clone(),
                source: Box::new(source),
            })?;
            let mut what = format!("initramfs of {} on {kernel_name}", recipe.name);
            if !layers.is_empty() {
                what = format!("{what} with {}", layers.join(", "));
            }
            found.add(Bucket::Images, made.id, &what, None);
        }
        Ok(())
    }

    fn carry_packages(
        &self,
        what: &str,
        lock: &LockFile,
        found: &mut Found,
        drift: impl FnOnce() -> PortableError,
    ) -> Result<(), PortableError> {
        if self.fetched(what, lock)? != *lock {
            return Err(drift());
        }
        for pin in lock.packages.values() {
            let what = format!("{} {}", pin.name, pin.version);
            found.add(Bucket::Debs, pin.sha256, &what, None);
        }
        Ok(())
    }
}

/// What each entry is to the module, and what locks it.
#[derive(Default)]
struct Found(BTreeMap<(Bucket, Digest), (BTreeSet<String>, BTreeSet<String>)>);

impl Found {
    fn add(&mut self, bucket: Bucket, id: Digest, what: &str, folder: Option<&str>) {
        let (words, folders) = self.0.entry((bucket, id)).or_default();
        words.insert(what.to_owned());
        folders.extend(folder.map(str::to_owned));
    }

    fn all(self) -> Vec<Portable> {
        let found = self.0.into_iter();
        found
            .map(|((bucket, id), (words, locked_by))| Portable {
                bucket,
                id,
                what: words.into_iter().collect::<Vec<_>>().join(", "),
                locked_by,
            })
            .collect()
    }
}
