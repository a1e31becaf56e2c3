//! What labctl itself brings into a guest: its kernel modules, compiled for the guest's kernel, and its programs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::prepare::{Preparation, PrepareError};
use crate::cbuild::{Compiler, ModuleSpec, SourceSet};
use crate::embedded::{self, Tool};
use crate::event::Stage;
use crate::kernel::Kernel;
use crate::store::{Bucket, StoreError};

impl Preparation {
    /// labctl's own kernel modules, compiled for a kernel.
    ///
    /// # Errors
    /// [`PrepareError::OwnModule`] when one does not compile: a defect of labctl's, or of the kernel's tree.
    pub fn own_modules(
        &self,
        kernel: &Kernel,
        compiler: &Compiler,
        names: &[String],
    ) -> Result<BTreeMap<String, PathBuf>, PrepareError> {
        self.events
            .started(Stage::Build, "labctl's own kernel modules".to_owned());
        let mut paths = BTreeMap::new();
        let mut stored = true;
        for name in names {
            let Some(bytes) = embedded::kmod_source(&format!("{name}.c")) else {
                continue;
            };
            // Not beside the Kbuild file: the object of a module and that of its one source would have one name.
            let file = format!("kmod/{name}.c");
            let mut sources = SourceSet::default();
            sources.insert(&file, bytes)?;
            let module = ModuleSpec {
                name: name.clone(),
                sources: vec![file],
            };
            let compiled = compiler.compile_module(&kernel.tree, &sources, &module, &self.cancel)?;
            stored &= compiled.cached;
            let Some(path) = compiled.output else {
                return Err(PrepareError::OwnModule {
                    name: name.clone(),
                    log: compiled.log,
                });
            };
            paths.insert(name.clone(), path);
        }
        self.events.finished(
            Stage::Build,
            format!(
                "labctl's own kernel modules{}",
                if stored { " (stored)" } else { "" }
            ),
        );
        Ok(paths)
    }

    /// labctl's own programs for the guest, as files of the store.
    ///
    /// # Errors
    /// Those of the store.
    pub fn own_programs(&self) -> Result<BTreeMap<String, PathBuf>, PrepareError> {
        let mut paths = BTreeMap::new();
        for (name, tool) in own_program_files() {
            let id = tool.digest().to_string();
            let entry = self.store.get_or_make::<StoreError>(
                Bucket::Artefacts,
                &id,
                &self.cancel,
                |damage| self.events.warn(format!("{damage}; it is written again")),
                |staging| {
                    fs_err::write(staging.join(name), tool.bytes).map_err(StoreError::io("write a tool"))
                },
            )?;
            paths.insert(name.to_owned(), entry.file(name));
        }
        Ok(paths)
    }
}

/// labctl's own programs for the guest. Each is stored under the digest of its bytes.
pub(super) fn own_program_files() -> [(&'static str, &'static Tool); 3] {
    [
        ("sender", &embedded::SENDER),
        ("receiver", &embedded::RECEIVER),
        ("tracer", &embedded::TRACER),
    ]
}
