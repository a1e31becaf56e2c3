//! `labctl image build`: every part of an image, without a guest.

use std::fmt;

use super::prepare::{Preparation, PrepareError, packages};
use super::recipe::ImageRecipe;
use crate::apt::LockFile;
use crate::digest::Digest;
use crate::embedded;
use crate::image::{BaseParts, ImageBuilder, ImageSpec, LayerInputs, VerifyError};
use crate::toolchain::Toolchain;

/// One part of an image, built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltPart {
    /// `initramfs`, or the layer's name.
    pub name: String,
    /// Of its inputs.
    pub id: Digest,
    /// Bytes.
    pub size: u64,
    /// What zstd would make of it, bytes; only the initramfs is held to a size.
    pub compressed: Option<u64>,
    /// Whether a second build came out the same; absent when none was asked for.
    pub reproduced: Option<bool>,
}

impl fmt::Display for BuiltPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<12} sha256:{}  {} bytes", self.name, self.id, self.size)?;
        if let Some(compressed) = self.compressed {
            write!(f, " ({compressed} compressed)")?;
        }
        match self.reproduced {
            Some(true) => f.write_str("  reproduced"),
            Some(false) => f.write_str("  DIFFERS"),
            None => Ok(()),
        }
    }
}

impl Preparation {
    /// Builds the initramfs (as the course kernel boots it, without modules) and every layer.
    ///
    /// # Errors
    /// [`PrepareError::Image`] and those of fetching.
    pub fn image(
        &self,
        recipe: &ImageRecipe,
        lock: &LockFile,
        verify: bool,
    ) -> Result<Vec<BuiltPart>, PrepareError> {
        let failed = |source| PrepareError::Image {
            name: recipe.name.clone(),
            source: Box::new(source),
        };
        let reproduced = |result: Result<Digest, VerifyError>| match result {
            Ok(_) => Ok(Some(true)),
            Err(VerifyError::Differs { what, first, second }) => {
                self.events
                    .warn(format!("`{what}` came out as {first} and then as {second}"));
                Ok(Some(false))
            }
            Err(VerifyError::Build(error)) => Err(failed(error)),
        };
        let lock = self.fetched(&recipe.name, lock)?;
        let builder = ImageBuilder {
            store: &self.store,
            bubblewrap: &self.bubblewrap,
            events: &self.events,
        };
        let base_packages = packages(&lock, ImageSpec::BASE_SET, &self.store);
        let parts = BaseParts {
            spec: &recipe.spec.base,
            packages: &base_packages,
            overlay: &recipe.overlay,
            init: &embedded::LAB_INIT,
            modules: &[],
            layers: &[],
        };
        let base = builder.base(&parts, &self.cancel).map_err(failed)?;
        let mut built = vec![BuiltPart {
            name: "initramfs".to_owned(),
            id: base.id,
            size: base.size,
            compressed: Some(base.compressed_size),
            reproduced: if verify {
                reproduced(builder.verify_base(&parts, &self.cancel))?
            } else {
                None
            },
        }];
        if recipe.spec.layers.is_empty() {
            return Ok(built);
        }
        let tools = packages(&lock, ImageSpec::TOOLS_SET, &self.store);
        let tools = Toolchain::open(&self.store, &tools, &self.events, &self.cancel)?;
        for (name, spec) in &recipe.spec.layers {
            let layer_packages = packages(&lock, &ImageSpec::layer_set(name), &self.store);
            let inputs = LayerInputs {
                name,
                spec,
                packages: &layer_packages,
                tools: &tools,
            };
            let layer = builder.layer(&inputs, &self.cancel).map_err(failed)?;
            built.push(BuiltPart {
                name: name.clone(),
                id: layer.id,
                size: layer.size,
                compressed: None,
                reproduced: if verify {
                    reproduced(builder.verify_layer(&inputs, &self.cancel))?
                } else {
                    None
                },
            });
        }
        Ok(built)
    }
}
