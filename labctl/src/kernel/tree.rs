//! The part of a kernel's source and build that compiling an out-of-tree module needs.
//!
//! A finished build is gigabytes; a module build reads a small part of it. The selection is a function of the relative path
//! alone, so that two builds of one kernel give the same tree.

/// Does `path` (relative to the build, with `/`) belong to the tree that modules are built against?
///
/// Taken from what `make M=… modules` reads: the top `Makefile` in external mode, `scripts/Makefile.modpost`, `Makefile.modfinal`.
#[must_use]
pub fn needed_for_modules(path: &str) -> bool {
    if is_residue(path) {
        return false;
    }
    match path.split_once('/') {
        None => TOP.contains(&path),
        Some(("include", rest)) => header(rest),
        Some(("scripts", rest)) => script(rest),
        Some(("arch", rest)) => rest
            .strip_prefix("x86/")
            .is_some_and(|rest| rest == "Makefile" || rest.starts_with("include/")),
        Some(("tools", rest)) => TOOLS.contains(&rest),
        Some(_) => false,
    }
}

/// Files at the top. `vmlinux` is here for its types: module BTF is written relative to the kernel's.
/// The one that is stored carries nothing but the `.BTF` section.
const TOP: &[&str] = &[".config", "Makefile", "Module.symvers", "vmlinux"];

/// Programs that run on each object (objtool) and on each finished module (resolve_btfids).
const TOOLS: &[&str] = &["objtool/objtool", "bpf/resolve_btfids/resolve_btfids"];

/// What `make` leaves beside every target.
fn is_residue(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let hidden = name.starts_with('.') && name != ".config";
    hidden
        || [".o", ".a", ".cmd", ".d", ".tmp"]
            .iter()
            .any(|end| name.ends_with(end))
}

fn header(path: &str) -> bool {
    match path.split_once('/') {
        // One empty file per symbol tells Kbuild's own tree what to rebuild; outside modules read the two that say something.
        Some(("config", name)) => matches!(name, "auto.conf" | "kernel.release"),
        Some((dir, _)) => !FOREIGN_HEADERS.contains(&dir),
        None => true,
    }
}

/// Headers of hardware that no lab guest has.
const FOREIGN_HEADERS: &[&str] = &[
    "drm",
    "dt-bindings",
    "media",
    "memory",
    "pcmcia",
    "soc",
    "sound",
    "ufs",
];

fn script(path: &str) -> bool {
    match path.split_once('/') {
        None => true,
        Some(("basic", name)) => name == "fixdep",
        Some(("mod", name)) => name == "modpost",
        Some((
            "gcc-plugins" | "dtc" | "gdb" | "kconfig" | "coccinelle" | "genksyms" | "ksymoops" | "package"
            | "rust" | "selinux",
            _,
        )) => false,
        Some(_) => true,
    }
}

/// Where a file of Debian's header packages goes in the tree that is mounted at `/usr/src`; `None` leaves it out.
///
/// `path` is the path inside the package, without a leading `./`. The packages spread over `/usr/src` and `/usr/lib`; putting the
/// programs of `linux-kbuild-*` beside the headers makes one folder, hence one mount, of them. Foreign architectures are left out.
#[must_use]
pub fn debian_headers(path: &str) -> Option<&str> {
    if let Some(kbuild) = path.strip_prefix("usr/lib/") {
        return kbuild.starts_with("linux-kbuild-").then_some(kbuild);
    }
    let headers = path.strip_prefix("usr/src/")?;
    let (package, inside) = headers.split_once('/')?;
    if !package.starts_with("linux-headers-") {
        return None;
    }
    if let Some(arch) = inside.strip_prefix("arch/") {
        let foreign = arch.contains('/') && !arch.starts_with("x86/");
        return (!foreign).then_some(headers);
    }
    let foreign = FOREIGN_HEADERS.iter().any(|dir| {
        inside
            .strip_prefix("include/")
            .and_then(|rest| rest.strip_prefix(dir))
            .is_some_and(|rest| rest.starts_with('/'))
    });
    (!foreign).then_some(headers)
}

/// What a symbolic link of those packages has to point at in that folder.
///
/// `headers/{scripts,tools}` point into `/usr/lib`, which the move has made wrong; every other link stays as it is.
#[must_use]
pub fn debian_link(target: &str) -> String {
    match target.strip_prefix("../../lib/") {
        Some(kbuild) if kbuild.starts_with("linux-kbuild-") => format!("../{kbuild}"),
        _ => target.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_a_module_build_reads() {
        for path in [
            "Makefile",
            ".config",
            "Module.symvers",
            "vmlinux",
            "include/linux/kprobes.h",
            "include/generated/autoconf.h",
            "include/config/auto.conf",
            "arch/x86/Makefile",
            "arch/x86/include/asm/ptrace.h",
            "arch/x86/include/generated/asm/rwonce.h",
            "scripts/Makefile.build",
            "scripts/module.lds",
            "scripts/module-common.c",
            "scripts/basic/fixdep",
            "scripts/mod/modpost",
            "tools/objtool/objtool",
            "tools/bpf/resolve_btfids/resolve_btfids",
        ] {
            assert!(needed_for_modules(path), "{path}");
        }
    }

    #[test]
    fn leaves_the_rest() {
        for path in [
            "vmlinux.o",
            ".vmlinux.cmd",
            "net/core/skbuff.c",
            "include/config/NET",
            "include/dt-bindings/clock/x.h",
            "scripts/mod/modpost.o",
            "scripts/kconfig/conf",
            "scripts/.module.lds.cmd",
            "tools/objtool/check.c",
            "arch/x86/kernel/head_64.S",
            "arch/arm/include/asm/io.h",
            "README",
        ] {
            assert!(!needed_for_modules(path), "{path}");
        }
    }

    #[test]
    fn debians_headers_become_one_folder() {
        let kept = [
            (
                "usr/lib/linux-kbuild-6.12/scripts/mod/modpost",
                "linux-kbuild-6.12/scripts/mod/modpost",
            ),
            (
                "usr/src/linux-headers-6.12-common/Makefile",
                "linux-headers-6.12-common/Makefile",
            ),
            (
                "usr/src/linux-headers-6.12-common/arch/x86/include/asm/io.h",
                "linux-headers-6.12-common/arch/x86/include/asm/io.h",
            ),
            (
                "usr/src/linux-headers-6.12-common/arch/Kconfig",
                "linux-headers-6.12-common/arch/Kconfig",
            ),
        ];
        for (path, place) in kept {
            assert_eq!(debian_headers(path), Some(place), "{path}");
        }
        for path in [
            "usr/share/doc/linux-kbuild-6.12/copyright",
            "usr/src/linux-headers-6.12-common/arch/arm/Makefile",
            "usr/src/linux-headers-6.12-common/include/sound/core.h",
            "usr/src/linux-kbuild-6.12",
            "usr/lib/modules/6.12/build",
        ] {
            assert_eq!(debian_headers(path), None, "{path}");
        }
    }

    #[test]
    fn links_into_usr_lib_are_redirected() {
        assert_eq!(
            debian_link("../../lib/linux-kbuild-6.12/scripts"),
            "../linux-kbuild-6.12/scripts"
        );
        assert_eq!(
            debian_link("../../uapi/linux/input-event-codes.h"),
            "../../uapi/linux/input-event-codes.h"
        );
    }
}
