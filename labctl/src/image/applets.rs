//! The names that a busybox binary answers to. They stand in it as one sorted run of NUL-ended strings
//! (`applet_names` in busybox's generated `applet_tables.h`), so that nothing has to be run to know them.

/// The first applet is `[`, the second `[[`, in every busybox that has a shell.
const START: &[u8] = b"[\0[[\0";

/// The applets of `busybox`, sorted; `None` when the table cannot be found.
pub(super) fn applets(busybox: &[u8]) -> Option<Vec<&str>> {
    let start = busybox.windows(START.len()).position(|window| window == START)?;
    let mut names = Vec::new();
    for name in busybox[start..].split(|byte| *byte == 0) {
        // The table ends with an empty string.
        if name.is_empty() {
            break;
        }
        names.push(std::str::from_utf8(name).ok()?);
    }
    let plausible =
        |name: &&str| name.len() <= 32 && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
    // The order is strcmp's in the table of recent versions but not quite in older ones; `sh` is in all of them.
    (names.contains(&"sh") && names.iter().all(plausible)).then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_table() {
        let binary = b"\x7fELF...[ not it\0[\0[[\0awk\0sh\0zcat\0\0/bin/sh\0";
        assert_eq!(applets(binary), Some(vec!["[", "[[", "awk", "sh", "zcat"]));
    }

    #[test]
    fn another_binary_has_none() {
        assert_eq!(applets(b"\x7fELF"), None);
        assert_eq!(applets(b"[\0[[\0garbage/with/slashes\0\0"), None);
    }
}
