//! What `labctl lock` has to resolve for a kernel, as named sets.

use std::collections::{BTreeMap, BTreeSet};

use lab_deb::{Follow, Request};

use super::spec::{KernelSpec, Origin};

/// The set whose closure is the root that kernel and modules are compiled in.
pub const TOOLCHAIN_SET: &str = "toolchain";
/// The set that holds the kernel itself: its source package, or the packaged image.
pub const KERNEL_SET: &str = "kernel";
/// The set of headers that modules for a packaged kernel are compiled against.
pub const HEADERS_SET: &str = "headers";

/// What a packaged kernel's image and headers depend on and that is of no use to files that are only unpacked, or is
/// in the toolchain's set already.
const BESIDE_THE_KERNEL: [&str; 10] = [
    "gcc-14",
    "initramfs-tools",
    "kmod",
    "libc6",
    "libelf1t64",
    "libssl3t64",
    "linux-base",
    "linux-initramfs-tool",
    "pahole",
    "zlib1g",
];

impl KernelSpec {
    /// Set -> request.
    pub fn requests(&self) -> BTreeMap<String, Request> {
        let names =
            |names: &[&str]| -> BTreeSet<String> { names.iter().map(|name| (*name).to_owned()).collect() };
        let closure = |packages: &[String], exclude: &[&str]| Request {
            packages: packages.to_vec(),
            exclude: names(exclude),
            follow: Follow::Dependencies,
        };
        let toolchain = |packages: &[String]| closure(packages, crate::toolchain::LEFT_OUT);
        let sets = match &self.origin {
            Origin::Source(source) => vec![
                (
                    KERNEL_SET,
                    // Its dependencies are for building it, which the toolchain's set is for.
                    Request {
                        packages: vec![source.package.clone()],
                        exclude: BTreeSet::new(),
                        follow: Follow::Nothing,
                    },
                ),
                (TOOLCHAIN_SET, toolchain(&source.toolchain)),
            ],
            Origin::Packaged(packaged) => vec![
                (
                    KERNEL_SET,
                    closure(std::slice::from_ref(&packaged.image), &BESIDE_THE_KERNEL),
                ),
                (
                    HEADERS_SET,
                    closure(std::slice::from_ref(&packaged.headers), &BESIDE_THE_KERNEL),
                ),
                (TOOLCHAIN_SET, toolchain(&packaged.toolchain)),
            ],
        };
        sets.into_iter()
            .map(|(name, request)| (name.to_owned(), request))
            .collect()
    }
}
