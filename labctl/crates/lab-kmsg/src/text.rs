//! Strict readers for the few number forms that kernel logs use.

/// Digits only: `str::parse` would also take a sign.
pub(crate) fn decimal<T: std::str::FromStr>(text: &str) -> Option<T> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Hexadecimal digits only, with or without `0x`.
pub(crate) fn hex(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(digits, 16).ok()
}

/// The decimal number at the start of `text`, and what follows it.
pub(crate) fn leading_decimal<T: std::str::FromStr>(text: &str) -> Option<(T, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((decimal(digits)?, rest))
}

/// The hexadecimal number at the start of `text`, and what follows it.
pub(crate) fn leading_hex(text: &str) -> Option<(u64, &str)> {
    let body = text.strip_prefix("0x").unwrap_or(text);
    let end = body.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(body.len());
    let (digits, rest) = body.split_at(end);
    Some((hex(digits)?, rest))
}

/// What lies between the first `open` and the next `close` after it.
pub(crate) fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(open)?;
    let (inner, _) = rest.split_once(close)?;
    Some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_strictly() {
        assert_eq!(decimal::<u32>("12"), Some(12));
        assert_eq!(decimal::<u32>("+12"), None);
        assert_eq!(decimal::<u8>("256"), None);
        assert_eq!(hex("0xFF"), Some(255));
        assert_eq!(hex("0x"), None);
        assert_eq!(leading_decimal::<u32>("12ab"), Some((12, "ab")));
        assert_eq!(leading_hex("0x1f/0x20"), Some((0x1f, "/0x20")));
        assert_eq!(between("a [b c] d", "[", "]"), Some("b c"));
    }
}
