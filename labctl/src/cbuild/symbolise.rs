//! From a kernel's `handler_send+0x1d` to the line of the student's source, by way of the module's debug
//! information, read by binutils in the sandbox.

use std::path::Path;

use fs_err as fs;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _};

use super::compiler::{CompileError, Compiler};
use super::diagnostic::student_path;
use super::modules::with_debug_info;
use crate::supervise::Cancel;

/// Where the module lies inside the sandbox.
const MODULE: &str = "/tmp/module.ko";

/// A place in a module as an oops prints it: `symbol+offset/size [module]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CodeAddress {
    pub symbol: String,
    pub offset: u64,
    /// The size that the oops gives for the symbol; tells two static functions of one name apart.
    pub size: Option<u64>,
    /// Entries of a call trace are return addresses: the call is the instruction before.
    pub is_return_address: bool,
}

/// A function and a line, the innermost of an inlined chain first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub function: String,
    /// As the student names it.
    pub file: String,
    pub line: u32,
}

/// What one address stands for; empty when the debug information does not say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resolved {
    pub frames: Vec<Frame>,
}

impl Resolved {
    /// The innermost frame in a file of the student's, else the innermost of all: a fault inside an inlined kernel
    /// function is shown at the line that called it.
    pub fn student_frame(&self) -> Option<&Frame> {
        self.frames
            .iter()
            .find(|frame| !frame.file.starts_with('/') && !frame.file.starts_with("include/"))
            .or_else(|| self.frames.first())
    }
}

/// A section's name and an offset in it: all that a relocatable file has for an address.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    section: String,
    offset: u64,
}

impl Compiler {
    /// Resolves `addresses` in the module `ko`, in order, with the debug information that was kept beside it.
    ///
    /// # Errors
    /// [`CompileError::NotAModule`], or when the sandbox fails.
    pub fn symbolise(
        &self,
        ko: &Path,
        addresses: &[CodeAddress],
        cancel: &Cancel,
    ) -> Result<Vec<Resolved>, CompileError> {
        let debug = with_debug_info(ko);
        let ko = if debug.exists() { &debug } else { ko };
        let bytes = fs::read(ko).map_err(CompileError::io("read a module"))?;
        let places = locate(&bytes, addresses).map_err(|source| CompileError::NotAModule {
            path: ko.display().to_string(),
            source,
        })?;
        let sandbox = self.sandbox()?.read_only(ko, MODULE);
        let limits = self.limits();
        let mut resolved = Vec::new();
        for place in places {
            let Some(place) = place else {
                resolved.push(Resolved::default());
                continue;
            };
            let offset = format!("{:#x}", place.offset);
            let argv = [
                "addr2line",
                "-f",
                "-i",
                "-j",
                &place.section,
                "-e",
                MODULE,
                &offset,
            ];
            let finished = self.run(&sandbox, &argv, &limits, cancel)?;
            let frames = parse_frames(&finished.stdout);
            resolved.push(Resolved { frames });
        }
        Ok(resolved)
    }
}

fn locate(bytes: &[u8], addresses: &[CodeAddress]) -> Result<Vec<Option<Place>>, object::read::Error> {
    let file = object::File::parse(bytes)?;
    let mut places = Vec::new();
    for address in addresses {
        let named = || {
            file.symbols().filter(|symbol| {
                symbol.name() == Ok(address.symbol.as_str()) && symbol.kind() == object::SymbolKind::Text
            })
        };
        // The kernel rounds a symbol's size up to where the next one starts, so that the nearest is taken.
        let distance =
            |symbol: &object::Symbol<'_, '_>| address.size.map_or(0, |size| size.abs_diff(symbol.size()));
        let best = named().min_by_key(distance);
        let place = best.and_then(|symbol| {
            let section = file.section_by_index(symbol.section_index()?).ok()?;
            let back = u64::from(address.is_return_address && address.offset > 0);
            Some(Place {
                section: section.name().ok()?.to_owned(),
                offset: symbol.address().checked_add(address.offset)? - back,
            })
        });
        places.push(place);
    }
    Ok(places)
}

/// addr2line writes two lines for each frame: the function, and `FILE:LINE` with an optional discriminator.
fn parse_frames(stdout: &str) -> Vec<Frame> {
    let lines: Vec<&str> = stdout.lines().collect();
    lines
        .chunks_exact(2)
        .filter_map(|pair| {
            let place = pair[1].split(" (discriminator").next()?;
            let (file, line) = place.rsplit_once(':')?;
            Some(Frame {
                function: pair[0].to_owned(),
                file: student_path(file).to_owned(),
                line: line.parse().ok().filter(|line| *line > 0)?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_inlined_chains() {
        let stdout = "strcmp\n/usr/src/linux/include/linux/string.h:40\nhandler_send\n/workspace/src/send_trace.c:14 (discriminator 2)\n";
        let resolved = Resolved {
            frames: parse_frames(stdout),
        };
        assert_eq!(resolved.frames.len(), 2);
        let frame = resolved.student_frame().unwrap();
        assert_eq!((frame.file.as_str(), frame.line), ("src/send_trace.c", 14));
    }

    #[test]
    fn an_unknown_place_gives_no_frame() {
        assert_eq!(parse_frames("??\n??:0\n"), []);
        assert_eq!(parse_frames("f\n??:?\n"), []);
    }
}
