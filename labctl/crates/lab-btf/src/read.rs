//! From bytes to a table of types.

use std::collections::BTreeMap;

/// `BTF_MAGIC` of `include/uapi/linux/btf.h`, as a little-endian machine writes it.
const MAGIC: [u8; 2] = [0x9f, 0xeb];
/// `struct btf_header`: magic, version, flags, hdr_len, type_off, type_len, str_off, str_len.
const HEADER: usize = 24;

/// Bytes that are not BTF.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BtfError {
    #[error("these bytes are not BTF of a little-endian machine")]
    Magic,
    #[error("the BTF ends in the middle of {0}")]
    Truncated(&'static str),
    #[error("the BTF has types of the unknown kind {0}")]
    Kind(u32),
}

/// The types of one kernel.
#[derive(Debug, Clone)]
pub struct Btf {
    /// By id; id 0 is `void`.
    pub(crate) types: Vec<Type>,
    strings: Vec<u8>,
}

/// What is kept of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Type {
    /// Has this many bytes and no parts that matter here: integers, enumerations, floats.
    Plain(u64),
    Pointer,
    Array {
        element: u32,
        count: u64,
    },
    /// A structure or a union.
    Record {
        name: u32,
        is_union: bool,
        size: u64,
        members: Vec<RawMember>,
    },
    /// Another name for, or a qualifier of, this type.
    Same(u32),
    /// Without a size: functions, forward declarations, sections.
    Sizeless,
}

/// A member as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawMember {
    pub(crate) name: u32,
    pub(crate) of: u32,
    /// Bits from the start of its record.
    pub(crate) bits: u64,
}

impl Btf {
    /// Reads the contents of a `.BTF` section, or of `/sys/kernel/btf/vmlinux`.
    ///
    /// # Errors
    /// [`BtfError`] says what is wrong with the bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, BtfError> {
        if bytes.len() < HEADER || bytes[..2] != MAGIC {
            return Err(BtfError::Magic);
        }
        let mut header = Cursor {
            bytes,
            at: 4,
            what: "its header",
        };
        let after = header.number()?;
        let [type_at, type_len, string_at, string_len] = [
            header.number()?,
            header.number()?,
            header.number()?,
            header.number()?,
        ];
        let part = |at: u32, len: u32, what: &'static str| {
            let start = after as usize + at as usize;
            bytes
                .get(start..start + len as usize)
                .ok_or(BtfError::Truncated(what))
        };
        let strings = part(string_at, string_len, "its strings")?.to_vec();
        let mut cursor = Cursor {
            bytes: part(type_at, type_len, "its types")?,
            at: 0,
            what: "a type",
        };
        let mut types = vec![Type::Sizeless];
        while cursor.at < cursor.bytes.len() {
            types.push(cursor.one()?);
        }
        Ok(Self { types, strings })
    }

    pub(crate) fn string(&self, at: u32) -> String {
        let rest = self.strings.get(at as usize..).unwrap_or_default();
        let end = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
        String::from_utf8_lossy(&rest[..end]).into_owned()
    }

    /// The names of all structures, with their ids. Of two of one name the first counts.
    pub(crate) fn structs(&self) -> BTreeMap<String, u32> {
        let mut names = BTreeMap::new();
        for (id, found) in (0..).zip(&self.types) {
            if let Type::Record {
                name,
                is_union: false,
                ..
            } = found
                && *name != 0
            {
                names.entry(self.string(*name)).or_insert(id);
            }
        }
        names
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    what: &'static str,
}

impl Cursor<'_> {
    fn number(&mut self) -> Result<u32, BtfError> {
        let four = self.bytes.get(self.at..self.at + 4);
        let four: [u8; 4] = four
            .and_then(|four| four.try_into().ok())
            .ok_or(BtfError::Truncated(self.what))?;
        self.at += 4;
        Ok(u32::from_le_bytes(four))
    }

    fn skip(&mut self, numbers: u32) -> Result<(), BtfError> {
        for _ in 0..numbers {
            self.number()?;
        }
        Ok(())
    }

    /// `struct btf_type` and what follows it, by its kind.
    fn one(&mut self) -> Result<Type, BtfError> {
        let (name, info, size_or_type) = (self.number()?, self.number()?, self.number()?);
        let (kind, count, flag) = (info >> 24 & 0x1f, info & 0xffff, info >> 31 == 1);
        let size = u64::from(size_or_type);
        Ok(match kind {
            // INT carries its encoding.
            1 => {
                self.skip(1)?;
                Type::Plain(size)
            }
            2 => Type::Pointer,
            3 => {
                let (element, _index, count) = (self.number()?, self.number()?, self.number()?);
                Type::Array {
                    element,
                    count: u64::from(count),
                }
            }
            4 | 5 => {
                let members = (0..count).map(|_| self.member(flag)).collect::<Result<_, _>>()?;
                Type::Record {
                    name,
                    is_union: kind == 5,
                    size,
                    members,
                }
            }
            // ENUM: a name and a value each.
            6 => {
                self.skip(2 * count)?;
                Type::Plain(size)
            }
            // TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG.
            8..=11 | 18 => Type::Same(size_or_type),
            // FWD, FUNC.
            7 | 12 => Type::Sizeless,
            // FUNC_PROTO: a name and a type for each parameter.
            13 => {
                self.skip(2 * count)?;
                Type::Sizeless
            }
            // VAR: its linkage.
            14 => {
                self.skip(1)?;
                Type::Sizeless
            }
            // DATASEC: type, offset and size of each variable.
            15 => {
                self.skip(3 * count)?;
                Type::Sizeless
            }
            // FLOAT.
            16 => Type::Plain(size),
            // DECL_TAG: which part it is about.
            17 => {
                self.skip(1)?;
                Type::Sizeless
            }
            // ENUM64: a name and two halves of a value each.
            19 => {
                self.skip(3 * count)?;
                Type::Plain(size)
            }
            kind => return Err(BtfError::Kind(kind)),
        })
    }

    /// With the kind flag set, the upper byte of an offset is the width of a bit field.
    fn member(&mut self, has_widths: bool) -> Result<RawMember, BtfError> {
        let (name, of, offset) = (self.number()?, self.number()?, self.number()?);
        let bits = if has_widths { offset & 0x00ff_ffff } else { offset };
        Ok(RawMember {
            name,
            of,
            bits: u64::from(bits),
        })
    }
}
