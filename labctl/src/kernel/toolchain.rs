//! The root folder that kernels and modules are compiled in: unpacked packages, no maintainer script ever run.
//!
//! Which packages is intent and stands in the kernel's description; this module knows what unpacking alone leaves undone.

/// Folders that have to exist in the root before it is mounted read-only, because the sandbox mounts something on them.
pub const MOUNT_POINTS: &[&str] = &[
    "build/archive",
    "build/linux",
    "build/module",
    "dev",
    "proc",
    "tmp",
    "usr/src",
];

/// Symbolic links (path in the root, target) that maintainer scripts or the alternatives system make on an installed system.
///
/// The first four belong to no package in a merged-/usr release (`base-files` makes them); the compiler's and `awk`'s names come
/// from `gcc`, `cpp` and the alternatives, none of which is worth a package. `sh` is `dash`, which ships its own link.
#[must_use]
pub fn links(gcc: &str) -> Vec<(String, String)> {
    let fixed = [
        ("bin", "usr/bin"),
        ("sbin", "usr/sbin"),
        ("lib", "usr/lib"),
        ("lib64", "usr/lib64"),
        ("usr/bin/awk", "gawk"),
        ("usr/bin/cc", "gcc"),
    ];
    let mut links: Vec<(String, String)> = fixed
        .iter()
        .map(|(link, target)| ((*link).to_owned(), (*target).to_owned()))
        .collect();
    // `gcc-14` is the package's name for its compiler; Kbuild and HOSTCC ask for `gcc`.
    let version = gcc.strip_prefix("gcc").unwrap_or_default();
    for tool in ["gcc", "cpp"] {
        for prefix in ["", "x86_64-linux-gnu-"] {
            links.push((
                format!("usr/bin/{prefix}{tool}"),
                format!("{prefix}{tool}{version}"),
            ));
        }
    }
    links
}

/// Packages that the closure of a toolchain may leave out, although something depends on them.
///
/// They configure installed systems (`debconf`, `dpkg`, `base-files`) and nothing here is installed.
pub const LEFT_OUT: &[&str] = &[
    "base-files",
    "debconf",
    "dpkg",
    "install-info",
    "libdebconfclient0",
    "linux-base",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiler_answers_to_every_name_kbuild_uses() {
        let links = links("gcc-14");
        for (link, target) in [
            ("usr/bin/gcc", "gcc-14"),
            ("usr/bin/x86_64-linux-gnu-gcc", "x86_64-linux-gnu-gcc-14"),
            ("usr/bin/cpp", "cpp-14"),
            ("usr/bin/cc", "gcc"),
        ] {
            assert!(
                links.contains(&(link.to_owned(), target.to_owned())),
                "{link} -> {target}"
            );
        }
    }

    #[test]
    fn no_link_is_made_twice() {
        let mut names: Vec<String> = links("gcc-14").into_iter().map(|(link, _)| link).collect();
        let total = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), total);
    }
}
