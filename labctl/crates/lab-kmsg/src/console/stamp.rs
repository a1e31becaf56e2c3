//! The time stamp of a kernel line.

use crate::line::Caller;
use crate::text::decimal;

/// `[   12.345678] ` or `[   12.345678][    T1] ` (`print_time` and `print_caller` in `kernel/printk/printk.c`).
pub(super) struct Stamp {
    pub(super) ts_us: u64,
    pub(super) caller: Option<Caller>,
    /// Bytes up to the start of the text.
    pub(super) len: usize,
}

impl Stamp {
    /// The stamp with which a line begins.
    pub(super) fn at_start(line: &[u8]) -> Option<Self> {
        // `<6>` precedes the stamp with `console_msg_format=syslog`.
        let priority = match line {
            [b'<', a, b'>', ..] if a.is_ascii_digit() => 3,
            [b'<', a, b, b'>', ..] if a.is_ascii_digit() && b.is_ascii_digit() => 4,
            _ => 0,
        };
        let rest = &line[priority..];
        let (inner, mut used) = bracket(rest)?;
        let (seconds, micros) = inner.trim_start_matches(' ').split_once('.')?;
        if inner.len() < "    0.000000".len() || micros.len() != 6 {
            return None;
        }
        let seconds: u64 = decimal(seconds)?;
        let micros: u64 = decimal(micros)?;
        let ts_us = seconds.checked_mul(1_000_000)?.checked_add(micros)?;
        let mut caller = None;
        if let Some((inner, more)) = bracket(&rest[used..])
            && let Some(found) = Caller::parse(inner.trim_start_matches(' '))
        {
            caller = Some(found);
            used += more;
        }
        match rest.get(used) {
            Some(b' ') => used += 1,
            None => {}
            Some(_) => return None,
        }
        Some(Self {
            ts_us,
            caller,
            len: priority + used,
        })
    }

    /// The first stamp inside a line, and where it begins.
    pub(super) fn inside(line: &[u8]) -> Option<(usize, Self)> {
        line.iter()
            .enumerate()
            .filter(|(_, b)| **b == b'[')
            .find_map(|(at, _)| Some((at, Self::at_start(&line[at..])?)))
    }
}

/// The text within a bracket at the start, and the bytes it takes with its brackets.
fn bracket(bytes: &[u8]) -> Option<(&str, usize)> {
    // No stamp is longer; a search without limit would make hostile lines quadratic.
    let head = &bytes[..bytes.len().min(32)];
    let end = head.iter().position(|b| *b == b']')?;
    let inner = head[..end].strip_prefix(b"[")?;
    Some((std::str::from_utf8(inner).ok()?, end + 1))
}
