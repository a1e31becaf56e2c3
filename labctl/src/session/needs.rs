//! What the guests of a course need of a store, by address. It follows from descriptions and locks, so that nothing is
//! fetched, made or taken into use to know it.

use std::collections::{BTreeMap, BTreeSet};

use super::own_tools::own_program_files;
use super::prepare::{KernelPackages, base_parts, kernel_modules, packages};
use super::recipe::{ImageRecipe, KernelRecipe, names};
use crate::apt::LockFile;
use crate::digest::Digest;
use crate::event::Events;
use crate::image::{ImageSpec, layer_id};
use crate::kernel::{Kernel, KernelBuilder};
use crate::spec::course::{Course, Module};
use crate::spec::files::CourseFiles;
use crate::store::{Bucket, Store};
use crate::supervise::Cancel;
use crate::toolchain::Toolchain;

/// Entries of a store that a course would use now, each in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs(BTreeMap<(Bucket, String), String>);

impl Needs {
    /// What `course` needs, as far as it can be computed: kernels, toolchains, packages, layers, and the initramfs for
    /// each kernel that is there. Students' artefacts and templates are not among them. A description without a lock that
    /// answers it adds nothing.
    pub fn of(course: &Course, files: &CourseFiles, store: &Store) -> Self {
        let mut needs = Self::default();
        let mut kernels = BTreeMap::new();
        for name in names(files, "kernels", "kernel.yaml") {
            if let Ok(recipe) = KernelRecipe::read(files, &name)
                && let Ok(lock) = recipe.lock(files)
            {
                kernels.extend(needs.kernel(&recipe, &lock, store).map(|kernel| (name, kernel)));
            }
        }
        for name in names(files, "images", "image.yaml") {
            if let Ok(recipe) = ImageRecipe::read(files, &name)
                && let Ok(lock) = recipe.lock(files)
            {
                needs.image(course, &recipe, &lock, &kernels, store);
            }
        }
        for (name, tool) in own_program_files() {
            needs.add(Bucket::Artefacts, tool.digest(), format!("labctl's own {name}"));
        }
        needs
    }

    /// What the entry is to the course, if it is anything.
    pub fn get(&self, bucket: Bucket, id: &str) -> Option<&str> {
        self.0.get(&(bucket, id.to_owned())).map(String::as_str)
    }

    fn add(&mut self, bucket: Bucket, id: Digest, what: String) {
        self.0
            .entry((bucket, id.to_string()))
            .and_modify(|known| {
                if *known != what {
                    known.push_str(", ");
                    known.push_str(&what);
                }
            })
            .or_insert(what);
    }

    fn packages(&mut self, lock: &LockFile) {
        for pin in lock.packages.values() {
            let what = format!("{} {}", pin.name, pin.version);
            self.add(Bucket::Debs, pin.sha256, what);
        }
    }

    /// The kernel, if it is in the store.
    fn kernel(&mut self, recipe: &KernelRecipe, lock: &LockFile, store: &Store) -> Option<Kernel> {
        self.packages(lock);
        let packages = KernelPackages::of(lock, store);
        let parts = packages.parts(recipe);
        self.add(Bucket::Kernels, parts.id(), recipe.name.clone());
        let tools = Toolchain::id_of(&packages.toolchain);
        self.add(Bucket::Roots, tools, format!("compiler for {}", recipe.name));
        let builder = KernelBuilder {
            store,
            events: &Events::silent(),
            cancel: &Cancel::new(),
        };
        builder.peek(&parts).ok().flatten()
    }

    fn image(
        &mut self,
        course: &Course,
        recipe: &ImageRecipe,
        lock: &LockFile,
        kernels: &BTreeMap<String, Kernel>,
        store: &Store,
    ) {
        self.packages(lock);
        let tools = Toolchain::id_of(&packages(lock, ImageSpec::TOOLS_SET, store));
        if !recipe.spec.layers.is_empty() {
            self.add(
                Bucket::Roots,
                tools,
                format!("tools for the layers of {}", recipe.name),
            );
        }
        for (name, spec) in &recipe.spec.layers {
            let packages = packages(lock, &ImageSpec::layer_set(name), store);
            let what = format!("layer {name} of {}", recipe.name);
            self.add(Bucket::Images, layer_id(spec, &packages, tools), what);
        }
        let base = packages(lock, ImageSpec::BASE_SET, store);
        for (kernel, layers) in combinations(course, &recipe.name) {
            let Some(modules) = kernels.get(kernel).and_then(|kernel| kernel_modules(kernel).ok()) else {
                continue;
            };
            let mut what = format!("initramfs of {} on {kernel}", recipe.name);
            if !layers.is_empty() {
                what.push_str(" with ");
                what.push_str(&layers.join(", "));
            }
            let id = base_parts(recipe, &base, &modules, layers).id();
            self.add(Bucket::Images, id, what);
        }
    }
}

/// With which kernels and layers the exercises of a course use an image.
fn combinations<'a>(course: &'a Course, image: &str) -> BTreeSet<(&'a str, &'a [String])> {
    let modules = course.modules.iter().filter(|module| module.image == image);
    modules.flat_map(combinations_of).collect()
}

/// The same for the exercises of one module.
pub(super) fn combinations_of(module: &Module) -> BTreeSet<(&str, &[String])> {
    let mut found = BTreeSet::new();
    for kernel in std::iter::once(&module.kernel).chain(&module.kernels) {
        found.insert((kernel.as_str(), &[][..]));
        for exercise in &module.exercises {
            found.insert((kernel.as_str(), exercise.layers.as_slice()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_course_built_in_names_its_kernels_layers_and_packages() {
        let files: CourseFiles = crate::embedded::COURSE
            .iter()
            .map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec()))
            .collect();
        let course = Course::load(&files).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let needs = Needs::of(&course, &files, &store);
        for module in &course.modules {
            let recipe = KernelRecipe::read(&files, &module.kernel).unwrap();
            let lock = recipe.lock(&files).unwrap();
            let id = super::super::Preparation::kernel_id(&recipe, &lock, &store).to_string();
            assert_eq!(needs.get(Bucket::Kernels, &id), Some(module.kernel.as_str()));
            let pin = lock.packages.values().next().unwrap();
            assert!(needs.get(Bucket::Debs, &pin.sha256.to_string()).is_some());
        }
        let has = |bucket: Bucket, text: &str| {
            let mut all = needs.0.iter();
            all.any(|((of, _), what)| *of == bucket && what.contains(text))
        };
        assert!(has(Bucket::Images, "layer ") && has(Bucket::Roots, "compiler for "));
        assert!(
            !has(Bucket::Images, "initramfs"),
            "no kernel is there whose modules were in it"
        );
        for bucket in Bucket::ALL {
            assert_eq!(store.entries(bucket).unwrap(), []);
        }
    }
}
