//! labctl's own programs and modules in a guest. They are in its initramfs from the start: over an emulated network
//! the same files would take as long as the kernel takes to boot.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use crate::image::ToolFile;

/// Programs in the guest, ours; a student's are below it.
pub const PROGRAMS: &str = "/lab/bin";
/// Kernel modules in the guest.
pub const MODULES: &str = "/lab/modules";

/// Ours, by name: what a course may load and run without building it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tools {
    /// Programs for the guest.
    pub programs: BTreeMap<String, PathBuf>,
    /// Kernel modules, compiled for the guest's kernel.
    pub modules: BTreeMap<String, PathBuf>,
}

impl Tools {
    /// The files as the initramfs has them.
    pub(super) fn read(&self) -> io::Result<Vec<ToolFile>> {
        let programs = self
            .programs
            .iter()
            .map(|(name, path)| (format!("{PROGRAMS}/{name}"), 0o755, path));
        let modules = self
            .modules
            .iter()
            .map(|(name, path)| (format!("{MODULES}/{name}.ko"), 0o644, path));
        programs
            .chain(modules)
            .map(|(path, mode, source)| {
                Ok(ToolFile {
                    path,
                    mode,
                    data: fs_err::read(source)?,
                })
            })
            .collect()
    }
}
