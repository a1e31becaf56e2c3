//! What a finished kernel says about its own types: the `.BTF` section of the file that guests boot, the same bytes that they see as
//! `/sys/kernel/btf/vmlinux`.

use std::collections::BTreeMap;
use std::io;

use fs_err as fs;
use lab_btf::{Btf, BtfError, Layout};
use object::{Object as _, ObjectSection as _};

use super::entry::Kernel;

/// A kernel whose types cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TypesError {
    #[error("cannot read the kernel's file")]
    Io(#[from] io::Error),
    #[error("the kernel's file is not the ELF file that it should be")]
    Elf(#[from] object::read::Error),
    #[error("the kernel `{kernel}` was built without BTF")]
    NoBtf { kernel: String },
    #[error("the BTF of the kernel `{kernel}` cannot be read")]
    Btf {
        kernel: String,
        #[source]
        source: BtfError,
    },
}

impl Kernel {
    /// The layouts of those of the named structures that the kernel has. Blocking; reads some 30 MB.
    ///
    /// # Errors
    /// [`TypesError`], when the kernel's file has no BTF or is damaged.
    pub fn layouts(&self, names: &[String]) -> Result<BTreeMap<String, Layout>, TypesError> {
        let bytes = fs::read(&self.image)?;
        let file = object::File::parse(&*bytes)?;
        let section = file.section_by_name(".BTF").ok_or_else(|| TypesError::NoBtf {
            kernel: self.name.clone(),
        })?;
        let btf = Btf::parse(section.data()?).map_err(|source| TypesError::Btf {
            kernel: self.name.clone(),
            source,
        })?;
        let layout = |name: &String| Some((name.clone(), btf.layout(name)?));
        Ok(names.iter().filter_map(layout).collect())
    }
}
