//! The binary records that a read of `/dev/witness` yields, as `struct witness_record` of `kmod/witness.c`
//! lays them out: native (little) endian, without padding, each followed by as many bytes of text as it says. A
//! read returns whole records only.
//!
//! A change here is a change there; `kmod/witness.c` asserts the offsets at compile time.

use crate::packet::{Event, Moment, Probe};
use crate::witness::{Address, Dropped, Func, IterKind, Record, Regs};

/// Bytes of one record, without its text.
pub const RECORD_BYTES: usize = 200;
/// Bytes of text that may follow a record.
pub const MAX_TEXT_BYTES: usize = 768;
/// Bytes of the kernel buffer that a record keeps.
pub const DATA_BYTES: usize = 64;
/// Bytes of a process name, the closing NUL included (`TASK_COMM_LEN`).
pub const COMM_BYTES: usize = 16;
/// Callers that a record of a stack has room for.
pub const FRAMES: usize = 18;
const NAME_BYTES: usize = 64;

/// Where each member lies.
mod offset {
    pub(super) const SEQ: usize = 0;
    pub(super) const NS: usize = 8;
    pub(super) const PID: usize = 16;
    pub(super) const TGID: usize = 20;
    pub(super) const CPU: usize = 24;
    pub(super) const KIND: usize = 28;
    pub(super) const FUNC: usize = 29;
    pub(super) const TEXT_LEN: usize = 30;
    pub(super) const COMM: usize = 32;
    /// What differs by kind.
    pub(super) const BODY: usize = 48;

    pub(super) mod copy {
        use super::BODY;
        pub(crate) const RDI: usize = BODY;
        pub(crate) const RSI: usize = BODY + 8;
        pub(crate) const RDX: usize = BODY + 16;
        pub(crate) const USER: usize = BODY + 24;
        pub(crate) const RET: usize = BODY + 32;
        pub(crate) const DUR_NS: usize = BODY + 40;
        pub(crate) const SKB: usize = BODY + 48;
        pub(crate) const ITER: usize = BODY + 56;
        pub(crate) const DATA_LEN: usize = BODY + 57;
        pub(crate) const FLAGS: usize = BODY + 58;
        pub(crate) const DATA: usize = BODY + 64;
    }

    pub(super) mod event {
        use super::BODY;
        pub(crate) const SKB: usize = BODY;
        pub(crate) const SOCK: usize = BODY + 8;
        pub(crate) const HEAD: usize = BODY + 16;
        pub(crate) const DATA: usize = BODY + 24;
        pub(crate) const TAIL: usize = BODY + 32;
        pub(crate) const END: usize = BODY + 40;
        pub(crate) const LEN: usize = BODY + 48;
        pub(crate) const DATA_LEN: usize = BODY + 52;
        pub(crate) const TRUESIZE: usize = BODY + 56;
        pub(crate) const FLAGS: usize = BODY + 60;
    }

    pub(super) mod stack {
        use super::BODY;
        pub(crate) const DEPTH: usize = BODY;
    }

    pub(super) mod probe {
        use super::BODY;
        pub(crate) const ADDR: usize = BODY;
        pub(crate) const ERROR: usize = BODY + 8;
        pub(crate) const FLAGS: usize = BODY + 12;
        pub(crate) const NAME: usize = BODY + 16;
    }
}

const KIND_COPY: u8 = 0;
const KIND_EVENT: u8 = 1;
const KIND_STACK: u8 = 2;
const KIND_PROBE: u8 = 3;
const KIND_DROPPED: u8 = 255;
const FUNC_COPY_FROM_ITER: u8 = 0;
const FUNC_COPY_TO_ITER: u8 = 1;
const COPY_HAS_USER: u8 = 1;
const EVENT_HAS_BUFFER: u32 = 1;
const EVENT_HAS_SOCK: u32 = 2;
const PROBE_AT_RETURN: u32 = 1;

/// One record of the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A copy. Its stack came in an entry before it.
    Copy(Box<Record>),
    /// The callers of the copy with this `seq`.
    Stack {
        /// The copy's.
        seq: u64,
        /// From the probed function outwards.
        names: Vec<String>,
    },
    /// A packet passed the function of the probe with this code; [`Event::event`] is empty yet.
    Event {
        /// That of an [`Entry::Probe`] before it.
        code: u8,
        /// All else.
        event: Box<Event>,
    },
    /// Where a probe sits.
    Probe {
        /// By which events name it.
        code: u8,
        /// Its place.
        probe: Probe,
    },
    /// The ring was full.
    Dropped(Dropped),
}

/// The bytes are not what this build of the witness writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The bytes end within a record or its text.
    #[error("a record of {0} bytes is cut off")]
    Short(usize),
    /// The kind's code is not known.
    #[error("unknown kind of record {0}")]
    Kind(u8),
    /// The function's code is not known.
    #[error("unknown function code {0}")]
    Func(u8),
    /// More data bytes than a record has room for.
    #[error("{0} data bytes, a record has room for {DATA_BYTES}")]
    DataLength(u8),
}

/// Reads the first record of `bytes`. Gives it with what follows it.
///
/// # Errors
///
/// A code or a length that the witness never writes, as from a module of another build.
pub fn parse(bytes: &[u8]) -> Result<(Entry, &[u8]), RecordError> {
    let (record, rest) = bytes
        .split_first_chunk::<RECORD_BYTES>()
        .ok_or(RecordError::Short(bytes.len()))?;
    let text_len = usize::from(u16::from_le_bytes([
        record[offset::TEXT_LEN],
        record[offset::TEXT_LEN + 1],
    ]));
    let (text, rest) = rest
        .split_at_checked(text_len)
        .ok_or(RecordError::Short(bytes.len()))?;
    let code = record[offset::FUNC];
    let entry = match record[offset::KIND] {
        KIND_COPY => Entry::Copy(Box::new(copy(record)?)),
        KIND_EVENT => Entry::Event {
            code,
            event: Box::new(event(record)),
        },
        KIND_STACK => Entry::Stack {
            seq: word(record, offset::SEQ),
            names: names(text, half(record, offset::stack::DEPTH)),
        },
        KIND_PROBE => Entry::Probe {
            code,
            probe: probe(record),
        },
        KIND_DROPPED => Entry::Dropped(Dropped {
            dropped: word(record, offset::BODY),
        }),
        other => return Err(RecordError::Kind(other)),
    };
    Ok((entry, rest))
}

fn copy(bytes: &[u8; RECORD_BYTES]) -> Result<Record, RecordError> {
    use offset::copy;
    let func = match bytes[offset::FUNC] {
        FUNC_COPY_FROM_ITER => Func::CopyFromIter,
        FUNC_COPY_TO_ITER => Func::CopyToIter,
        other => return Err(RecordError::Func(other)),
    };
    let data_len = bytes[copy::DATA_LEN];
    if usize::from(data_len) > DATA_BYTES {
        return Err(RecordError::DataLength(data_len));
    }
    let has_user = bytes[copy::FLAGS] & COPY_HAS_USER != 0;
    let skb = word(bytes, copy::SKB);
    Ok(Record {
        seq: word(bytes, offset::SEQ),
        ns: word(bytes, offset::NS),
        cpu: half(bytes, offset::CPU),
        pid: half(bytes, offset::PID),
        tgid: half(bytes, offset::TGID),
        comm: c_string(&bytes[offset::COMM..offset::COMM + COMM_BYTES]),
        func,
        regs: Some(Regs {
            di: address(bytes, copy::RDI),
            si: address(bytes, copy::RSI),
            dx: address(bytes, copy::RDX),
        }),
        addr: address(bytes, copy::RDI),
        len: word(bytes, copy::RSI),
        iter: iter_kind(bytes[copy::ITER]),
        user: has_user.then(|| address(bytes, copy::USER)),
        ret: word(bytes, copy::RET),
        dur_ns: word(bytes, copy::DUR_NS),
        data: bytes[copy::DATA..copy::DATA + usize::from(data_len)].to_vec(),
        skb: (skb != 0).then_some(Address(skb)),
        stack: None,
    })
}

fn event(bytes: &[u8; RECORD_BYTES]) -> Event {
    use offset::event;
    let flags = half(bytes, event::FLAGS);
    let has_buffer = flags & EVENT_HAS_BUFFER != 0;
    let pointer = |at| has_buffer.then(|| address(bytes, at));
    let number = |at| has_buffer.then(|| u64::from(half(bytes, at)));
    let gap = |from, to| has_buffer.then(|| word(bytes, to).saturating_sub(word(bytes, from)));
    let data_len = number(event::DATA_LEN);
    Event {
        seq: word(bytes, offset::SEQ),
        ns: word(bytes, offset::NS),
        cpu: half(bytes, offset::CPU),
        pid: half(bytes, offset::PID),
        tgid: half(bytes, offset::TGID),
        comm: c_string(&bytes[offset::COMM..offset::COMM + COMM_BYTES]),
        event: String::new(),
        skb: address(bytes, event::SKB),
        sock: (flags & EVENT_HAS_SOCK != 0).then(|| address(bytes, event::SOCK)),
        head: pointer(event::HEAD),
        data: pointer(event::DATA),
        tail: pointer(event::TAIL),
        end: pointer(event::END),
        len: number(event::LEN),
        data_len,
        truesize: number(event::TRUESIZE),
        headroom: gap(event::HEAD, event::DATA),
        tailroom: match data_len {
            Some(0) => gap(event::TAIL, event::END),
            other => other.map(|_| 0),
        },
    }
}

fn probe(bytes: &[u8; RECORD_BYTES]) -> Probe {
    use offset::probe;
    let error = half(bytes, probe::ERROR).cast_signed();
    let is_return = half(bytes, probe::FLAGS) & PROBE_AT_RETURN != 0;
    Probe {
        probe: c_string(&bytes[probe::NAME..probe::NAME + NAME_BYTES]),
        at: if is_return { Moment::Return } else { Moment::Entry },
        addr: (error == 0).then(|| address(bytes, probe::ADDR)),
        error: (error != 0).then_some(error.unsigned_abs()),
    }
}

/// One name a line. What did not fit is told, so that a short list is never taken for the whole.
fn names(text: &[u8], depth: u32) -> Vec<String> {
    let mut names: Vec<_> = String::from_utf8_lossy(text).lines().map(str::to_owned).collect();
    if u32::try_from(names.len()).is_ok_and(|written| written < depth) {
        names.push("…".to_owned());
    }
    names
}

fn word(bytes: &[u8; RECORD_BYTES], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

fn half(bytes: &[u8; RECORD_BYTES], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

fn address(bytes: &[u8; RECORD_BYTES], at: usize) -> Address {
    Address(word(bytes, at))
}

fn c_string(bytes: &[u8]) -> String {
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

    fn with(parts: &[(usize, &[u8])]) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        for (at, value) in parts {
            bytes[*at..*at + value.len()].copy_from_slice(value);
        }
        bytes
    }

    /// Every member holds another pattern, so that a wrong offset shows.
    fn copy_bytes() -> [u8; RECORD_BYTES] {
        with(&[
            (0, &7_u64.to_le_bytes()),
            (8, &5_000_000_000_u64.to_le_bytes()),
            (16, &177_u32.to_le_bytes()),
            (20, &176_u32.to_le_bytes()),
            (24, &1_u32.to_le_bytes()),
            (28, &[KIND_COPY, 1]),
            (32, b"sender\0junk"),
            (48, &0xff25_6bea_be44_562c_u64.to_le_bytes()),
            (56, &13_u64.to_le_bytes()),
            (64, &0xff67_d17e_0046_fd90_u64.to_le_bytes()),
            (72, &0x7fff_c909_24a2_u64.to_le_bytes()),
            (80, &12_u64.to_le_bytes()),
            (88, &812_u64.to_le_bytes()),
            (96, &0xff25_6bea_be44_0a00_u64.to_le_bytes()),
            (104, &[0, 5, COPY_HAS_USER]),
            (112, b"HELLO"),
        ])
    }

    fn one(bytes: &[u8]) -> Entry {
        let (entry, rest) = parse(bytes).unwrap();
        assert_eq!(rest, b"");
        entry
    }

    #[test]
    fn each_member_of_a_copy_is_read_from_its_place() {
        let expected = Record {
            seq: 7,
            ns: 5_000_000_000,
            cpu: 1,
            pid: 177,
            tgid: 176,
            comm: "sender".to_owned(),
            func: Func::CopyToIter,
            regs: Some(Regs {
                di: Address(0xff25_6bea_be44_562c),
                si: Address(13),
                dx: Address(0xff67_d17e_0046_fd90),
            }),
            addr: Address(0xff25_6bea_be44_562c),
            len: 13,
            iter: IterKind::Ubuf,
            user: Some(Address(0x7fff_c909_24a2)),
            ret: 12,
            dur_ns: 812,
            data: b"HELLO".to_vec(),
            skb: Some(Address(0xff25_6bea_be44_0a00)),
            stack: None,
        };
        assert_eq!(one(&copy_bytes()), Entry::Copy(Box::new(expected)));
    }

    #[test]
    fn each_member_of_an_event_is_read_from_its_place() {
        let mut bytes = with(&[
            (0, &9_u64.to_le_bytes()),
            (28, &[KIND_EVENT, 7]),
            (32, b"ksoftirqd/0"),
            (48, &0xff01_u64.to_le_bytes()),
            (56, &0xff02_u64.to_le_bytes()),
            (64, &0x1000_u64.to_le_bytes()),
            (72, &0x1010_u64.to_le_bytes()),
            (80, &0x1414_u64.to_le_bytes()),
            (88, &0x16c0_u64.to_le_bytes()),
            (96, &1028_u32.to_le_bytes()),
            (104, &2304_u32.to_le_bytes()),
            (108, &(EVENT_HAS_BUFFER | EVENT_HAS_SOCK).to_le_bytes()),
        ]);
        let Entry::Event { code, event } = one(&bytes) else {
            panic!("an event")
        };
        assert_eq!(code, 7);
        assert_eq!((event.seq, event.comm.as_str()), (9, "ksoftirqd/0"));
        assert_eq!((event.skb, event.sock), (Address(0xff01), Some(Address(0xff02))));
        assert_eq!(
            (event.head, event.data),
            (Some(Address(0x1000)), Some(Address(0x1010)))
        );
        assert_eq!(
            (event.tail, event.end),
            (Some(Address(0x1414)), Some(Address(0x16c0)))
        );
        assert_eq!((event.len, event.data_len), (Some(1028), Some(0)));
        assert_eq!(event.truesize, Some(2304));
        assert_eq!((event.headroom, event.tailroom), (Some(16), Some(684)));

        bytes[108] = 0;
        let Entry::Event { event, .. } = one(&bytes) else {
            panic!("an event")
        };
        assert_eq!(
            (event.sock, event.data, event.len, event.tailroom),
            (None, None, None, None)
        );
    }

    #[test]
    fn a_stack_has_its_names_behind_it() {
        let mut bytes = with(&[
            (0, &7_u64.to_le_bytes()),
            (28, &[KIND_STACK, 0, 22, 0]),
            (48, &2_u32.to_le_bytes()),
        ])
        .to_vec();
        bytes.extend_from_slice(b"_copy_to_iter\nsys_rec\n");
        let names = vec!["_copy_to_iter".to_owned(), "sys_rec".to_owned()];
        assert_eq!(one(&bytes), Entry::Stack { seq: 7, names });
        bytes[48] = 3;
        match one(&bytes) {
            Entry::Stack { names, .. } => assert_eq!(names[2], "…", "the third did not fit"),
            other => panic!("{other:?}"),
        }
        bytes.pop();
        assert_eq!(parse(&bytes), Err(RecordError::Short(221)));
    }

    #[test]
    fn a_probe_sits_somewhere_or_says_why_not() {
        let mut bytes = with(&[
            (28, &[KIND_PROBE, 4]),
            (48, &0xffff_ffff_8127_6b40_u64.to_le_bytes()),
            (60, &PROBE_AT_RETURN.to_le_bytes()),
            (64, b"ip_rcv\0"),
        ]);
        let placed = Probe {
            probe: "ip_rcv".to_owned(),
            at: Moment::Return,
            addr: Some(Address(0xffff_ffff_8127_6b40)),
            error: None,
        };
        assert_eq!(
            one(&bytes),
            Entry::Probe {
                code: 4,
                probe: placed
            }
        );
        bytes[56..60].copy_from_slice(&(-2_i32).to_le_bytes());
        match one(&bytes) {
            Entry::Probe { probe, .. } => assert_eq!((probe.addr, probe.error), (None, Some(2))),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_the_flag_there_is_no_user_address() {
        let mut bytes = copy_bytes();
        bytes[offset::copy::FLAGS] = 0;
        let Entry::Copy(record) = one(&bytes) else {
            panic!("a copy")
        };
        assert_eq!(record.user, None);
    }

    #[test]
    fn a_full_name_needs_no_closing_nul() {
        let mut bytes = copy_bytes();
        bytes[32..48].copy_from_slice(b"0123456789abcdef");
        let Entry::Copy(record) = one(&bytes) else {
            panic!("a copy")
        };
        assert_eq!(record.comm, "0123456789abcdef");
    }

    #[test]
    fn a_drop_is_a_count() {
        let bytes = with(&[(28, &[KIND_DROPPED]), (48, &13_u64.to_le_bytes())]);
        assert_eq!(one(&bytes), Entry::Dropped(Dropped { dropped: 13 }));
    }

    #[test]
    fn records_follow_each_other() {
        let bytes = [copy_bytes(), copy_bytes()].concat();
        let (_, rest) = parse(&bytes).unwrap();
        assert_eq!(rest, copy_bytes());
    }

    #[test]
    fn what_the_witness_never_writes_is_refused() {
        let mut bytes = copy_bytes();
        bytes[offset::FUNC] = 9;
        assert_eq!(parse(&bytes), Err(RecordError::Func(9)));
        let mut bytes = copy_bytes();
        bytes[offset::KIND] = 9;
        assert_eq!(parse(&bytes), Err(RecordError::Kind(9)));
        let mut bytes = copy_bytes();
        bytes[offset::copy::DATA_LEN] = 65;
        assert_eq!(parse(&bytes), Err(RecordError::DataLength(65)));
        assert_eq!(parse(&bytes[..199]), Err(RecordError::Short(199)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_entry_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..RECORD_BYTES * 2)) {
            if let Ok((Entry::Copy(record), _)) = parse(&bytes) {
                prop_assert!(record.data.len() <= DATA_BYTES);
            }
        }
    }
}
