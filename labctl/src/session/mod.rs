//! A lab that is up: a machine and a way in, joined here and nowhere else.
//!
//! ```text
//! Bootable ──boot──► Lab ──keep──► (runs on; find it again with Lab::attach)
//!     │               └──end───► Ended
//!     └─ BootError: QEMU died, the guest panicked, nobody answered in time, interrupted
//! ```

mod boot;
mod bootable;
mod image_build;
mod lab;
mod names;
mod needs;
mod own_tools;
mod portable;
mod prepare;
mod readymade;
mod recipe;
mod template;
mod tools;

pub use boot::BootError;
pub use bootable::{Bootable, Host};
pub use image_build::BuiltPart;
pub use lab::{AttachError, Lab};
pub use names::{labels, owned_name};
pub use needs::Needs;
pub use portable::{Luggage, Portable, PortableError};
pub use prepare::{Preparation, PrepareError, PreparedKernel, Shape};
pub use readymade::Comparison;
pub use recipe::{COMMITTED, ImageRecipe, KernelRecipe, RecipeError, all_committed, names as recipe_names};
pub use template::Templates;
pub use tools::{MODULES, PROGRAMS, Tools};
