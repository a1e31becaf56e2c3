//! One record.

use crate::line::{Caller, Level, Origin};
use crate::sanitize;
use crate::text::decimal;

/// One record of the kernel's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Syslog facility; 0 is the kernel, and nothing in user space can write a record with it.
    pub facility: u32,
    pub level: Level,
    /// Counts every record since boot.
    pub seq: u64,
    /// Microseconds since boot, by the guest's clock.
    pub ts_us: u64,
    /// The text continues an earlier record's line (`KERN_CONT` that came too late to be appended).
    pub fragment: bool,
    pub caller: Option<Caller>,
    /// The message on one line, safe to show, from which the bytes can be had again
    /// ([`sanitize::lossless`]).
    pub text: String,
    /// `SUBSYSTEM=…`, `DEVICE=…`, in their order; safe to show.
    pub dictionary: Vec<(String, String)>,
    /// The stream ended inside this record.
    pub torn: bool,
    bytes: Vec<u8>,
}

impl Record {
    /// The message as the kernel code printed it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The lines of the message: a printk may hold several.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.bytes.split(|b| *b == b'\n').map(sanitize::lossless)
    }

    pub fn origin(&self) -> Origin {
        if self.facility == 0 {
            Origin::Kernel
        } else {
            Origin::User
        }
    }

    pub(super) fn parse(line: &[u8], torn: bool) -> Option<Self> {
        let split = line.iter().position(|b| *b == b';')?;
        let header = std::str::from_utf8(&line[..split]).ok()?;
        let mut fields = header.split(',');
        let priority: u32 = decimal(fields.next()?)?;
        let seq = decimal(fields.next()?)?;
        let ts_us = decimal(fields.next()?)?;
        let fragment = match fields.next()? {
            "-" => false,
            // `+` is how kernels before 4.10 marked what follows a `c`.
            "c" | "+" => true,
            _ => return None,
        };
        // More fields may come; those that are known name themselves.
        let caller = fields.find_map(|field| Caller::parse(field.strip_prefix("caller=")?));
        let bytes = unescape(&line[split + 1..]);
        Some(Self {
            facility: priority >> 3,
            level: Level::from_priority(priority),
            seq,
            ts_us,
            fragment,
            caller,
            text: sanitize::lossless(&bytes),
            dictionary: Vec::new(),
            torn,
            bytes,
        })
    }
}

/// Reads `KEY=VALUE`.
pub(super) fn dictionary_entry(entry: &[u8]) -> Option<(String, String)> {
    let split = entry.iter().position(|b| *b == b'=')?;
    let (key, value) = (&entry[..split], &entry[split + 1..]);
    Some((
        sanitize::lossless(unescape(key)),
        sanitize::lossless(unescape(value)),
    ))
}

/// Undoes the kernel's `\xNN`; anything else after a backslash is left alone.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        if let (b'\\', [b'x', high, low, after @ ..]) = (first, tail)
            && let (Some(high), Some(low)) = (nibble(*high), nibble(*low))
        {
            out.push(high << 4 | low);
            rest = after;
        } else {
            out.push(first);
            rest = tail;
        }
    }
    out
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}
