//! What the binary carries: the guest's tools, the sources of the course's modules, and the course itself.
//! `labctl/build.rs` makes the list.

use crate::digest::Digest;

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// A static executable for the guest.
#[derive(Debug)]
pub struct Tool {
    pub bytes: &'static [u8],
    sha256: [u8; 32],
}

impl Tool {
    /// Of the bytes. It was taken when they were made: every guest asks for it, and they are megabytes.
    pub fn digest(&self) -> Digest {
        Digest::from_bytes(self.sha256)
    }
}

/// The embedded bytes of one file of the course.
pub fn course_file(path: &str) -> Option<&'static [u8]> {
    find(COURSE, path)
}

/// The embedded source of one of the course's own modules (`witness.c`).
pub fn kmod_source(name: &str) -> Option<&'static [u8]> {
    find(KMOD, name)
}

fn find(files: &[(&str, &'static [u8])], path: &str) -> Option<&'static [u8]> {
    // The list is sorted by path.
    let at = files.binary_search_by_key(&path, |(path, _)| path).ok()?;
    files.get(at).map(|(_, bytes)| *bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tools_are_static_executables_without_paths_of_the_host() {
        let home = concat!(env!("CARGO_MANIFEST_DIR"), "/").trim_end_matches("labctl/");
        for (name, tool) in [
            ("lab-init", &LAB_INIT),
            ("sender", &SENDER),
            ("receiver", &RECEIVER),
            ("tracer", &TRACER),
        ] {
            let bytes = tool.bytes;
            assert_eq!(tool.digest(), Digest::of(bytes), "{name}");
            let file = object::File::parse(bytes).unwrap();
            assert!(
                object::Object::section_by_name(&file, ".interp").is_none(),
                "{name} is dynamic"
            );
            let found = bytes.windows(home.len()).any(|window| window == home.as_bytes());
            assert!(!found, "{name} names {home}");
            assert!(bytes.len() < 2 << 20, "{name} has {} bytes", bytes.len());
        }
    }

    #[test]
    fn every_embedded_file_is_found_by_its_path() {
        assert!(kmod_source("witness.c").is_some());
        for (path, bytes) in COURSE {
            assert_eq!(course_file(path), Some(*bytes));
        }
        assert_eq!(course_file("no/such/file"), None);
    }
}
