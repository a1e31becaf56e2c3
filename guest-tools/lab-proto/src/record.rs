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
mod tests;
