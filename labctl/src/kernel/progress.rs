//! Kbuild's output as progress: which phase a build is in, and how much of it is compiled.

use serde::Serialize;

/// What a build is busy with, in the order in which a clean build passes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The source is being unpacked.
    Unpack,
    /// Kconfig decides every symbol.
    Configure,
    /// Programs that the build itself runs (objtool, modpost, …) are compiled.
    Tools,
    /// The kernel is compiled.
    Compile,
    /// Objects are linked, types and symbols are added.
    Link,
    /// What the guest and the module builds need is taken out.
    Collect,
}

/// One line of `make`'s output that says what was done: `  CC      net/core/skbuff.o`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Action<'a> {
    /// Kbuild's short name of the command: `CC`, `LD`, `HOSTCC`, `MODPOST`, …
    pub command: &'a str,
    /// Is it one of a loadable module's steps (`CC [M]`)?
    pub module: bool,
    /// What is made, relative to the source (tools name it absolutely).
    pub target: &'a str,
}

impl<'a> Action<'a> {
    /// Reads a line in the format of `scripts/Kbuild.include` (`kecho`/`quiet_cmd_*`): two spaces, a short name in capitals padded to
    /// eight columns, the target. Anything else (warnings, headings, a compiler's messages) is `None`.
    #[must_use]
    pub fn parse(line: &'a str) -> Option<Self> {
        let rest = line.strip_prefix("  ")?;
        let (command, rest) = rest.split_once(' ')?;
        let capital = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        if command.len() < 2 || !command.bytes().all(capital) {
            return None;
        }
        let rest = rest.trim_start();
        let (module, rest) = match rest.strip_prefix("[M]") {
            Some(rest) => (true, rest.trim_start()),
            None => (false, rest),
        };
        let target = rest.split_whitespace().next()?;
        Some(Self {
            command,
            module,
            target,
        })
    }

    /// Does this step compile one object of the kernel itself?
    ///
    /// The programs under `tools/` print `CC` too; they do so with an absolute path.
    #[must_use]
    pub fn is_kernel_object(&self) -> bool {
        matches!(self.command, "CC" | "AS") && !self.target.starts_with('/') && self.target.ends_with(".o")
    }

    /// The phase that this step belongs to, where it tells.
    fn phase(&self) -> Option<Phase> {
        if self.is_kernel_object() {
            // Between the linker's passes the tables of symbols are compiled, and with them the version string.
            let of_the_link =
                self.target.starts_with(".tmp_vmlinux") || self.target == "init/version-timestamp.o";
            return Some(if of_the_link { Phase::Link } else { Phase::Compile });
        }
        match self.command {
            "HOSTCC" | "HOSTLD" | "LEX" | "YACC" => Some(Phase::Tools),
            "CC" | "LINK" if self.target.starts_with('/') => Some(Phase::Tools),
            "LD" if self.target.ends_with("vmlinux.o") => Some(Phase::Link),
            "MODPOST" | "KSYMS" | "BTF" | "BTFIDS" | "NM" | "SORTTAB" => Some(Phase::Link),
            _ => None,
        }
    }
}

/// How far a build has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Progress {
    phase: Phase,
    compiled: u32,
    expected: u32,
}

impl Progress {
    /// A build that should compile `expected` objects, `already` of which an interrupted run left behind.
    #[must_use]
    pub fn new(expected: u32, already: u32) -> Self {
        Self {
            phase: Phase::Tools,
            compiled: already.min(expected),
            expected,
        }
    }

    /// Takes one line of output; says whether anything changed.
    pub fn line(&mut self, line: &str) -> bool {
        let Some(action) = Action::parse(line) else {
            return false;
        };
        let before = (self.phase, self.compiled);
        if action.is_kernel_object() {
            self.compiled = self.compiled.saturating_add(1);
        }
        if let Some(phase) = action.phase() {
            // Under -j tools and objects interleave: a build never goes back to an earlier phase.
            self.phase = self.phase.max(phase);
        }
        before != (self.phase, self.compiled)
    }

    /// The phase reached.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Objects compiled so far.
    #[must_use]
    pub fn compiled(&self) -> u32 {
        self.compiled
    }

    /// Objects in all: what was expected, or more if the configuration turned out larger than recorded.
    #[must_use]
    pub fn expected(&self) -> u32 {
        self.expected.max(self.compiled)
    }

    /// Share of the objects that are compiled, from 0 to 1.
    #[must_use]
    pub fn fraction(&self) -> f64 {
        match self.expected() {
            0 => 0.0,
            expected => f64::from(self.compiled) / f64::from(expected),
        }
    }
}

/// How many kernel objects an interrupted build left in its tree, told from the relative paths of the files there.
///
/// Linked collections (`built-in.a`, `vmlinux.o`) and tools are not counted: `make` prints no `CC` line for them.
#[must_use]
pub fn left_behind<'a>(paths: impl IntoIterator<Item = &'a str>) -> u32 {
    let outside = ["tools/", "scripts/", "certs/"];
    let count = paths
        .into_iter()
        .filter(|path| path.ends_with(".o"))
        .filter(|path| !outside.iter().any(|dir| path.starts_with(dir)))
        .filter(|path| !path.ends_with("vmlinux.o"))
        .count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_kbuild_prints() {
        let cases = [
            (
                "  CC      net/core/skbuff.o",
                Some(("CC", false, "net/core/skbuff.o")),
            ),
            (
                "  CC [M]  drivers/net/veth.o",
                Some(("CC", true, "drivers/net/veth.o")),
            ),
            (
                "  HOSTCC  scripts/kallsyms",
                Some(("HOSTCC", false, "scripts/kallsyms")),
            ),
            (
                "  MODPOST Module.symvers",
                Some(("MODPOST", false, "Module.symvers")),
            ),
            ("  AR      built-in.a", Some(("AR", false, "built-in.a"))),
            ("make[2]: Entering directory '/build/linux'", None),
            ("  from include/linux/skbuff.h:17,", None),
            ("net/core/skbuff.c:12: warning: unused", None),
            ("", None),
        ];
        for (line, expected) in cases {
            let got = Action::parse(line).map(|a| (a.command, a.module, a.target));
            assert_eq!(got, expected, "{line}");
        }
    }

    #[test]
    fn counts_the_kernels_objects_and_not_its_tools() {
        let mut progress = Progress::new(4, 0);
        for line in [
            "  HOSTCC  scripts/basic/fixdep",
            "  CC      /build/linux/tools/objtool/libsubcmd/exec-cmd.o",
            "  CC      init/main.o",
            "  AS      arch/x86/entry/entry.o",
            "  AR      init/built-in.a",
        ] {
            progress.line(line);
        }
        assert_eq!(
            (progress.phase(), progress.compiled(), progress.expected()),
            (Phase::Compile, 2, 4)
        );
        assert!((progress.fraction() - 0.5).abs() < f64::EPSILON);
    }

    #[test]
    fn phases_only_move_forward() {
        let mut progress = Progress::new(10, 0);
        assert!(progress.line("  CC      init/main.o"));
        progress.line("  HOSTCC  scripts/sorttable");
        assert_eq!(progress.phase(), Phase::Compile);
        progress.line("  LD      vmlinux.o");
        progress.line("  AS      .tmp_vmlinux.kallsyms1.o");
        assert_eq!(progress.phase(), Phase::Link);
    }

    #[test]
    fn a_resumed_build_starts_where_it_stopped() {
        let left = left_behind([
            "net/core/skbuff.o",
            "tools/objtool/check.o",
            "vmlinux.o",
            "scripts/mod/modpost.o",
            "net/built-in.a",
        ]);
        let mut progress = Progress::new(2, left);
        assert_eq!(progress.compiled(), 1);
        progress.line("  CC      net/socket.o");
        assert!((progress.fraction() - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn more_objects_than_recorded_never_pass_the_whole() {
        let mut progress = Progress::new(1, 0);
        progress.line("  CC      a.o");
        progress.line("  CC      b.o");
        assert_eq!(progress.expected(), 2);
        assert!(progress.fraction() <= 1.0);
    }

    #[test]
    fn noise_changes_nothing() {
        let mut progress = Progress::new(1, 0);
        assert!(!progress.line("warning: something"));
        assert!(!progress.line("  GEN     include/generated/x.h"));
    }
}
