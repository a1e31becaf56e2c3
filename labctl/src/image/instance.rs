//! What one guest has of its own, as a second archive behind the shared one. Linux unpacks both into one tree
//! (`Documentation/driver-api/early-userspace/buffer-format.rst`).

use std::io::{self, Seek as _, Write as _};
use std::path::Path;

use fs_err as fs;
use lab_disk::{Tree, TreeError, cpio};

/// The files of one instance.
#[derive(Clone, PartialEq, Eq)]
pub struct InstanceFiles {
    /// The guest's ed25519 host key, as dropbear keeps it.
    pub host_key: Vec<u8>,
    /// The lines of `/root/.ssh/authorized_keys`.
    pub authorized_keys: String,
    /// `/etc/shadow`.
    pub shadow: String,
    pub hostname: String,
    pub tools: Vec<ToolFile>,
}

/// A program or a kernel module of labctl's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolFile {
    /// Absolute, in the guest.
    pub path: String,
    pub mode: u32,
    pub data: Vec<u8>,
}

/// Writes `base` and the instance's files behind it to `out`, readable for its owner alone: there is a private key
/// in it.
///
/// # Errors
/// When a file cannot be read or written.
pub fn instance_initrd(base: &Path, files: &InstanceFiles, out: &Path) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;

    let tree = tree(files).map_err(io::Error::other)?;
    let archive = cpio::to_vec(&tree).map_err(io::Error::other)?;
    let mut base = fs::File::open(base)?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut out = fs::OpenOptions::from_options(options).open(out)?;
    io::copy(&mut base, &mut out)?;
    // An archive starts at a multiple of four; a compressed base may end anywhere.
    let padding = out.stream_position()?.wrapping_neg() % 4;
    out.write_all(&[0; 4][..usize::try_from(padding).unwrap_or(0)])?;
    out.write_all(&archive)
}

fn tree(files: &InstanceFiles) -> Result<Tree, TreeError> {
    let mut tree = Tree::new();
    tree.insert_dir("etc/lab", 0o755)?;
    tree.insert_file("etc/lab/host_key", 0o600, files.host_key.as_slice())?;
    tree.insert_file(
        "etc/lab/hostname",
        0o644,
        format!("{}\n", files.hostname).into_bytes(),
    )?;
    tree.insert_file("etc/shadow", 0o600, files.shadow.as_bytes())?;
    tree.insert_dir("root", 0o700)?;
    tree.insert_dir("root/.ssh", 0o700)?;
    tree.insert_file(
        "root/.ssh/authorized_keys",
        0o600,
        files.authorized_keys.as_bytes(),
    )?;
    for tool in &files.tools {
        tree.insert_file(&tool.path, tool.mode, tool.data.as_slice())?;
    }
    Ok(tree)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lab_disk::Node;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_keys_follow_the_base() {
        let dir = tempfile::tempdir().unwrap();
        let (base, out) = (dir.path().join("base"), dir.path().join("initrd"));
        let mut tree = Tree::new();
        tree.insert_file("init", 0o755, *b"x").unwrap();
        let mut bytes = cpio::to_vec(&tree).unwrap();
        // As a compressed base might: an odd length.
        bytes.extend_from_slice(&[0; 3]);
        fs::write(&base, bytes).unwrap();
        let files = InstanceFiles {
            host_key: b"key".to_vec(),
            authorized_keys: "ssh-ed25519 AAAA\n".to_owned(),
            shadow: "root:$3$$00:::::::\n".to_owned(),
            hostname: "module7".to_owned(),
            tools: vec![ToolFile {
                path: "/lab/bin/sender".to_owned(),
                mode: 0o755,
                data: b"elf".to_vec(),
            }],
        };
        instance_initrd(&base, &files, &out).unwrap();
        let both = cpio::read(&fs::read(&out).unwrap()).unwrap();
        assert!(both.file("init").is_some());
        assert!(matches!(
            both.get("etc/lab/host_key"),
            Some(Node::File { mode: 0o600, .. })
        ));
        assert!(matches!(
            both.get("etc/shadow"),
            Some(Node::File { mode: 0o600, .. })
        ));
        assert!(both.file("lab/bin/sender").is_some());
        assert!(matches!(both.get("root/.ssh"), Some(Node::Dir { mode: 0o700 })));
        assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(
            instance_initrd(&base, &files, &out).is_err(),
            "an existing file is never written over"
        );
    }
}
