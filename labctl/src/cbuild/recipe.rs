//! How a kernel's own make builds a module, as the commands that it left beside its outputs (`.x.o.cmd` …), with the
//! names taken out. Replaying them leaves out what make does at every start: asking the compiler some fifty times what
//! it can do, which takes as long as compiling a small module.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::WORKSPACE;
use super::modules::ModuleSpec;

/// The module that is built to see the commands. Its name and that of its source occur in no command otherwise.
pub(super) const PROBE: &str = "labctl_probe";
pub(super) const PROBE_SOURCE: &str = "labctl_source";
/// Status of the script when the commands are not all that this module needs.
pub(super) const DECLINED: i32 = 77;

/// What differs between modules, in this order: the first contains the last.
const NAMES: [(&str, &str); 4] = [
    ("src/.labctl_source", "{dir}.{stem}"),
    ("src/labctl_source", "{dir}{stem}"),
    (PROBE_SOURCE, "{basename}"),
    (PROBE, "{module}"),
];

/// make's own state, and what the sandbox sets.
const NOT_FOR_COMMANDS: [&str; 9] = [
    "HOME",
    "MAKEFLAGS",
    "MAKELEVEL",
    "MFLAGS",
    "PATH",
    "PWD",
    "SHLVL",
    "TMPDIR",
    "_",
];

/// The commands of one kernel tree and one toolchain, run in the tree's build folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ModuleRecipe {
    /// A source to its object.
    compile: String,
    /// Objects to one.
    join: String,
    /// Symbols are resolved, and `{module}.mod.c` is written.
    modpost: String,
    compile_mod: String,
    /// The objects to a `.ko`.
    link: String,
    /// Objects in the build folder that are the same for every module.
    pub(super) shared: Vec<String>,
    /// What make exports: Debian's objtool is a script that reads it.
    pub(super) env: BTreeMap<String, String>,
}

/// What the probe's build left.
pub(super) struct Traces<'a> {
    /// Gives the text of a file of the build folder.
    pub(super) file: &'a dyn Fn(&str) -> Option<String>,
    /// Its environment, `NAME=VALUE` with a zero byte behind each.
    pub(super) environment: &'a str,
}

impl ModuleRecipe {
    /// Reads the probe's build.
    ///
    /// # Errors
    /// A sentence about the first thing that is not as this code knows it.
    pub(super) fn read(traces: &Traces<'_>) -> Result<Self, String> {
        let command = |target: String, parts: &[&str]| {
            let (dir, name) = target.rsplit_once('/').unwrap_or(("", &target));
            let slash = if dir.is_empty() { "" } else { "/" };
            let file = format!("{dir}{slash}.{name}.cmd");
            let text = (traces.file)(&file).ok_or_else(|| format!("its make left no `{file}`"))?;
            let command = saved_command(&text, &target).ok_or_else(|| format!("`{file}` has no command"))?;
            match parts.iter().find(|part| !command.contains(*part)) {
                Some(part) => Err(format!("the command for `{target}` lacks `{part}`")),
                None => Ok(command),
            }
        };
        let compile = command(
            format!("src/{PROBE_SOURCE}.o"),
            &[
                "-Wp,-MMD,/workspace/{dir}.{stem}.o.d ",
                " -c -o /workspace/{dir}{stem}.o /workspace/{dir}{stem}.c",
                "'\"{basename}\"'",
                "'\"{module}\"'",
            ],
        )?;
        let join = command(
            format!("{PROBE}.o"),
            &["-o /workspace/{module}.o @/workspace/{module}.mod"],
        )?;
        let modpost = command(
            "Module.symvers".to_owned(),
            &["modpost ", " -T /workspace/modules.order"],
        )?;
        let compile_mod = command(
            format!("{PROBE}.mod.o"),
            &["-c -o /workspace/{module}.mod.o /workspace/{module}.mod.c"],
        )?;
        let link = command(
            format!("{PROBE}.ko"),
            &["-o /workspace/{module}.ko /workspace/{module}.o /workspace/{module}.mod.o"],
        )?;
        let shared: Vec<String> = link
            .split_ascii_whitespace()
            .filter_map(|word| word.strip_prefix(WORKSPACE)?.strip_prefix('/'))
            .filter(|file| !file.contains("{module}"))
            .map(str::to_owned)
            .collect();
        if let Some(file) = shared.iter().find(|file| file.contains(['/', ';', '\''])) {
            return Err(format!("modules are linked with `{file}`"));
        }
        let env = traces
            .environment
            .split('\0')
            .filter_map(|entry| entry.split_once('='))
            .filter(|(name, _)| !NOT_FOR_COMMANDS.contains(name))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Ok(Self {
            compile,
            join,
            modpost,
            compile_mod,
            link,
            shared,
            env,
        })
    }

    /// The script that builds `module` in [`WORKSPACE`], started in the tree's build folder. As with make, every source is
    /// compiled, even after another failed. It ends with [`DECLINED`] when make has to be asked.
    pub(super) fn script(&self, module: &ModuleSpec) -> String {
        let mut script = String::from("good=yes\n");
        let mut objects = String::new();
        for source in &module.sources {
            let path = source.strip_suffix(".c").unwrap_or(source);
            let (dir, stem) = path.rfind('/').map_or(("", path), |at| path.split_at(at + 1));
            // fixdep writes what modpost reads for the version of the source.
            let compile = format!(
                "{}; scripts/basic/fixdep {WORKSPACE}/{dir}.{stem}.o.d {WORKSPACE}/{path}.o '' \
                 > {WORKSPACE}/{dir}.{stem}.o.cmd",
                self.compile
                    .replace("{dir}", dir)
                    .replace("{stem}", stem)
                    .replace("{basename}", &stem.replace('-', "_"))
            );
            script.push_str(&step(&compile, module, "good="));
            objects.push_str(&format!(" {WORKSPACE}/{path}.o"));
        }
        script.push_str("test $good || exit 1\n");
        if self.has_symbol_versions() {
            // genksyms is run for them, by a command that is not written down.
            script.push_str(&format!(
                "if nm{objects} | grep -q ' __export_symbol_'; then exit {DECLINED}; fi\n"
            ));
        }
        for command in [&self.join, &self.modpost, &self.compile_mod, &self.link] {
            script.push_str(&step(command, module, "exit 1"));
        }
        script
    }

    /// modpost's `-m`: CONFIG_MODVERSIONS.
    fn has_symbol_versions(&self) -> bool {
        self.modpost.split_ascii_whitespace().any(|word| word == "-m")
    }
}

/// One command in a shell of its own that ends at the first failure, as make runs it.
fn step(command: &str, module: &ModuleSpec, otherwise: &str) -> String {
    let command = command.replace("{module}", &module.name).replace('\'', "'\\''");
    format!("sh -e -c '{command}' || {otherwise}\n")
}

/// The command of a `.cmd` file (scripts/Kbuild.include: `make-cmd`), without make's escapes and with the names taken out.
fn saved_command(text: &str, target: &str) -> Option<String> {
    let (left, command) = text.lines().next()?.split_once(" := ")?;
    // `cmd_` before Linux 6.3.
    let name = left
        .strip_prefix("savedcmd_")
        .or_else(|| left.strip_prefix("cmd_"))?;
    if name != format!("{WORKSPACE}/{target}") {
        return None;
    }
    let plain = command.trim().replace("$(pound)", "#").replace("$$", "$");
    Some(
        NAMES
            .iter()
            .fold(plain, |text, (name, place)| text.replace(name, place)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAB: &str = include_str!("../../tests/corpus/module-commands/lab-6.12.cmd");
    const DEBIAN: &str = include_str!("../../tests/corpus/module-commands/debian-6.12.cmd");

    /// `recorded` holds the first line of each `.cmd` file.
    fn read(recorded: &str) -> Result<ModuleRecipe, String> {
        let file = |path: &str| {
            let (dir, name) = path
                .rsplit_once('/')
                .map_or(("", path), |(_, name)| ("src/", name));
            let target = name.strip_prefix('.')?.strip_suffix(".cmd")?;
            let start = format!("savedcmd_{WORKSPACE}/{dir}{target} := ");
            let line = recorded.lines().find(|line| line.starts_with(&start))?;
            Some(format!("{line}\n\nsource_x := y\n"))
        };
        ModuleRecipe::read(&Traces {
            file: &file,
            environment: "SRCARCH=x86\0MAKEFLAGS=rRs -- M=/workspace\0KBUILD_CFLAGS=-a=b -c\0",
        })
    }

    fn module() -> ModuleSpec {
        ModuleSpec {
            name: "send_trace".to_owned(),
            sources: vec!["src/send-it.c".to_owned(), "part.c".to_owned()],
        }
    }

    #[test]
    fn the_recorded_commands_become_a_script() {
        for recorded in [LAB, DEBIAN] {
            let recipe = read(recorded).unwrap();
            assert_eq!(recipe.shared, [".module-common.o"]);
            assert_eq!(
                recipe
                    .env
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_str()))
                    .collect::<Vec<_>>(),
                [("KBUILD_CFLAGS", "-a=b -c"), ("SRCARCH", "x86")]
            );
            let script = recipe.script(&module());
            for part in [
                " -Wp,-MMD,/workspace/src/.send-it.o.d ",
                " -DKBUILD_BASENAME='\\''\"send_it\"'\\'' -DKBUILD_MODNAME='\\''\"send_trace\"'\\'' ",
                " -c -o /workspace/src/send-it.o /workspace/src/send-it.c",
                "fixdep /workspace/src/.send-it.o.d /workspace/src/send-it.o ",
                " -c -o /workspace/part.o /workspace/part.c",
                " -o /workspace/send_trace.o @/workspace/send_trace.mod",
                "/workspace/send_trace.o /workspace/send_trace.mod.o /workspace/.module-common.o",
            ] {
                assert!(script.contains(part), "{part} in {script}");
            }
            assert!(
                !script.contains("labctl_") && !script.contains(['{', '}']),
                "{script}"
            );
        }
    }

    #[test]
    fn exported_symbols_are_left_to_make_where_they_have_versions() {
        let declines = |recorded| read(recorded).unwrap().script(&module()).contains("exit 77");
        assert_eq!((declines(LAB), declines(DEBIAN)), (false, true));
    }

    #[test]
    fn makes_escapes_are_undone() {
        let text = "cmd_/workspace/x.o := awk '{ print $$1 }' $(pound) x\nsource_x := y\n";
        assert_eq!(saved_command(text, "x.o").unwrap(), "awk '{ print $1 }' # x");
        assert_eq!(saved_command(text, "y.o"), None);
    }

    #[test]
    fn what_is_not_as_expected_is_named() {
        let refused = |from: &str, to: &str| read(&LAB.replace(from, to)).unwrap_err();
        let reason = refused("savedcmd_/workspace/labctl_probe.ko", "savedcmd_/x");
        assert_eq!(reason, "its make left no `.labctl_probe.ko.cmd`");
        assert!(refused("-T /workspace/modules.order", "").contains("lacks ` -T"));
        assert!(refused("-Wp,-MMD,", "-MD ").contains("lacks `-Wp,-MMD,"));
        assert!(refused("/workspace/.module-common.o", "/workspace/lib/x.o").contains("lib/x.o"));
    }
}
