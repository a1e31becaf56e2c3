//! Real images and layers, from the packages that the course pins.

use std::collections::BTreeMap;

use fs_err as fs;
use lab_disk::{Node, cpio};
use labctl::digest::Digest;
use labctl::embedded;
use labctl::event::Events;
use labctl::image::{BaseParts, ImageBuilder, ImageSpec, LayerInputs, LayerSpec};
use labctl::sandbox::Bubblewrap;
use labctl::session::ImageRecipe;
use labctl::store::Store;
use labctl::supervise::Cancel;
use labctl::toolchain::{PackageFile, Toolchain};

use crate::workbench::{self, course, preparation};

/// The packages of one set of the image, and a store in which nothing was made of them.
struct Bench {
    packages: Vec<PackageFile>,
    tools: Vec<PackageFile>,
    spec: ImageSpec,
    store: Store,
    bubblewrap: Bubblewrap,
    events: Events,
    _dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Option<Self> {
        let preparation = preparation()?;
        let files = course();
        let recipe = ImageRecipe::read(&files, "module7").unwrap();
        let lock = recipe.lock(&files).unwrap();
        let packages = |set| workbench::packages(&preparation, &lock, set);
        let dir = tempfile::tempdir().unwrap();
        Some(Self {
            packages: packages(ImageSpec::BASE_SET),
            tools: packages(ImageSpec::TOOLS_SET),
            spec: recipe.spec,
            store: Store::open(dir.path()).unwrap(),
            bubblewrap: preparation.bubblewrap,
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
    let Some(bench) = Bench::new() else { return };
    let overlay = BTreeMap::from([("etc/passwd".to_owned(), b"root:*:0:0::/root:/bin/sh\n".to_vec())]);
    let parts = BaseParts {
        spec: &bench.spec.base,
        packages: &bench.packages,
        overlay: &overlay,
        init: &embedded::LAB_INIT,
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
    let mut unordered = bench.packages.clone();
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
    let Some(bench) = Bench::new() else { return };
    let fewer: Vec<_> = bench
        .packages
        .iter()
        .filter(|package| package.name != "libgmp10")
        .cloned()
        .collect();
    let overlay = BTreeMap::new();
    let parts = BaseParts {
        spec: &bench.spec.base,
        packages: &fewer,
        overlay: &overlay,
        init: &embedded::SENDER,
        modules: &[],
        layers: &[],
    };
    let error = bench.builder().base(&parts, &Cancel::new()).unwrap_err();
    assert!(error.to_string().contains("libgmp.so.10"), "{error}");
}

#[test]
fn a_toolchain_is_unpacked_and_makes_the_same_layer_twice() {
    let Some(bench) = Bench::new() else { return };
    let toolchain = Toolchain::open(&bench.store, &bench.tools, &bench.events, &Cancel::new()).unwrap();
    assert_eq!(
        Toolchain::open(&bench.store, &bench.tools, &bench.events, &Cancel::new()).unwrap(),
        toolchain
    );
    let spec = LayerSpec {
        packages: Vec::new(),
        leave_out: Default::default(),
        drop: vec!["usr/share/*.gz".to_owned()],
        links: BTreeMap::new(),
    };
    let inputs = LayerInputs {
        name: "tools",
        spec: &spec,
        packages: &bench.packages,
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
