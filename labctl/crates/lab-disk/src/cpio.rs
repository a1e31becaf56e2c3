//! The "newc" cpio format, as Linux reads it for an initramfs (`init/initramfs.c`, `buffer-format.rst`).

mod read;
mod write;

pub use read::{ReadError, read};
pub use write::{WriteError, to_vec, write};

/// Six magic digits and thirteen fields of eight hexadecimal digits.
const HEADER_LEN: usize = 110;
const MAGIC: &[u8] = b"070701";
const TRAILER: &str = "TRAILER!!!";
/// The name of the root folder.
const ROOT: &str = ".";

const TYPE_MASK: u32 = 0o170_000;
const TYPE_DIR: u32 = 0o040_000;
const TYPE_FILE: u32 = 0o100_000;
const TYPE_SYMLINK: u32 = 0o120_000;
const TYPE_CHAR: u32 = 0o020_000;

/// Bytes of padding after `len` bytes: names and contents start at multiples of four.
fn padding(len: usize) -> usize {
    len.wrapping_neg() % 4
}
