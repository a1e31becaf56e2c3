//! Tool layers: whole packages as one read-only erofs image, made by the pinned mkfs.erofs in the sandbox.

use std::io;
use std::path::Path;

use fs_err as fs;

use super::build::{ImageBuilder, ImageError};
use super::spec::LayerSpec;
use crate::deadline::Deadline;
use crate::digest::{Digest, InputHasher};
use crate::event::Stage;
use crate::sandbox::Limits;
use crate::supervise::Cancel;
use crate::toolchain::{PackageFile, Toolchain, unpack_all};

/// Changes when the same packages would give another layer.
const RECIPE: &str = "layer/2";
/// Name of the file system's file in the layer's entry.
pub const LAYER_FILE: &str = "layer.erofs";
/// The file system's identity; a random one would differ from build to build.
const UUID: &str = "6c616263-746c-4000-8000-6c6179657273";
/// Far beyond the 4 s that a layer of 800 MB takes.
const BUDGET: std::time::Duration = std::time::Duration::from_secs(900);
/// Of no use without a person reading, or without a package manager.
const DROPPED: [&str; 8] = [
    "usr/share/doc",
    "usr/share/man",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/lintian",
    "usr/share/bug",
    "usr/share/doc-base",
    "var/lib/dpkg",
];

/// A layer to be built.
#[derive(Debug, Clone)]
pub struct LayerInputs<'a> {
    pub name: &'a str,
    pub spec: &'a LayerSpec,
    pub packages: &'a [PackageFile],
    /// The root that has `mkfs.erofs` in it.
    pub tools: &'a Toolchain,
}

impl LayerInputs<'_> {
    /// The layer's content address.
    pub fn id(&self) -> Digest {
        layer_id(self.spec, self.packages, self.tools.id())
    }
}

/// The content address of the layer that `packages` make, whether it exists or not; `tools` is the address of the root
/// that has `mkfs.erofs` in it.
pub fn layer_id(spec: &LayerSpec, packages: &[PackageFile], tools: Digest) -> Digest {
    let mut digests: Vec<String> = packages
        .iter()
        .map(|package| package.sha256.to_string())
        .collect();
    digests.sort();
    let mut hasher = InputHasher::new(RECIPE)
        .input("tools", tools.to_string())
        .input("drop", spec.drop.join("\n"))
        .input("dropped", DROPPED.join("\n"));
    for (link, target) in &spec.links {
        hasher = hasher.input("link", link.as_str()).input("target", target);
    }
    digests
        .iter()
        .fold(hasher, |hasher, digest| hasher.input("package", digest))
        .finish()
}

impl ImageBuilder<'_> {
    /// Unpacks the packages below `dir` and writes `dir/layer.erofs`.
    pub(super) fn make_layer(
        &self,
        inputs: &LayerInputs<'_>,
        dir: &Path,
        cancel: &Cancel,
    ) -> Result<(), ImageError> {
        let tree = tempfile::tempdir_in(dir).map_err(ImageError::io("make a folder for the layer"))?;
        unpack_all(tree.path(), inputs.packages, Stage::Image, self.events, cancel)?;
        for pattern in DROPPED
            .iter()
            .copied()
            .chain(inputs.spec.drop.iter().map(String::as_str))
        {
            drop_pattern(tree.path(), pattern).map_err(ImageError::io("thin out the layer"))?;
        }
        for (link, target) in &inputs.spec.links {
            put_link(tree.path(), link.as_str(), target).map_err(ImageError::io("link in the layer"))?;
        }
        set_mode(tree.path(), 0o755).map_err(ImageError::io("thin out the layer"))?;
        let sandbox = inputs
            .tools
            .sandbox()
            .read_only(tree.path(), "/build")
            .writable(dir, "/out")
            .workdir("/out");
        // No compression: reading costs the host a copy, decompressing costs the emulated processor.
        let argv = [
            "mkfs.erofs",
            "--quiet",
            "-T0",
            "--all-root",
            "-x-1",
            "-U",
            UUID,
            &format!("/out/{LAYER_FILE}"),
            "/build",
        ];
        let limits = Limits::for_pinned_build(Deadline::after(BUDGET));
        let finished = sandbox.run(self.bubblewrap, &argv, &limits, cancel, &mut |_, _| {})?;
        if !finished.outcome.is_success() {
            let message = finished.stderr.trim().to_owned();
            return Err(ImageError::Mkfs {
                layer: inputs.name.to_owned(),
                message,
            });
        }
        Ok(())
    }
}

/// Makes `link` below `root` lead to `target`, whatever was there.
fn put_link(root: &Path, link: &str, target: &str) -> io::Result<()> {
    let path = root.join(link);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    if fs::symlink_metadata(&path).is_ok() {
        fs::remove_file(&path)?;
    }
    fs::os::unix::fs::symlink(target, path)
}

/// Removes `pattern` below `root`: a file, a folder, or `FOLDER/*.SUFFIX` for all such files below that folder.
fn drop_pattern(root: &Path, pattern: &str) -> io::Result<()> {
    if let Some((folder, suffix)) = pattern.rsplit_once("/*") {
        return drop_suffix(&root.join(folder), suffix);
    }
    let path = root.join(pattern);
    match fs::symlink_metadata(&path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    }
}

fn drop_suffix(folder: &Path, suffix: &str) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            drop_suffix(&entry.path(), suffix)?;
        } else if entry.file_name().to_string_lossy().ends_with(suffix) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    // tempfile makes its folders 0700, and the mode of the root would become that of `/usr`'s parent in the guest.
    fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_replaces_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("usr/bin")).unwrap();
        fs::write(dir.path().join("usr/bin/nc"), "other").unwrap();
        put_link(dir.path(), "usr/bin/nc", "nc.openbsd").unwrap();
        put_link(dir.path(), "usr/sbin/nc", "../bin/nc").unwrap();
        let led = |path: &str| fs::read_link(dir.path().join(path)).unwrap();
        assert_eq!(led("usr/bin/nc"), Path::new("nc.openbsd"));
        assert_eq!(led("usr/sbin/nc"), Path::new("../bin/nc"));
    }

    #[test]
    fn patterns_name_folders_files_and_suffixes() {
        let dir = tempfile::tempdir().unwrap();
        for path in [
            "usr/share/doc/a",
            "usr/lib/x/a.a",
            "usr/lib/x/a.so",
            "usr/lib/b.a",
            "usr/bin/c",
        ] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        for pattern in [
            "usr/share/doc",
            "usr/lib/*.a",
            "usr/bin/c",
            "no/such/thing",
            "none/*.x",
        ] {
            drop_pattern(dir.path(), pattern).unwrap();
        }
        let left = |path: &str| dir.path().join(path).exists();
        assert!(left("usr/lib/x/a.so") && left("usr/share") && left("usr/bin"));
        assert!(
            !left("usr/share/doc") && !left("usr/lib/x/a.a") && !left("usr/lib/b.a") && !left("usr/bin/c")
        );
    }
}
