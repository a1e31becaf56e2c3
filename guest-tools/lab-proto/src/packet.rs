//! The life of a packet, as the witness follows it: where its probes sit, and what they saw of an `sk_buff`.

use serde::{Deserialize, Serialize};

use crate::witness::Address;

/// Where a probe of the witness sits, or why it does not. All of them come before the first record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// The function, named as the kernel names it.
    pub probe: String,
    /// The moment at which it looks.
    pub at: Moment,
    /// The address of the probed instruction; `None` when there is no probe.
    pub addr: Option<Address>,
    /// The kernel's errno (positive), when the function cannot be probed: inlined away, or forbidden.
    pub error: Option<u32>,
}

/// When a probe looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Moment {
    /// Before the function's first instruction.
    Entry,
    /// When the function returns.
    Return,
}

/// A packet passed a function. A packet is followed from its allocation by a watched process until it is freed,
/// whoever runs in between.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Counts with the copies.
    pub seq: u64,
    /// As in a copy's record.
    pub ns: u64,
    /// The processor.
    pub cpu: u32,
    /// The thread that ran, whose packet this need not be.
    pub pid: u32,
    /// The process that ran.
    pub tgid: u32,
    /// Its name.
    pub comm: String,
    /// The function.
    pub event: String,
    /// The `sk_buff`'s own address.
    pub skb: Address,
    /// The socket, where the function knows one.
    pub sock: Option<Address>,
    /// `skb->head`. This and what follows is `None` where only the packet's address is known.
    pub head: Option<Address>,
    /// `skb->data`.
    pub data: Option<Address>,
    /// `skb->tail` as a pointer (it is kept as an offset from `head`).
    pub tail: Option<Address>,
    /// `skb->end` as a pointer, likewise.
    pub end: Option<Address>,
    /// `skb->len`, bytes.
    pub len: Option<u64>,
    /// `skb->data_len`: the bytes of `len` that lie outside of the linear buffer.
    pub data_len: Option<u64>,
    /// `skb->truesize`: the memory that the packet is charged for, bytes.
    pub truesize: Option<u64>,
    /// `data - head`, bytes.
    pub headroom: Option<u64>,
    /// `end - tail`, bytes; as in the kernel 0 for a packet with pages.
    pub tailroom: Option<u64>,
}
