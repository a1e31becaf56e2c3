//! The binary records that a read of `/dev/witness` yields, as `struct witness_record` of `kmod/witness.c`
//! lays them out: fixed size, native (little) endian, without padding. A read returns whole records only.
//!
//! A change here is a change there; `kmod/witness.c` asserts the offsets at compile time.

use crate::witness::{Address, Dropped, Func, IterKind, Record};

/// Bytes of one record.
pub const RECORD_BYTES: usize = 152;
/// Bytes of the kernel buffer that a record keeps.
pub const DATA_BYTES: usize = 64;
/// Bytes of a process name, the closing NUL included (`TASK_COMM_LEN`).
pub const COMM_BYTES: usize = 16;

/// Where each member lies.
mod offset {
    pub(super) const SEQ: usize = 0;
    pub(super) const NS: usize = 8;
    pub(super) const DUR_NS: usize = 16;
    pub(super) const ADDR: usize = 24;
    pub(super) const LEN: usize = 32;
    pub(super) const USER: usize = 40;
    pub(super) const RET: usize = 48;
    pub(super) const PID: usize = 56;
    pub(super) const TGID: usize = 60;
    pub(super) const CPU: usize = 64;
    pub(super) const FUNC: usize = 68;
    pub(super) const ITER: usize = 69;
    pub(super) const DATA_LEN: usize = 70;
    pub(super) const FLAGS: usize = 71;
    pub(super) const COMM: usize = 72;
    pub(super) const DATA: usize = 88;
}

const FUNC_COPY_FROM_ITER: u8 = 0;
const FUNC_COPY_TO_ITER: u8 = 1;
/// Not a copy: `len` says how many copies the ring could not take.
const FUNC_DROPPED: u8 = 255;
const FLAG_USER: u8 = 1;

/// One record of the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A copy.
    Copy(Box<Record>),
    /// The ring was full.
    Dropped(Dropped),
}

/// The bytes are not what this build of the witness writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The function's code is not known.
    #[error("unknown function code {0}")]
    Func(u8),
    /// More data bytes than a record has room for.
    #[error("{0} data bytes, a record has room for {DATA_BYTES}")]
    DataLength(u8),
}

/// Reads one record.
///
/// # Errors
///
/// A function code or a data length that the witness never writes, as from a module of another build.
pub fn parse(bytes: &[u8; RECORD_BYTES]) -> Result<Entry, RecordError> {
    let func = match bytes[offset::FUNC] {
        FUNC_COPY_FROM_ITER => Func::CopyFromIter,
        FUNC_COPY_TO_ITER => Func::CopyToIter,
        FUNC_DROPPED => {
            return Ok(Entry::Dropped(Dropped {
                dropped: word(bytes, offset::LEN),
            }));
        }
        other => return Err(RecordError::Func(other)),
    };
    let data_len = bytes[offset::DATA_LEN];
    if usize::from(data_len) > DATA_BYTES {
        return Err(RecordError::DataLength(data_len));
    }
    let has_user = bytes[offset::FLAGS] & FLAG_USER != 0;
    Ok(Entry::Copy(Box::new(Record {
        seq: word(bytes, offset::SEQ),
        ns: word(bytes, offset::NS),
        cpu: half(bytes, offset::CPU),
        pid: half(bytes, offset::PID),
        tgid: half(bytes, offset::TGID),
        comm: comm(&bytes[offset::COMM..offset::COMM + COMM_BYTES]),
        func,
        addr: Address(word(bytes, offset::ADDR)),
        len: word(bytes, offset::LEN),
        iter: iter_kind(bytes[offset::ITER]),
        user: has_user.then(|| Address(word(bytes, offset::USER))),
        ret: word(bytes, offset::RET),
        dur_ns: word(bytes, offset::DUR_NS),
        data: bytes[offset::DATA..offset::DATA + usize::from(data_len)].to_vec(),
    })))
}

fn word(bytes: &[u8; RECORD_BYTES], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

fn half(bytes: &[u8; RECORD_BYTES], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

fn comm(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// The codes are the witness's own, so that a kernel that renumbers `enum iter_type` changes nothing here.
fn iter_kind(code: u8) -> IterKind {
    match code {
        0 => IterKind::Ubuf,
        1 => IterKind::Iovec,
        2 => IterKind::Bvec,
        3 => IterKind::Kvec,
        4 => IterKind::Folioq,
        5 => IterKind::Xarray,
        6 => IterKind::Discard,
        _ => IterKind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every member holds another pattern, so that a wrong offset shows.
    fn bytes() -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, &7_u64.to_le_bytes());
        put(8, &5_000_000_000_u64.to_le_bytes());
        put(16, &812_u64.to_le_bytes());
        put(24, &0xff25_6bea_be44_562c_u64.to_le_bytes());
        put(32, &13_u64.to_le_bytes());
        put(40, &0x7fff_c909_24a2_u64.to_le_bytes());
        put(48, &12_u64.to_le_bytes());
        put(56, &177_u32.to_le_bytes());
        put(60, &176_u32.to_le_bytes());
        put(64, &1_u32.to_le_bytes());
        put(68, &[1, 0, 5, FLAG_USER]);
        put(72, b"sender\0junk");
        put(88, b"HELLO");
        bytes
    }

    #[test]
    fn each_member_is_read_from_its_place() {
        let expected = Record {
            seq: 7,
            ns: 5_000_000_000,
            cpu: 1,
            pid: 177,
            tgid: 176,
            comm: "sender".to_owned(),
            func: Func::CopyToIter,
            addr: Address(0xff25_6bea_be44_562c),
            len: 13,
            iter: IterKind::Ubuf,
            user: Some(Address(0x7fff_c909_24a2)),
            ret: 12,
            dur_ns: 812,
            data: b"HELLO".to_vec(),
        };
        assert_eq!(parse(&bytes()), Ok(Entry::Copy(Box::new(expected))));
    }

    #[test]
    fn without_the_flag_there_is_no_user_address() {
        let mut bytes = bytes();
        bytes[offset::FLAGS] = 0;
        let Ok(Entry::Copy(record)) = parse(&bytes) else {
            panic!("a copy")
        };
        assert_eq!(record.user, None);
    }

    #[test]
    fn a_full_name_needs_no_closing_nul() {
        let mut bytes = bytes();
        bytes[72..88].copy_from_slice(b"0123456789abcdef");
        let Ok(Entry::Copy(record)) = parse(&bytes) else {
            panic!("a copy")
        };
        assert_eq!(record.comm, "0123456789abcdef");
    }

    #[test]
    fn a_drop_is_a_count() {
        let mut bytes = bytes();
        bytes[offset::FUNC] = FUNC_DROPPED;
        assert_eq!(parse(&bytes), Ok(Entry::Dropped(Dropped { dropped: 13 })));
    }

    #[test]
    fn what_the_witness_never_writes_is_refused() {
        let mut other_func = bytes();
        other_func[offset::FUNC] = 9;
        assert_eq!(parse(&other_func), Err(RecordError::Func(9)));
        let mut too_long = bytes();
        too_long[offset::DATA_LEN] = 65;
        assert_eq!(parse(&too_long), Err(RecordError::DataLength(65)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_entry_or_an_error(bytes in proptest::collection::vec(any::<u8>(), RECORD_BYTES)) {
            let bytes: [u8; RECORD_BYTES] = bytes.try_into().unwrap();
            if let Ok(Entry::Copy(record)) = parse(&bytes) {
                prop_assert!(record.data.len() <= DATA_BYTES);
            }
        }
    }
}
