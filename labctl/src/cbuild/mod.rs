//! Compiling a student's C in the sandbox: kernel modules against a kernel's build tree, and static programs. The
//! Kbuild file is ours; nothing that a student wrote is run on this host.
//!
//! ```text
//! SourceSet ─► compile_module / compile_program ─► Compiled { output, diagnostics, log }
//!                                                      └─► symbolise(module, offsets) ─► file:line
//! ```
//!
//! Each module and program is compiled on its own, and kept under a key of what it can see. A module is made by the
//! commands that the kernel's make would run (its recipe), or by that make where they are not enough.
//!
//! Inside, the student's files lie at [`WORKSPACE`]; what leaves this module names them as the student does
//! (`src/send_trace.c`).

mod capture;
mod compiled;
mod compiler;
mod diagnostic;
mod kernel_tree;
mod modpost;
mod modules;
mod programs;
mod recipe;
mod sources;
mod symbolise;

pub use compiled::Compiled;
pub use compiler::{CompileError, Compiler};
pub use diagnostic::{Diagnostic, Severity};
pub use kernel_tree::KernelTree;
pub use modules::ModuleSpec;
pub use programs::ProgramSpec;
pub use sources::{SourceError, SourceSet};
pub use symbolise::{CodeAddress, Frame, Resolved};

/// Where the sources are inside the sandbox. Fixed, because it is written into debug information.
pub const WORKSPACE: &str = "/workspace";
