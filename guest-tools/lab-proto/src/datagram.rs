//! The arguments that `sender` and `receiver` share.

use std::ffi::OsString;

/// The lesson's port.
pub const DEFAULT_PORT: u16 = 9999;

/// Not a number from 0 to 65535.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a port", .0.display())]
pub struct NotAPort(OsString);

/// The port that an argument names; the lesson's without one.
///
/// # Errors
/// [`NotAPort`] repeats the argument.
pub fn port(argument: Option<OsString>) -> Result<u16, NotAPort> {
    let Some(text) = argument else {
        return Ok(DEFAULT_PORT);
    };
    text.to_str()
        .and_then(|text| text.parse().ok())
        .ok_or(NotAPort(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_a_number_of_sixteen_bits() {
        assert_eq!(port(None), Ok(9999));
        assert_eq!(port(Some("40000".into())), Ok(40000));
        for bad in ["65536", "-1", "", "x"] {
            assert_eq!(port(Some(bad.into())), Err(NotAPort(bad.into())), "{bad}");
        }
    }
}
