//! Builds `.deb` archives, good and bad ones: nothing here checks what it is told to write.

use std::io::Write;

pub(crate) const CONTROL: &str = "Package: sample\nVersion: 1:2.0-3\nArchitecture: amd64\n";

/// A tar archive, entry by entry.
#[derive(Default)]
pub(crate) struct Tar(Vec<u8>);

impl Tar {
    pub(crate) fn raw(mut self, name: &[u8], kind: u8, mode: u32, link: &str, content: &[u8]) -> Tar {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_mode(mode);
        header.set_mtime(1_000_000_000);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(content.len() as u64);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(crate) fn file(self, name: &str, content: &[u8]) -> Tar {
        self.raw(name.as_bytes(), b'0', 0o644, "", content)
    }

    pub(crate) fn dir(self, name: &str) -> Tar {
        self.raw(name.as_bytes(), b'5', 0o755, "", b"")
    }

    pub(crate) fn symlink(self, name: &str, target: &str) -> Tar {
        self.raw(name.as_bytes(), b'2', 0o777, target, b"")
    }

    pub(crate) fn hard_link(self, name: &str, target: &str) -> Tar {
        self.raw(name.as_bytes(), b'1', 0o644, target, b"")
    }

    /// The archive with its end mark.
    pub(crate) fn bytes(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 1024]);
        self.0
    }

    /// A `.deb` whose data is this archive.
    pub(crate) fn deb(self) -> Vec<u8> {
        deb("", &self.bytes())
    }
}

pub(crate) fn compress(suffix: &str, bytes: &[u8]) -> Vec<u8> {
    match suffix {
        "" => bytes.to_vec(),
        ".gz" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        ".xz" => liblzma::encode_all(bytes, 1).unwrap(),
        ".zst" => zstd::encode_all(bytes, 1).unwrap(),
        other => panic!("{other}"),
    }
}

pub(crate) fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, content) in members {
        writeln!(
            bytes,
            "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`",
            0,
            0,
            0,
            100_644,
            content.len()
        )
        .unwrap();
        bytes.extend_from_slice(content);
        if content.len() % 2 == 1 {
            bytes.push(b'\n');
        }
    }
    bytes
}

/// A `.deb` with `data` as its `data.tar`, compressed as `suffix` says.
pub(crate) fn deb(suffix: &str, data: &[u8]) -> Vec<u8> {
    let control = Tar::default()
        .dir("./")
        .file("./control", CONTROL.as_bytes())
        .bytes();
    ar(&[
        ("debian-binary", b"2.0\n"),
        ("control.tar.gz", &compress(".gz", &control)),
        (&format!("data.tar{suffix}"), &compress(suffix, data)),
    ])
}
