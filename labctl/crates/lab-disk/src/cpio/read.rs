//! Reading, for tests and for looking into an archive that labctl made.

use super::{
    HEADER_LEN, MAGIC, ROOT, TRAILER, TYPE_CHAR, TYPE_DIR, TYPE_FILE, TYPE_MASK, TYPE_SYMLINK, padding,
};
use crate::tree::{Node, Tree, TreeError};

/// Why bytes are not an archive that this crate could have written.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error("the archive ends inside an entry, at byte {at}")]
    Truncated { at: usize },
    #[error("no newc header at byte {at}")]
    NotAHeader { at: usize },
    #[error("`{path}` has the unsupported mode {mode:#o}")]
    Unsupported { path: String, mode: u32 },
    #[error("a name or link target is not UTF-8, at byte {at}")]
    NotUtf8 { at: usize },
    #[error(transparent)]
    Tree(#[from] TreeError),
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], ReadError> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.bytes.len());
        let Some(end) = end else {
            return Err(ReadError::Truncated { at: self.at });
        };
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn field(&mut self) -> Result<u32, ReadError> {
        let at = self.at;
        let digits = self.take(8)?;
        std::str::from_utf8(digits)
            .ok()
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .ok_or(ReadError::NotAHeader { at })
    }

    fn text(&mut self, len: usize) -> Result<&'a str, ReadError> {
        let at = self.at;
        std::str::from_utf8(self.take(len)?).map_err(|_| ReadError::NotUtf8 { at })
    }
}

/// Reads one archive or several behind one another (zero bytes between them are skipped, as Linux does). What comes
/// later replaces what came before.
///
/// # Errors
/// [`ReadError`] with the place.
pub fn read(bytes: &[u8]) -> Result<Tree, ReadError> {
    let mut tree = Tree::new();
    let mut cursor = Cursor { bytes, at: 0 };
    loop {
        while bytes.get(cursor.at) == Some(&0) {
            cursor.at += 1;
        }
        if cursor.at == bytes.len() {
            return Ok(tree);
        }
        read_entry(&mut cursor, &mut tree)?;
    }
}

fn read_entry(cursor: &mut Cursor<'_>, tree: &mut Tree) -> Result<(), ReadError> {
    let start = cursor.at;
    if cursor.take(MAGIC.len())? != MAGIC {
        return Err(ReadError::NotAHeader { at: start });
    }
    let mut fields = [0; 13];
    for field in &mut fields {
        *field = cursor.field()?;
    }
    let [_, mode, _, _, _, _, size, _, _, major, minor, name_len, _] = fields;
    let (size, name_len) = (size as usize, name_len as usize);
    let Some(text_len) = name_len.checked_sub(1) else {
        return Err(ReadError::NotAHeader { at: start });
    };
    let name = cursor.text(text_len)?;
    cursor.take(1 + padding(HEADER_LEN + name_len))?;
    let data_at = cursor.at;
    let data = cursor.take(size)?;
    cursor.take(padding(size))?;
    if name == TRAILER || name == ROOT {
        return Ok(());
    }
    let permissions = mode & 0o7777;
    let node = match mode & TYPE_MASK {
        TYPE_DIR => Node::Dir { mode: permissions },
        TYPE_FILE => Node::File {
            mode: permissions,
            data: data.into(),
        },
        TYPE_SYMLINK => Node::Symlink {
            target: std::str::from_utf8(data)
                .map_err(|_| ReadError::NotUtf8 { at: data_at })?
                .to_owned(),
        },
        TYPE_CHAR => Node::CharDevice {
            mode: permissions,
            major,
            minor,
        },
        _ => {
            let path = name.to_owned();
            return Err(ReadError::Unsupported { path, mode });
        }
    };
    tree.insert(name, node)?;
    Ok(())
}
