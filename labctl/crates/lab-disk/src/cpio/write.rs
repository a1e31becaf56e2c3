//! Writing: the same tree always gives the same bytes.

use std::io::{self, Write};

use super::{HEADER_LEN, MAGIC, ROOT, TRAILER, TYPE_CHAR, TYPE_DIR, TYPE_FILE, TYPE_SYMLINK, padding};
use crate::path::TreePath;
use crate::tree::{Node, Tree};

/// Why an archive could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("cannot write the archive")]
    Io(#[from] io::Error),
    #[error("`{path}` has {size} bytes: the format ends at 4 GiB - 1")]
    TooLarge { path: TreePath, size: usize },
    #[error("the path `{path}` is longer than the 4095 bytes that Linux unpacks")]
    LongPath { path: TreePath },
}

struct Header<'a> {
    name: &'a str,
    inode: u32,
    mode: u32,
    links: u32,
    size: u32,
    device: (u32, u32),
}

/// Writes the root (mode 0755: Linux would leave that of its tmpfs, 1777), `tree` and the trailer. Inode numbers follow the order of paths, times are 0 (the epoch), owner and group
/// root; equal files are written twice rather than as hard links. The length is a multiple of four, so that another
/// archive may follow directly.
///
/// # Errors
/// [`WriteError`]: those of `out`, and what the format cannot hold.
pub fn write(tree: &Tree, out: &mut impl Write) -> Result<(), WriteError> {
    let root = Header {
        name: ROOT,
        inode: 1,
        mode: TYPE_DIR | 0o755,
        links: 2,
        size: 0,
        device: (0, 0),
    };
    write_entry(out, &root, &[])?;
    for (inode, (path, node)) in (2_u32..).zip(tree.iter()) {
        // Linux drops names of PATH_MAX bytes and more, the NUL included (`do_header`).
        if path.as_str().len() >= 4096 {
            return Err(WriteError::LongPath { path: path.clone() });
        }
        let (mode, links, data, device): (u32, u32, &[u8], _) = match node {
            Node::Dir { mode } => (TYPE_DIR | mode, 2, &[], (0, 0)),
            Node::File { mode, data } => (TYPE_FILE | mode, 1, data, (0, 0)),
            Node::Symlink { target } => (TYPE_SYMLINK | 0o777, 1, target.as_bytes(), (0, 0)),
            Node::CharDevice { mode, major, minor } => (TYPE_CHAR | mode, 1, &[], (*major, *minor)),
        };
        let size = u32::try_from(data.len()).map_err(|_| WriteError::TooLarge {
            path: path.clone(),
            size: data.len(),
        })?;
        let name = path.as_str();
        write_entry(
            out,
            &Header {
                name,
                inode,
                mode,
                links,
                size,
                device,
            },
            data,
        )?;
    }
    let trailer = Header {
        name: TRAILER,
        inode: 0,
        mode: 0,
        links: 1,
        size: 0,
        device: (0, 0),
    };
    write_entry(out, &trailer, &[])?;
    Ok(())
}

/// As [`write()`], into memory.
///
/// # Errors
/// What the format cannot hold.
pub fn to_vec(tree: &Tree) -> Result<Vec<u8>, WriteError> {
    let mut bytes = Vec::new();
    write(tree, &mut bytes)?;
    Ok(bytes)
}

fn write_entry(out: &mut impl Write, header: &Header<'_>, data: &[u8]) -> io::Result<()> {
    let name_len = header.name.len() + 1;
    // Owner, group and time are 0; so are the device that the file was on and the check sum, unused in "newc".
    let fields = [
        header.inode,
        header.mode,
        0,
        0,
        header.links,
        0,
        header.size,
        0,
        0,
        header.device.0,
        header.device.1,
        u32::try_from(name_len).map_err(io::Error::other)?,
        0,
    ];
    out.write_all(MAGIC)?;
    for field in fields {
        write!(out, "{field:08x}")?;
    }
    out.write_all(header.name.as_bytes())?;
    out.write_all(&[0; 4][..1 + padding(HEADER_LEN + name_len)])?;
    out.write_all(data)?;
    out.write_all(&[0; 4][..padding(data.len())])
}
