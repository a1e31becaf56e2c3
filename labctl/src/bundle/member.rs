//! One member's header in the archive: the same for the same member, with no clock, no owner, no host in it. Pure.

use super::error::BundleError;
use super::manifest::Kind;

pub(super) const BLOCK: usize = 512;
/// Two empty blocks end an archive.
pub(super) const END: usize = 2 * BLOCK;

/// The header of `path`, with a GNU long-name record before it where the old format has no room.
pub(super) fn header(path: &str, kind: &Kind) -> Result<Vec<u8>, BundleError> {
    let unfit = |_| BundleError::Unfit {
        entry: path.to_owned(),
        what: "its name or size does not fit into an archive".to_owned(),
    };
    let mut header = tar::Header::new_ustar();
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    let mut blocks = Vec::new();
    match kind {
        Kind::Directory => {
            header.set_entry_type(tar::EntryType::Directory);
            header.set_mode(0o755);
            header.set_size(0);
        }
        Kind::File { size, executable, .. } => {
            header.set_entry_type(tar::EntryType::Regular);
            header.set_mode(if *executable { 0o755 } else { 0o644 });
            header.set_size(*size);
        }
        Kind::Link { target } => {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_mode(0o777);
            header.set_size(0);
            if header.set_link_name_literal(target.as_bytes()).is_err() {
                blocks.extend(long(tar::EntryType::GNULongLink, target));
                header
                    .set_link_name_literal(cut(target, 100).as_bytes())
                    .map_err(unfit)?;
            }
        }
    }
    if header.set_path(path).is_err() {
        blocks.extend(long(tar::EntryType::GNULongName, path));
        header.set_path(cut(path, 100)).map_err(unfit)?;
    }
    header.set_cksum();
    blocks.extend_from_slice(header.as_bytes());
    Ok(blocks)
}

/// How many zeros follow `size` bytes.
pub(super) fn padding(size: u64) -> usize {
    let block = BLOCK as u64;
    // Below 512.
    usize::try_from(size.next_multiple_of(block) - size).unwrap_or(0)
}

fn long(kind: tar::EntryType, text: &str) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    let size = text.len() as u64 + 1;
    header.set_size(size);
    let name = b"././@LongLink";
    header.as_mut_bytes()[..name.len()].copy_from_slice(name);
    header.set_cksum();
    let mut blocks = header.as_bytes().to_vec();
    blocks.extend_from_slice(text.as_bytes());
    blocks.push(0);
    blocks.resize(blocks.len() + padding(size), 0);
    blocks
}

fn cut(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].trim_end_matches('/')
}
