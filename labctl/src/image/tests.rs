//! A real image, from the packages in the folder that `LABCTL_TEST_DEBS` names, and a layer made with those in
//! `LABCTL_TEST_TOOL_DEBS` (a compiler, erofs-utils and bash among them); without these the tests say so and pass.

use std::collections::BTreeMap;
use std::path::Path;

use fs_err as fs;
use lab_disk::{Node, cpio};

use super::*;
use crate::digest::Digest;
use crate::event::Events;
use crate::sandbox::Bubblewrap;
use crate::store::Store;
use crate::supervise::Cancel;
use crate::toolchain::{PackageFile, Toolchain};

fn packages() -> Option<Vec<PackageFile>> {
    packages_in("LABCTL_TEST_DEBS")
}

fn packages_in(variable: &str) -> Option<Vec<PackageFile>> {
    let Some(folder) = std::env::var_os(variable) else {
        #[expect(clippy::print_stderr, reason = "a skip says why")]
        {
            eprintln!("skipped: {variable} is not set");
        }
        return None;
    };
    let mut packages = Vec::new();
    for entry in fs::read_dir(Path::new(&folder)).unwrap() {
        let path = entry.unwrap().path();
        let name = path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .split('_')
            .next()
            .unwrap()
            .to_owned();
        if name.starts_with("linux-") || name == "dropbear-initramfs" {
            continue;
        }
        let sha256 = Digest::of_reader(fs::File::open(&path).unwrap()).unwrap();
        packages.push(PackageFile {
            name,
            version: "0".to_owned(),
            sha256,
            path,
        });
    }
    Some(packages)
}

fn spec() -> ImageSpec {
    let text = include_str!("../../../images/module7/image.yaml");
    ImageSpec::try_from(serde_yaml::from_str::<RawImageSpec>(text).unwrap()).unwrap()
}

struct Bench {
    store: Store,
    bubblewrap: Bubblewrap,
    events: Events,
    _dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        Some(Self {
            store: Store::open(dir.path()).unwrap(),
            bubblewrap: Bubblewrap::find(&std::env::var_os("PATH").unwrap()).ok()?,
            events: Events::silent(),
            _dir: dir,
        })
    }

    fn builder(&self) -> ImageBuilder<'_> {
        ImageBuilder {
            store: &self.store,
            bubblewrap: &self.bubblewrap,
            events: &self.events,
        }
    }
}

#[test]
fn the_base_is_small_whole_and_the_same_twice() {
    let Some(packages) = packages() else { return };
    let Some(bench) = Bench::new() else { return };
    let spec = spec();
    let overlay = BTreeMap::from([("etc/passwd".to_owned(), b"root:*:0:0::/root:/bin/sh\n".to_vec())]);
    let parts = BaseParts {
        spec: &spec.base,
        packages: &packages,
        overlay: &overlay,
        init: crate::embedded::LAB_INIT,
        modules: &[],
        layers: &[],
    };
    let image = bench.builder().base(&parts, &Cancel::new()).unwrap();
    assert!(
        image.compressed_size < 8_000_000,
        "{} bytes compressed",
        image.compressed_size
    );
    let tree = cpio::read(&fs::read(&image.initramfs).unwrap()).unwrap();
    for path in [
        "init",
        "bin/sh",
        "usr/sbin/dropbear",
        "usr/lib/sftp-server",
        "lib64/ld-linux-x86-64.so.2",
        "lib/x86_64-linux-gnu/libc.so.6",
    ] {
        assert!(tree.file(path).is_some(), "`{path}` does not lead to a file");
    }
    assert!(matches!(tree.get("usr/bin/ip"), Some(Node::Symlink { .. })));
    assert_eq!(
        bench.builder().verify_base(&parts, &Cancel::new()).unwrap(),
        image.sha256
    );
    let mut unordered = packages.clone();
    unordered.reverse();
    assert_eq!(
        BaseParts {
            packages: &unordered,
            ..parts
        }
        .id(),
        image.id
    );
}

#[test]
fn a_package_that_is_left_out_by_mistake_is_noticed() {
    let Some(packages) = packages() else { return };
    let Some(bench) = Bench::new() else { return };
    let spec = spec();
    let fewer: Vec<_> = packages
        .into_iter()
        .filter(|package| package.name != "libgmp10")
        .collect();
    let overlay = BTreeMap::new();
    let parts = BaseParts {
        spec: &spec.base,
        packages: &fewer,
        overlay: &overlay,
        init: b"init",
        modules: &[],
        layers: &[],
    };
    let error = bench.builder().base(&parts, &Cancel::new()).unwrap_err();
    assert!(error.to_string().contains("libgmp.so.10"), "{error}");
}

#[test]
fn a_toolchain_is_unpacked_and_makes_the_same_layer_twice() {
    let Some(tools) = packages_in("LABCTL_TEST_TOOL_DEBS") else {
        return;
    };
    let Some(packages) = packages() else { return };
    let Some(bench) = Bench::new() else { return };
    let toolchain = Toolchain::open(&bench.store, &tools, &bench.events, &Cancel::new()).unwrap();
    assert_eq!(
        Toolchain::open(&bench.store, &tools, &bench.events, &Cancel::new()).unwrap(),
        toolchain
    );
    let compiler = fs::read_link(toolchain.root().join("usr/bin/cc")).unwrap();
    assert_eq!(compiler, Path::new("gcc"));
    let spec = LayerSpec {
        packages: Vec::new(),
        leave_out: Default::default(),
        drop: vec!["usr/share/*.gz".to_owned()],
        links: BTreeMap::new(),
    };
    let inputs = LayerInputs {
        name: "tools",
        spec: &spec,
        packages: &packages,
        tools: &toolchain,
    };
    let layer = bench.builder().layer(&inputs, &Cancel::new()).unwrap();
    let bytes = fs::read(&layer.path).unwrap();
    // EROFS_SUPER_MAGIC_V1 at the superblock's offset (fs/erofs/erofs_fs.h).
    assert_eq!(bytes[1024..1028], 0xE0F5_E1E2_u32.to_le_bytes());
    assert_eq!(
        bench.builder().verify_layer(&inputs, &Cancel::new()).unwrap(),
        Digest::of(&bytes)
    );
}
