//! What `tracer` prints: one JSON object a line.
//!
//! ```text
//! {"witness":1,"kernel":"6.12.107-lab"}
//! {"probe":"_copy_from_iter","at":"return","addr":"0xffff…","error":null}
//! {"seq":1,"ns":…,"cpu":0,"pid":176,"tgid":176,"comm":"sender","func":"_copy_from_iter","addr":"0xffff…",…}
//! {"seq":2,"ns":…,"event":"ip_rcv","skb":"0xffff…","data":"0xffff…",…}
//! {"dropped":3}
//! ```
//!
//! The first line is the [`Header`]; it is printed once the device is open, so that its arrival on the host
//! means that every later copy is seen. A [`Dropped`] line says how many copies did not fit into the ring.

use std::fmt;

use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::packet::{Event, Probe};

/// The format's version, in [`Header::witness`].
pub const VERSION: u32 = 1;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`VERSION`].
    pub witness: u32,
    /// The running kernel's release, as `uname -r` prints it.
    pub kernel: String,
}

/// Copies that were counted but not kept, because the ring was full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropped {
    /// How many since the last such line.
    pub dropped: u64,
}

/// One call of one of the two copy functions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Counts every copy of a watched process from 1, kept or not: a gap is a drop.
    pub seq: u64,
    /// `ktime_get_ns()` (`CLOCK_MONOTONIC`) at entry.
    pub ns: u64,
    /// The processor at entry.
    pub cpu: u32,
    /// The thread's id: what the kernel calls `current->pid`.
    pub pid: u32,
    /// The process's id: what user space calls the PID.
    pub tgid: u32,
    /// `current->comm`, at most 15 bytes.
    pub comm: String,
    /// Which of the two functions.
    pub func: Func,
    /// The argument registers, as they were at the function's first instruction.
    #[serde(default)]
    pub regs: Option<Regs>,
    /// The kernel buffer: destination of `_copy_from_iter`, source of `_copy_to_iter`.
    pub addr: Address,
    /// The bytes asked for.
    pub len: u64,
    /// What the `iov_iter` walks over.
    pub iter: IterKind,
    /// The user address the iterator points at; `None` where it walks over kernel memory.
    pub user: Option<Address>,
    /// The bytes copied, as the function returned them.
    pub ret: u64,
    /// Nanoseconds from entry to return, probe overhead included.
    pub dur_ns: u64,
    /// The first bytes of the kernel buffer, at most [`crate::record::DATA_BYTES`].
    #[serde(with = "hex_bytes")]
    pub data: Vec<u8>,
    /// The followed packet in whose buffer `addr` lies.
    #[serde(default)]
    pub skb: Option<Address>,
    /// The names of the functions on the stack, from the probed one outwards, where these were asked for.
    #[serde(default)]
    pub stack: Option<Vec<String>>,
}

/// The registers of a call's first three arguments on x86-64, unconverted, named as in `struct pt_regs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regs {
    /// The kernel buffer.
    pub di: Address,
    /// The number of bytes.
    pub si: Address,
    /// The `struct iov_iter`.
    pub dx: Address,
}

/// The probed function, named as the kernel names it (`lib/iov_iter.c`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Func {
    /// From the iterator into the kernel.
    #[serde(rename = "_copy_from_iter")]
    CopyFromIter,
    /// From the kernel into the iterator.
    #[serde(rename = "_copy_to_iter")]
    CopyToIter,
}

/// `enum iter_type` of `include/linux/uio.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IterKind {
    /// One user buffer.
    Ubuf,
    /// A vector of user buffers.
    Iovec,
    /// Pages of the block or page cache.
    Bvec,
    /// A vector of kernel buffers.
    Kvec,
    /// A queue of folios.
    Folioq,
    /// Pages of a mapping.
    Xarray,
    /// Nothing: the bytes are dropped.
    Discard,
    /// A kind that the witness was not built to know.
    Unknown,
}

impl IterKind {
    /// Whether the iterator walks over user memory, so that a user address exists.
    #[must_use]
    pub fn is_user(self) -> bool {
        matches!(self, Self::Ubuf | Self::Iovec)
    }
}

/// An address, kernel or user, written `0x` and lower-case hex.
///
/// A JSON number would not do: readers that hold numbers as doubles lose the low bits of a kernel address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub u64);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.strip_prefix("0x")
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|digits| u64::from_str_radix(digits, 16).ok())
            .map(Address)
            .ok_or_else(|| {
                D::Error::invalid_value(Unexpected::Str(&text), &"an address like 0xffff888112340050")
            })
    }
}

mod hex_bytes {
    use super::{Deserialize, Deserializer, Serializer, Unexpected};
    use serde::de::Error as _;

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
        let text: String = bytes
            .iter()
            .flat_map(|b| [digit(b >> 4), digit(b & 15)])
            .collect();
        serializer.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        decode(&text).ok_or_else(|| D::Error::invalid_value(Unexpected::Str(&text), &"pairs of hex digits"))
    }

    fn decode(text: &str) -> Option<Vec<u8>> {
        let nibble = |c: u8| char::from(c).to_digit(16).and_then(|n| u8::try_from(n).ok());
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if !rest.is_empty() {
            return None;
        }
        pairs
            .iter()
            .map(|&[high, low]| Some(nibble(high)? << 4 | nibble(low)?))
            .collect()
    }
}

/// One line of `tracer`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WitnessLine {
    /// The first line.
    Header(Header),
    /// Where a probe sits.
    Probe(Probe),
    /// A copy.
    Record(Box<Record>),
    /// A packet on its way.
    Event(Box<Event>),
    /// The ring was full.
    Dropped(Dropped),
}

/// The line is none of `tracer`'s.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// It is not a JSON object of a known shape.
    #[error("not a line of the witness")]
    Json(#[from] serde_json::Error),
    /// It is a header of a version that this reader does not know.
    #[error("the witness speaks version {0}, expected {VERSION}")]
    Version(u32),
}

impl WitnessLine {
    /// Reads one line, with or without its line break.
    ///
    /// # Errors
    ///
    /// A line that is not JSON, has an unknown or missing key, or a header of another version.
    pub fn parse(line: &str) -> Result<Self, LineError> {
        /// The keys by which the shapes differ. Deciding by key keeps serde's precise message, which
        /// an untagged enum would replace by "did not match any variant".
        #[derive(Deserialize)]
        struct Shape {
            witness: Option<u32>,
            dropped: Option<u64>,
            probe: Option<String>,
            event: Option<String>,
        }
        match serde_json::from_str(line)? {
            Shape {
                witness: Some(VERSION),
                ..
            } => Ok(Self::Header(serde_json::from_str(line)?)),
            Shape {
                witness: Some(other), ..
            } => Err(LineError::Version(other)),
            Shape { dropped: Some(_), .. } => Ok(Self::Dropped(serde_json::from_str(line)?)),
            Shape { probe: Some(_), .. } => Ok(Self::Probe(serde_json::from_str(line)?)),
            Shape { event: Some(_), .. } => Ok(Self::Event(serde_json::from_str(line)?)),
            Shape { .. } => Ok(Self::Record(serde_json::from_str(line)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = concat!(
        r#"{"seq":1,"ns":5000000000,"cpu":0,"pid":176,"tgid":176,"comm":"sender","func":"_copy_from_iter","#,
        r#""regs":{"di":"0xff256beabe44562c","si":"0xd","dx":"0xff67d17e0046fd90"},"#,
        r#""addr":"0xff256beabe44562c","len":13,"iter":"ubuf","user":"0x7fffc90924a2","ret":13,"dur_ns":812,"#,
        r#""data":"48454c4c4f5f4e4554574f524b","skb":"0xff256beabe440a00","stack":["_copy_from_iter","udp_sendmsg"]}"#
    );

    fn record() -> Record {
        Record {
            seq: 1,
            ns: 5_000_000_000,
            cpu: 0,
            pid: 176,
            tgid: 176,
            comm: "sender".to_owned(),
            func: Func::CopyFromIter,
            regs: Some(Regs {
                di: Address(0xff25_6bea_be44_562c),
                si: Address(13),
                dx: Address(0xff67_d17e_0046_fd90),
            }),
            addr: Address(0xff25_6bea_be44_562c),
            len: 13,
            iter: IterKind::Ubuf,
            user: Some(Address(0x7fff_c909_24a2)),
            ret: 13,
            dur_ns: 812,
            data: b"HELLO_NETWORK".to_vec(),
            skb: Some(Address(0xff25_6bea_be44_0a00)),
            stack: Some(vec!["_copy_from_iter".to_owned(), "udp_sendmsg".to_owned()]),
        }
    }

    #[test]
    fn a_record_is_the_agreed_text_in_both_directions() {
        assert_eq!(serde_json::to_string(&record()).unwrap(), RECORD);
        match WitnessLine::parse(RECORD).unwrap() {
            WitnessLine::Record(read) => assert_eq!(*read, record()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_kernel_iterator_has_no_user_address() {
        let line = RECORD.replace(
            r#""iter":"ubuf","user":"0x7fffc90924a2""#,
            r#""iter":"kvec","user":null"#,
        );
        match WitnessLine::parse(&line).unwrap() {
            WitnessLine::Record(read) => assert_eq!((read.iter, read.user), (IterKind::Kvec, None)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_header_and_a_drop_are_told_apart_from_records() {
        assert_eq!(
            WitnessLine::parse(r#"{"witness":1,"kernel":"6.12.107-lab"}"#).unwrap(),
            WitnessLine::Header(Header {
                witness: 1,
                kernel: "6.12.107-lab".to_owned()
            })
        );
        assert_eq!(
            WitnessLine::parse("{\"dropped\":3}\n").unwrap(),
            WitnessLine::Dropped(Dropped { dropped: 3 })
        );
    }

    #[test]
    fn a_record_without_what_was_not_asked_for_is_one_too() {
        let (head, rest) = RECORD.split_once("\"regs\"").unwrap();
        let (_, rest) = rest.split_once("},").unwrap();
        let (rest, _) = rest.split_once(",\"skb\"").unwrap();
        match WitnessLine::parse(&format!("{head}{rest}}}")).unwrap() {
            WitnessLine::Record(read) => {
                assert_eq!((read.regs, read.skb, read.stack), (None, None, None));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn probes_and_packets_have_lines_of_their_own() {
        let probe = r#"{"probe":"kfree_skbmem","at":"entry","addr":null,"error":2}"#;
        match WitnessLine::parse(probe).unwrap() {
            WitnessLine::Probe(read) => assert_eq!(serde_json::to_string(&read).unwrap(), probe),
            other => panic!("{other:?}"),
        }
        let event = concat!(
            r#"{"seq":9,"ns":1,"cpu":0,"pid":1,"tgid":1,"comm":"sender","event":"ip_rcv","skb":"0xff10","sock":null,"#,
            r#""head":"0xff00","data":"0xff10","tail":"0xff20","end":"0xff40","len":16,"data_len":0,"truesize":320,"#,
            r#""headroom":16,"tailroom":32}"#
        );
        match WitnessLine::parse(event).unwrap() {
            WitnessLine::Event(read) => assert_eq!(serde_json::to_string(&read).unwrap(), event),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn another_version_is_named() {
        let error = WitnessLine::parse(r#"{"witness":2,"kernel":"7.0","more":1}"#).unwrap_err();
        assert_eq!(error.to_string(), "the witness speaks version 2, expected 1");
    }

    #[test]
    fn anything_else_is_refused() {
        for line in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"witness":1}"#,
            r#"{"dropped":-1}"#,
            &RECORD[..RECORD.len() - 2],
            &RECORD.replace("\"seq\":1,", ""),
            &RECORD.replace("\"seq\":1,", "\"seq\":1,\"extra\":1,"),
            &RECORD.replace("0xff256beabe44562c", "ff256beabe44562c"),
            &RECORD.replace("0xff256beabe44562c", "0x+f256beabe44562"),
            &RECORD.replace("0xff256beabe44562c", "0x1ff256beabe44562c"),
            &RECORD.replace("0xff256beabe44562c", "0x"),
            &RECORD.replace("\"dx\"", "\"cx\""),
            &RECORD.replace("4845", "484"),
            &RECORD.replace("4845", "48g5"),
            &RECORD.replace("_copy_from_iter", "copy_from_iter"),
        ] {
            assert!(WitnessLine::parse(line).is_err(), "{line}");
        }
    }
}
