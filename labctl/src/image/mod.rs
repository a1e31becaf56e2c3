//! Images: root file systems assembled in this process from pinned packages. No root, no loop device, no maintainer
//! script; the same inputs give the same bytes.
//!
//! ```text
//! ImageSpec (image.yaml) ─┐
//! packages (image.lock) ──┼─► plan ─► Tree ─► initramfs (cpio)          ─┐
//! overlay files, init ────┤                                              ├─► Image ─► instance_initrd (keys)
//! kernel modules ─────────┘   layers ─► mkfs.erofs in the sandbox        ─┘
//! ```

mod applets;
mod build;
mod initramfs;
mod instance;
mod layer;
mod needed;
mod plan;
mod pool;
mod spec;
#[cfg(test)]
mod tests;
mod verify;

pub use build::{BaseImage, BaseParts, ImageBuilder, ImageError, LayerImage};
pub use instance::{InstanceFiles, ToolFile, instance_initrd};
pub use layer::{LAYER_FILE, LayerInputs, layer_id};
pub use needed::NeededError;
pub use plan::{BaseInputs, KernelModule, PlanError, plan};
pub use pool::{PoolError, TreeOrDeb, read_packages};
pub use spec::{BaseSpec, ImageSpec, LayerSpec, RawImageSpec, SpecError};
pub use verify::VerifyError;
