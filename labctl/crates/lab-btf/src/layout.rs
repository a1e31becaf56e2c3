//! Structures with names, offsets and sizes.

use crate::read::{Btf, Type};

/// Pointers of the only machine that labs run on, in bytes.
const POINTER: u64 = 8;
/// Deeper than any type of a kernel; a loop in damaged BTF ends here.
const DEPTH: u32 = 32;

/// How a structure lies in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Bytes.
    pub size: u64,
    /// In the order of the declaration; those of anonymous structures and unions in it stand in their place.
    pub members: Vec<Member>,
}

/// One member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub name: String,
    /// Bytes from the start of the structure; of a bit field, those before its first bit.
    pub offset: u64,
    /// Bytes; of a bit field, those of its type.
    pub size: u64,
}

impl Btf {
    /// The structure of this name, without `struct`; `None` where there is none.
    #[must_use]
    pub fn layout(&self, name: &str) -> Option<Layout> {
        let id = *self.structs().get(name)?;
        let Type::Record { size, .. } = self.types.get(id as usize)? else {
            return None;
        };
        let mut members = Vec::new();
        self.collect(id, 0, DEPTH, &mut members);
        Some(Layout { size: *size, members })
    }

    fn collect(&self, id: u32, bits: u64, depth: u32, out: &mut Vec<Member>) {
        let Some(Type::Record { members, .. }) = self.types.get(id as usize) else {
            return;
        };
        for member in members {
            let at = bits + member.bits;
            let name = self.string(member.name);
            if !name.is_empty() {
                out.push(Member {
                    name,
                    offset: at / 8,
                    size: self.size(member.of, DEPTH),
                });
            } else if depth > 0 {
                self.collect(self.real(member.of), at, depth - 1, out);
            }
        }
    }

    /// What a chain of names and qualifiers leads to.
    fn real(&self, id: u32) -> u32 {
        let mut id = id;
        for _ in 0..DEPTH {
            match self.types.get(id as usize) {
                Some(Type::Same(next)) => id = *next,
                _ => break,
            }
        }
        id
    }

    fn size(&self, id: u32, depth: u32) -> u64 {
        match self.types.get(self.real(id) as usize) {
            Some(Type::Plain(size) | Type::Record { size, .. }) => *size,
            Some(Type::Pointer) => POINTER,
            Some(Type::Array { element, count }) if depth > 0 => {
                self.size(*element, depth - 1).saturating_mul(*count)
            }
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::BtfError;

    /// `BTF_INFO_ENC` of `include/uapi/linux/btf.h`.
    fn info(kind: u32, flag: u32, count: u32) -> u32 {
        flag << 31 | kind << 24 | count
    }

    fn btf(types: &[u32], strings: &[u8]) -> Vec<u8> {
        let type_len = u32::try_from(types.len() * 4).unwrap();
        let header = [0x0001_eb9f, 24, 0, type_len, type_len, strings.len() as u32];
        let numbers = header.iter().chain(types);
        let mut bytes: Vec<u8> = numbers.flat_map(|number| number.to_le_bytes()).collect();
        bytes.extend_from_slice(strings);
        bytes
    }

    /// `struct box { union { struct box *next; u32 raw; }; u32 flag : 4; u32 tail[3]; };`
    fn example() -> Vec<u8> {
        let strings = b"\0box\0next\0raw\0flag\0tail\0u32\0";
        let types = [
            [0, info(2, 0, 0), 2].as_slice(), // 1: pointer to 2
            &[1, info(4, 1, 3), 24],          // 2: struct box
            &[0, 3, 0],
            &[14, 5, 4 << 24 | 64],
            &[19, 6, 96],
            &[0, info(5, 0, 2), 8], // 3: the union
            &[5, 1, 0],
            &[10, 4, 0],
            &[24, info(8, 0, 0), 5],         // 4: typedef u32
            &[0, info(1, 0, 0), 4, 32],      // 5: int of 4 bytes
            &[0, info(3, 0, 0), 0, 4, 5, 3], // 6: u32[3]
        ];
        btf(&types.concat(), strings)
    }

    #[test]
    fn members_of_anonymous_parts_are_the_structures_own() {
        let layout = Btf::parse(&example()).unwrap().layout("box").unwrap();
        assert_eq!(layout.size, 24);
        let told: Vec<_> = layout
            .members
            .iter()
            .map(|member| (member.name.as_str(), member.offset, member.size))
            .collect();
        assert_eq!(
            told,
            [("next", 0, 8), ("raw", 0, 4), ("flag", 8, 4), ("tail", 12, 12)]
        );
    }

    #[test]
    fn what_is_not_there_is_none() {
        let btf = Btf::parse(&example()).unwrap();
        assert_eq!(btf.layout("sk_buff"), None);
        assert_eq!(btf.layout(""), None);
    }

    #[test]
    fn a_cut_at_any_byte_is_an_error_and_never_a_panic() {
        let whole = example();
        for len in 0..whole.len() {
            let error = Btf::parse(&whole[..len]).unwrap_err();
            assert!(matches!(error, BtfError::Magic | BtfError::Truncated(_)), "{len}");
        }
    }

    #[test]
    fn a_kind_from_the_future_is_named() {
        let bytes = btf(&[0, info(20, 0, 0), 0], b"\0");
        assert_eq!(Btf::parse(&bytes).unwrap_err(), BtfError::Kind(20));
    }
}
