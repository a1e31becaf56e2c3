//! QEMU's `key=value,key=value` options. A comma inside a value is written twice (QEMU's `opts_parse` and
//! `keyval_parse`); doing it in one place keeps a path with a comma from becoming another option.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

/// One option argument under construction.
#[derive(Debug, Clone)]
pub(super) struct Opt(Vec<u8>);

impl Opt {
    /// Starts with the word that has no key (`user` in `-netdev user,id=…`).
    pub(super) fn of(head: &str) -> Self {
        Self(head.as_bytes().to_vec())
    }

    /// Appends `key=value`.
    #[must_use]
    pub(super) fn with(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        if !self.0.is_empty() {
            self.0.push(b',');
        }
        self.0.extend_from_slice(key.as_bytes());
        self.0.push(b'=');
        for &byte in value.as_ref().as_bytes() {
            self.0.push(byte);
            if byte == b',' {
                self.0.push(byte);
            }
        }
        self
    }

    pub(super) fn on(self, key: &str) -> Self {
        self.with(key, "on")
    }

    pub(super) fn off(self, key: &str) -> Self {
        self.with(key, "off")
    }
}

impl From<Opt> for OsString {
    fn from(opt: Opt) -> Self {
        Self::from_vec(opt.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_values_are_doubled() {
        let opt = Opt::of("raw").with("file.filename", "/a,b/c,,d").on("read-only");
        assert_eq!(OsString::from(opt), "raw,file.filename=/a,,b/c,,,,d,read-only=on");
    }

    #[test]
    fn without_a_head_there_is_no_leading_comma() {
        assert_eq!(OsString::from(Opt::of("").with("driver", "raw")), "driver=raw");
    }
}
