//! The commands that turn a source package into a kernel, in order. Pure: nothing here runs or reads anything.
//!
//! Whoever executes a plan mounts the toolchain's root read-only at `/`, a writable folder at [`SOURCE`], the unpacked source
//! package's `usr/src` read-only at [`ARCHIVE`], and gives each step the plan's environment and nothing else. After
//! [`Phase::Configure`] it has to hold `.config` against [`BuildPlan::requests`] before it goes on.
//! Every step may be run again in a folder that an interrupted run left behind: unpacking overwrites, `make` continues.

use std::collections::BTreeMap;

use super::fragments::{FragmentError, Requests};
use super::progress::Phase;
use super::spec::{Base, Source};

/// Where the source stands in the sandbox. Object code and debug information name this path, so it is the same for every build.
pub const SOURCE: &str = "/build/linux";

/// Where the source package's `usr/src` is mounted, read-only.
pub const ARCHIVE: &str = "/build/archive";

/// The folder, below [`SOURCE`], that the last step fills.
pub const RESULT: &str = "labctl-out";

/// A kernel build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildPlan {
    /// The whole environment of every step.
    pub env: BTreeMap<String, String>,
    /// What to do, in order.
    pub steps: Vec<Step>,
    /// What the finished `.config` has to satisfy.
    pub requests: Requests,
    /// What to take out at the end.
    pub outputs: Vec<Output>,
    /// Objects that a clean build compiles, for the progress display.
    pub objects: u32,
}

/// One command in the sandbox; its working directory is [`SOURCE`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What the user is told.
    pub phase: Phase,
    /// Files to write below [`SOURCE`] before it starts: relative path and content.
    pub files: Vec<(String, String)>,
    /// Program and arguments. The program is looked up in the plan's `PATH`.
    pub argv: Vec<String>,
}

/// A file that a build leaves for others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// What it is called in the store.
    pub name: &'static str,
    /// Where it is, relative to [`SOURCE`].
    pub path: String,
}

/// The environment of every build step.
///
/// `KBUILD_BUILD_*` are compiled into the version string (`init/version-timestamp.c`); without them the clock, the user, the host
/// and a counter would be. The timestamp is a date for people: `@0` would be printed literally.
#[must_use]
pub fn environment() -> BTreeMap<String, String> {
    [
        ("HOME", "/tmp"),
        ("KBUILD_BUILD_HOST", "labctl"),
        ("KBUILD_BUILD_TIMESTAMP", "Thu Jan  1 00:00:00 UTC 1970"),
        ("KBUILD_BUILD_USER", "labctl"),
        ("KBUILD_BUILD_VERSION", "1"),
        ("LC_ALL", "C"),
        ("PATH", "/usr/bin:/usr/sbin"),
        // binutils' `ar` and gcc read it for what they would otherwise date.
        ("SOURCE_DATE_EPOCH", "0"),
        ("TZ", "UTC"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}

/// Plans the build of `source`, whose fragments are `(file name, text)`, with `jobs` compilers at once.
///
/// # Errors
/// [`FragmentError`] when the fragments cannot be read together.
pub fn plan(
    source: &Source,
    fragments: &[(String, String)],
    jobs: usize,
) -> Result<BuildPlan, FragmentError> {
    let mut requests = Requests::default();
    for (name, text) in fragments {
        requests.add(name, text)?;
    }
    requests.add(
        "localversion",
        &format!("CONFIG_LOCALVERSION=\"{}\"\n", source.localversion),
    )?;
    let steps = vec![
        unpack(source),
        configure(source.base, &requests),
        compile(jobs),
        collect(),
    ];
    Ok(BuildPlan {
        env: environment(),
        steps,
        requests,
        outputs: outputs(),
        objects: source.cost.objects,
    })
}

fn step(phase: Phase, argv: &[&str]) -> Step {
    Step {
        phase,
        files: Vec::new(),
        argv: argv.iter().map(|arg| (*arg).to_owned()).collect(),
    }
}

fn unpack(source: &Source) -> Step {
    let mut unpack = step(
        Phase::Unpack,
        &[
            "tar",
            "--use-compress-program=xz -T0",
            "--extract",
            "--strip-components=1",
            "--no-same-owner",
        ],
    );
    unpack
        .argv
        .push(format!("--file={ARCHIVE}/{}.tar.xz", source.package));
    let exclude = |pattern: String| format!("--exclude={}/{pattern}", source.package);
    unpack.argv.push("--wildcards".to_owned());
    // The Kconfig files stay: all of them are read before anything is decided, even those of other architectures.
    for arch in OTHER_ARCHITECTURES {
        for what in ["*.[chS]", "*.dts*", "configs"] {
            unpack.argv.push(exclude(format!("arch/{arch}/{what}")));
        }
    }
    unpack
        .argv
        .extend(OTHER_DRIVERS.iter().map(|dir| exclude(format!("{dir}/*.[ch]"))));
    unpack
        .argv
        .extend(NOT_BUILT.iter().map(|pattern| exclude((*pattern).to_owned())));
    unpack
}

/// Unpacking all 86,000 files takes longer than decompressing them; these are more than half, and no x86-64 lab kernel reads them.
const OTHER_ARCHITECTURES: &[&str] = &[
    "alpha",
    "arc",
    "arm",
    "arm64",
    "csky",
    "hexagon",
    "loongarch",
    "m68k",
    "microblaze",
    "mips",
    "nios2",
    "openrisc",
    "parisc",
    "powerpc",
    "riscv",
    "s390",
    "sh",
    "sparc",
    "um",
    "xtensa",
];

const OTHER_DRIVERS: &[&str] = &[
    "drivers/gpu",
    "drivers/iio",
    "drivers/media",
    "drivers/net/ethernet",
    "drivers/net/wireless",
    "drivers/scsi",
    "drivers/staging",
    "drivers/usb",
    "samples",
    "sound",
];

const NOT_BUILT: &[&str] = &[
    "Documentation/*.rst",
    "Documentation/*.svg",
    "Documentation/*.txt",
    "Documentation/*.yaml",
    "tools/perf",
    "tools/testing",
];

fn configure(base: Base, requests: &Requests) -> Step {
    const REQUESTS: &str = "labctl.config";
    let target = match base {
        Base::Allnoconfig => "allnoconfig",
    };
    let mut configure = step(
        Phase::Configure,
        &["make", &format!("KCONFIG_ALLCONFIG={REQUESTS}"), target],
    );
    configure.files.push((REQUESTS.to_owned(), requests.to_config()));
    configure
}

fn compile(jobs: usize) -> Step {
    // `modules` writes Module.symvers, which out-of-tree modules are linked against; nothing is built as a module.
    step(
        Phase::Compile,
        &["make", &format!("-j{jobs}"), FLAGS, "vmlinux", "modules"],
    )
}

/// What gcc need not do for a kernel whose debug information nobody keeps: a tenth of the build. Instructions, data, types
/// and symbols come out byte for byte the same; what differs is the build identifiers, which are digests of the debug information,
/// and the line that a few warnings of the kernel name, where a macro's arguments span two.
///
/// No statement boundaries and columns in the line table, no list of where every local variable is at every instruction
/// (`-fno-var-tracking` would save more, but pahole then takes half of the functions for optimised away and leaves them out).
/// And no record of how each token came out of nested macros, of which the kernel's headers are full: it serves the compiler's
/// warnings alone, some of which are wrong without it. They are off: the source is pinned, and its packager has read them.
const FLAGS: &str = "KCFLAGS=-w -ftrack-macro-expansion=0 -fno-var-tracking-assignments -gno-statement-frontiers -gno-column-info";

/// The boot image loses its symbols and debug information (they are 90 % of it); the types and the symbol table are kept apart.
fn collect() -> Step {
    let script = format!(
        "set -e; mkdir -p {RESULT}/tree; strip -s -o {RESULT}/vmlinux vmlinux; \
         objcopy --dump-section .BTF={RESULT}/btf vmlinux /dev/null; \
         objcopy --only-section=.BTF vmlinux {RESULT}/tree/vmlinux; \
         cp System.map {RESULT}/System.map; cp .config {RESULT}/config; cp include/config/kernel.release {RESULT}/release"
    );
    step(Phase::Collect, &["sh", "-c", &script])
}

fn outputs() -> Vec<Output> {
    [
        ("vmlinux", "vmlinux"),
        ("btf", "btf"),
        ("tree/vmlinux", "tree/vmlinux"),
        ("System.map", "System.map"),
        ("config", "config"),
        ("release", "release"),
    ]
    .into_iter()
    .map(|(name, path)| Output {
        name,
        path: format!("{RESULT}/{path}"),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::spec::Cost;

    fn source() -> Source {
        Source {
            package: "linux-source-6.12".into(),
            base: Base::Allnoconfig,
            localversion: "-lab".into(),
            fragments: vec!["net.config".into()],
            compiler: "gcc-14".into(),
            toolchain: vec!["gcc-14".into()],
            cost: Cost {
                objects: 7,
                cpu_seconds: 1,
            },
        }
    }

    fn planned(jobs: usize) -> BuildPlan {
        plan(&source(), &[("net.config".into(), "CONFIG_NET=y\n".into())], jobs).unwrap()
    }

    #[test]
    fn the_phases_come_in_order() {
        let phases: Vec<Phase> = planned(2).steps.iter().map(|step| step.phase).collect();
        assert_eq!(
            phases,
            [Phase::Unpack, Phase::Configure, Phase::Compile, Phase::Collect]
        );
    }

    #[test]
    fn kconfig_gets_every_request_and_the_version_suffix() {
        let plan = planned(2);
        let (name, text) = &plan.steps[1].files[0];
        assert!(plan.steps[1].argv.contains(&format!("KCONFIG_ALLCONFIG={name}")));
        assert_eq!(text, "CONFIG_LOCALVERSION=\"-lab\"\nCONFIG_NET=y\n");
    }

    #[test]
    fn no_exclusion_takes_a_kconfig_file() {
        let plan = planned(2);
        let patterns: Vec<&str> = plan.steps[0]
            .argv
            .iter()
            .filter_map(|arg| arg.strip_prefix("--exclude=linux-source-6.12/"))
            .collect();
        assert!(patterns.contains(&"arch/arm/*.[chS]"));
        // A pattern without a suffix takes a whole folder; Kconfig reads arch/*/crypto/Kconfig and every driver's.
        let folders = patterns.iter().filter(|pattern| !pattern.contains('*'));
        for folder in folders {
            assert!(
                folder.ends_with("/configs") || folder.starts_with("tools/"),
                "{folder}"
            );
        }
    }

    #[test]
    fn the_number_of_jobs_reaches_make_and_nothing_else() {
        let (one, four) = (planned(1), planned(4));
        assert!(four.steps[2].argv.contains(&"-j4".to_owned()));
        assert_eq!(one.env, four.env);
        assert_eq!(one.steps[1], four.steps[1]);
    }

    #[test]
    fn nothing_of_the_host_reaches_the_build() {
        let env = environment();
        for name in [
            "KBUILD_BUILD_HOST",
            "KBUILD_BUILD_TIMESTAMP",
            "KBUILD_BUILD_USER",
            "KBUILD_BUILD_VERSION",
            "LC_ALL",
            "PATH",
            "TZ",
        ] {
            assert!(env.contains_key(name), "{name}");
        }
    }

    #[test]
    fn a_fragment_may_not_rename_the_kernel() {
        let fragments = [(
            "net.config".to_owned(),
            "CONFIG_LOCALVERSION=\"-mine\"\n".to_owned(),
        )];
        assert!(matches!(
            plan(&source(), &fragments, 1),
            Err(FragmentError::Conflict { .. })
        ));
    }

    #[test]
    fn every_output_is_made_by_the_last_step() {
        let plan = planned(2);
        let script = plan.steps.last().unwrap().argv.join(" ");
        for output in &plan.outputs {
            assert!(script.contains(&output.path), "{}", output.path);
        }
    }
}
