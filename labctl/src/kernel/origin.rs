//! Which source file a function was compiled from. A kernel without debugging information still knows the place of each of its
//! warnings: `__bug_table` (`include/asm-generic/bug.h`) pairs an instruction with a file and a line. A warning inside of a function
//! tells where that function is written, unless it was inlined from a header.

use std::collections::BTreeMap;

use fs_err as fs;
use object::{Object as _, ObjectSection as _};

use super::entry::Kernel;
use super::types::TypesError;

/// `struct bug_entry` with CONFIG_GENERIC_BUG_RELATIVE_POINTERS and CONFIG_DEBUG_BUGVERBOSE: two distances from themselves, a line,
/// flags.
const ENTRY: usize = 12;
/// Longer than any path of the kernel's tree.
const LONGEST: u64 = 256;

impl Kernel {
    /// The source files of those of the named functions whose warnings tell it. Nothing for a kernel that came without its
    /// `System.map`. Blocking; reads some 30 MB.
    ///
    /// # Errors
    /// [`TypesError`], when the kernel's file is damaged.
    pub fn origins(&self, functions: &[String]) -> Result<BTreeMap<String, String>, TypesError> {
        let Ok(map) = fs::read_to_string(self.image.with_file_name("System.map")) else {
            return Ok(BTreeMap::new());
        };
        let bytes = fs::read(&self.image)?;
        let file = object::File::parse(&*bytes)?;
        let Some(table) = file.section_by_name("__bug_table") else {
            return Ok(BTreeMap::new());
        };
        let warnings = warnings(table.data()?, table.address());
        let string = |at: u64| {
            file.sections().find_map(|section| {
                let left = (section.address() + section.size()).checked_sub(at)?;
                let bytes = section.data_range(at, left.min(LONGEST)).ok()??;
                let end = bytes.iter().position(|byte| *byte == 0)?;
                String::from_utf8(bytes[..end].to_vec()).ok()
            })
        };
        let mut origins = BTreeMap::new();
        for function in functions {
            let places = extents(&map, function);
            let own = warnings
                .iter()
                .filter(|(at, _)| places.iter().any(|(start, end)| (start..end).contains(&at)));
            // What was inlined from a header is not the function's own.
            let told = own
                .filter_map(|(_, file)| string(*file))
                .find(|file| file.ends_with(".c"));
            origins.extend(told.map(|file| (function.clone(), file)));
        }
        Ok(origins)
    }
}

/// Each warning's instruction, and where its file's name is.
fn warnings(table: &[u8], address: u64) -> Vec<(u64, u64)> {
    let distance = |bytes: &[u8]| -> Option<i64> { Some(i32::from_le_bytes(bytes.try_into().ok()?).into()) };
    let entry = |(index, entry): (usize, &[u8])| {
        let at = address + (index * ENTRY) as u64;
        let instruction = at.checked_add_signed(distance(&entry[..4])?)?;
        let file = (at + 4).checked_add_signed(distance(&entry[4..8])?)?;
        Some((instruction, file))
    };
    table.chunks_exact(ENTRY).enumerate().filter_map(entry).collect()
}

/// Where a function's code lies: its own symbol, and what the compiler moved out of it as unlikely.
fn extents(map: &str, function: &str) -> Vec<(u64, u64)> {
    let symbol = |line: &str| -> Option<(u64, String)> {
        let mut words = line.split(' ');
        let address = u64::from_str_radix(words.next()?, 16).ok()?;
        Some((address, words.nth(1)?.to_owned()))
    };
    let mut symbols: Vec<_> = map.lines().filter_map(symbol).collect();
    symbols.sort();
    let cold = format!("{function}.cold");
    let mut extents = Vec::new();
    for (index, (start, name)) in symbols.iter().enumerate() {
        if name == function || *name == cold {
            let next = symbols[index..].iter().find(|(address, _)| address > start);
            extents.extend(next.map(|(end, _)| (*start, *end)));
        }
    }
    extents
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_ends_where_the_next_begins() {
        let map =
            "ffff1000 T a\nffff1040 T b\nffff1040 T b_alias\nffff1090 t c\nffff2000 t b.cold\nffff2010 T d\n";
        assert_eq!(
            extents(map, "b"),
            [(0xffff_1040, 0xffff_1090), (0xffff_2000, 0xffff_2010)]
        );
        assert_eq!(extents(map, "none"), []);
    }

    #[test]
    fn distances_count_from_where_they_stand() {
        let mut table = Vec::new();
        for (code, file) in [(-0x100_i32, 0x20_i32), (-0x80, 0x10)] {
            table.extend(code.to_le_bytes());
            table.extend(file.to_le_bytes());
            table.extend([7, 0, 1, 0]);
        }
        assert_eq!(
            warnings(&table, 0x1000),
            [(0xf00, 0x1024), (0x100c - 0x80, 0x1010 + 0x10)]
        );
    }
}
