//! What an SSH server says before its client does (RFC 4253, 4.2 and 7.1): its identification, and its first key exchange
//! packet, which is not encrypted.

/// Whether `said` is all of it, and nothing is to follow before an answer.
pub fn is_whole_greeting(said: &[u8]) -> bool {
    // Other lines may come before the identification.
    let Some(start) = said
        .split_inclusive(|&byte| byte == b'\n')
        .scan(0, |end, line| {
            *end += line.len();
            Some((*end, line))
        })
        .find_map(|(end, line)| (line.starts_with(b"SSH-") && line.ends_with(b"\n")).then_some(end))
    else {
        return false;
    };
    let packet = &said[start..];
    packet
        .first_chunk()
        .and_then(|length| usize::try_from(u32::from_be_bytes(*length)).ok())
        .is_some_and(|length| packet.len() - 4 >= length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_is_whole_with_the_last_byte_of_its_packet() {
        let greeting = b"mind the gap\r\nSSH-2.0-dropbear_2025.89\r\n\0\0\0\x05\x03\x14abc";
        for end in 0..greeting.len() {
            assert!(!is_whole_greeting(&greeting[..end]), "{end}");
        }
        assert!(is_whole_greeting(greeting));
    }
}
