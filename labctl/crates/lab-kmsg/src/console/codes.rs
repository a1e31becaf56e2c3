//! Sequences that steer a terminal.

/// Removes what firmware and shells send to steer a terminal: CSI, OSC and two-byte sequences (ECMA-48).
pub(super) fn strip_terminal_codes(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.iter().position(|b| *b == 0x1b) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1 + code_len(&rest[at + 1..])..];
    }
    out.extend_from_slice(rest);
    out
}

/// How many bytes after an `ESC` belong to it.
fn code_len(after: &[u8]) -> usize {
    match after.first() {
        Some(b'[') => match after[1..].iter().position(|b| !(0x20..=0x3f).contains(b)) {
            // A byte that cannot end the sequence is text again.
            Some(at) if (0x40..=0x7e).contains(&after[1 + at]) => at + 2,
            Some(at) => at + 1,
            None => after.len(),
        },
        Some(b']') => {
            let end = after.iter().position(|b| matches!(b, 0x07 | 0x1b));
            end.map_or(after.len(), |at| if after[at] == 0x07 { at + 1 } else { at })
        }
        Some(b'(' | b')') => after.len().min(2),
        Some(0x20..=0x7e) => 1,
        _ => 0,
    }
}
