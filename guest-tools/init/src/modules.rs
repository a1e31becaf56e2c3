//! The kernel modules that this image needs before anything else, in the order in which they are listed.

use std::ffi::{CString, NulError};
use std::fs::{self, File};
use std::io;

use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};

const LIST: &str = "/etc/lab/modules";

/// A module that could not be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ModuleError {
    /// The list is there but cannot be read.
    #[error("cannot read `{LIST}`")]
    List(#[source] io::Error),
    /// The module's file cannot be opened.
    #[error("cannot open `{path}`")]
    Open {
        /// The module's file.
        path: String,
        #[source]
        source: io::Error,
    },
    /// A parameter holds a NUL.
    #[error("cannot pass the parameters of `{path}`")]
    Parameters {
        /// The module's file.
        path: String,
        #[source]
        source: NulError,
    },
    /// The kernel refused the module.
    #[error("cannot load `{path}`")]
    Load {
        /// The module's file.
        path: String,
        #[source]
        source: Errno,
    },
}

/// Loads what `/etc/lab/modules` lists; a kernel with everything built in has no such file.
pub(crate) fn load_listed() -> Result<(), ModuleError> {
    let list = match fs::read_to_string(LIST) {
        Ok(list) => list,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(ModuleError::List(e)),
    };
    entries(&list).try_for_each(|(path, parameters)| load(path, parameters))
}

/// Each line is a path, and after it the module's parameters, if it has any.
fn entries(list: &str) -> impl Iterator<Item = (&str, &str)> {
    list.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| {
            let (path, parameters) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            (path, parameters.trim_start())
        })
}

fn load(path: &str, parameters: &str) -> Result<(), ModuleError> {
    let path = || path.to_owned();
    let file = File::open(path()).map_err(|source| ModuleError::Open { path: path(), source })?;
    let parameters =
        CString::new(parameters).map_err(|source| ModuleError::Parameters { path: path(), source })?;
    match finit_module(&file, &parameters, ModuleInitFlags::empty()) {
        // The kernel has it already, built in or loaded.
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(source) => Err(ModuleError::Load { path: path(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_path_and_its_parameters() {
        let list = "/lib/a.ko\n\n  /lib/b.ko  x=1 y=2 \n";
        let read: Vec<_> = entries(list).collect();
        assert_eq!(read, [("/lib/a.ko", ""), ("/lib/b.ko", "x=1 y=2")]);
    }
}
