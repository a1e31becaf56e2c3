//! Kernel modules: each built on its own, by the commands of the kernel's make or by that make with a Kbuild file of ours.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::WORKSPACE;
use super::compiled::Compiled;
use super::compiler::{Attempt, CompileError, Compiler, check_name};
use super::diagnostic::{Diagnostic, Severity};
use super::kernel_tree::KernelTree;
use super::recipe::DECLINED;
use super::sources::SourceSet;
use crate::sandbox::{Outcome, Sandbox};
use crate::supervise::Cancel;

/// Changes when the same sources would give other modules.
const RECIPE: &str = "modules/3";

/// A module to build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleSpec {
    /// `send_trace` becomes `send_trace.ko`.
    pub name: String,
    /// Paths in the [`SourceSet`].
    pub sources: Vec<String>,
}

impl Compiler {
    /// Compiles `module` against `tree`: it can use what the kernel exports, but nothing of another module. Takes about
    /// a second of processor time, and nothing when the same was compiled before.
    ///
    /// # Errors
    /// [`CompileError`] when nothing can be said about the sources; errors in them are in the result.
    pub fn compile_module(
        &self,
        tree: &KernelTree,
        sources: &SourceSet,
        module: &ModuleSpec,
        cancel: &Cancel,
    ) -> Result<Compiled, CompileError> {
        check(sources, module)?;
        let visible = sources.visible_to(&module.sources);
        let key = self
            .key(RECIPE, &visible)
            .input("kernel", &tree.kernel_id)
            .input("module", &module.name)
            .input("sources", module.sources.join(" "));
        self.cached(key.finish(), &visible, cancel, |dir| {
            let sandbox = sandbox(&self.sandbox()?, tree, dir);
            let mut attempt = match self.replay(tree, module, &sandbox, dir, cancel)? {
                Some(attempt) => attempt,
                None => self.make(module, &sandbox, dir, cancel)?,
            };
            say_something(&mut attempt);
            Ok(attempt)
        })
    }

    /// Runs the commands that the kernel's make would; `None` when they are not known, or not all that `module` needs.
    fn replay(
        &self,
        tree: &KernelTree,
        module: &ModuleSpec,
        sandbox: &Sandbox,
        dir: &Path,
        cancel: &Cancel,
    ) -> Result<Option<Attempt>, CompileError> {
        let Some(captured) = self.recipe(tree, cancel)? else {
            return Ok(None);
        };
        captured
            .prepare(module, dir)
            .map_err(CompileError::io("prepare a build folder"))?;
        let sandbox = with_env(sandbox.clone(), &captured.recipe.env);
        self.run_script(&sandbox, &captured.recipe.script(module), module, cancel)
    }

    fn make(
        &self,
        module: &ModuleSpec,
        sandbox: &Sandbox,
        dir: &Path,
        cancel: &Cancel,
    ) -> Result<Attempt, CompileError> {
        fs::write(dir.join("Kbuild"), kbuild(&[module]))
            .map_err(CompileError::io("write the Kbuild file"))?;
        let attempt = self.run_script(sandbox, &make(), module, cancel)?;
        Ok(attempt.unwrap_or_default())
    }

    /// Runs what makes the module, and parts it from its debug information: nine tenths of a small one. The guest has no
    /// use for that, and gets its files over an emulated network; on this side it stays, to name the line of a crash.
    /// `None` when the script declined.
    fn run_script(
        &self,
        sandbox: &Sandbox,
        script: &str,
        module: &ModuleSpec,
        cancel: &Cancel,
    ) -> Result<Option<Attempt>, CompileError> {
        let ko = format!("{}.ko", module.name);
        let script = format!(
            "{script}cd {WORKSPACE} && mv {ko} {ko}.debug && strip --strip-debug -o {ko} {ko}.debug || exit {NOT_STRIPPED}\n"
        );
        let finished = self.run(sandbox, &["sh", "-c", &script], &self.limits(), cancel)?;
        match finished.outcome {
            Outcome::Exited(DECLINED) => return Ok(None),
            Outcome::Exited(NOT_STRIPPED) => {
                return Err(CompileError::NotStripped {
                    log: finished.stderr.trim().to_owned(),
                });
            }
            _ => {}
        }
        let mut attempt = Attempt::default();
        attempt.absorb(&finished);
        attempt.built = finished.outcome.is_success().then_some(ko);
        Ok(Some(attempt))
    }
}

/// Status of the script when the module is made, but strip does not take it.
const NOT_STRIPPED: i32 = 76;

/// Where the unstripped twin of a module lies.
pub(super) fn with_debug_info(ko: &Path) -> PathBuf {
    ko.with_extension("ko.debug")
}

/// A failure without a single error message would leave the student alone with it.
fn say_something(attempt: &mut Attempt) {
    let has_error = attempt
        .diagnostics
        .iter()
        .any(|diagnostic| diagnostic.severity == Severity::Error);
    if attempt.built.is_some() || has_error || attempt.limit.is_some() {
        return;
    }
    let last = attempt
        .log
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty() && !line.starts_with("make"));
    let message = last.unwrap_or("the module could not be built").to_owned();
    attempt.diagnostics.push(Diagnostic::error(None, message));
}

fn check(sources: &SourceSet, module: &ModuleSpec) -> Result<(), CompileError> {
    check_name(&module.name)?;
    for path in &module.sources {
        if !sources.contains(path) || !path.ends_with(".c") {
            return Err(CompileError::NoSource {
                name: module.name.clone(),
                path: path.clone(),
            });
        }
    }
    Ok(())
}

/// `-g` is there even when the kernel itself has no debug information: a crash is to be shown with its line.
/// `__FILE__` (in warnings of the running kernel) names the file as the student does.
pub(super) fn kbuild(modules: &[&ModuleSpec]) -> String {
    let mut text = format!("ccflags-y := -g -fdiagnostics-color=never -fmacro-prefix-map={WORKSPACE}/=\n");
    for module in modules {
        let name = &module.name;
        let objects: Vec<String> = module.sources.iter().map(|path| object_of(path)).collect();
        text.push_str(&format!("obj-m += {name}.o\n{name}-y := {}\n", objects.join(" ")));
    }
    text
}

pub(super) fn object_of(source: &str) -> String {
    format!("{}.o", source.strip_suffix(".c").unwrap_or(source))
}

/// The script of a build by the kernel's own make.
pub(super) fn make() -> String {
    format!("make -s -k -j4 M={WORKSPACE} CONFIG_DEBUG_INFO_BTF_MODULES= modules || exit 1\n")
}

/// A sandbox on the tree with `dir` as the workspace, in the folder where the tree's make and its commands are run.
pub(super) fn sandbox(base: &Sandbox, tree: &KernelTree, dir: &Path) -> Sandbox {
    let sandbox = base
        .clone()
        .read_only(&tree.host, &tree.mount)
        .writable(dir, WORKSPACE)
        .workdir(&tree.build_dir)
        // Kbuild would otherwise write the time, the user and the host into what it makes.
        .env("KBUILD_BUILD_TIMESTAMP", "Thu Jan  1 00:00:00 UTC 1970")
        .env("KBUILD_BUILD_USER", "labctl")
        .env("KBUILD_BUILD_HOST", "labctl");
    with_env(sandbox, &tree.env)
}

pub(super) fn with_env(sandbox: Sandbox, env: &BTreeMap<String, String>) -> Sandbox {
    env.iter()
        .fold(sandbox, |sandbox, (name, value)| sandbox.env(name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(name: &str, path: &str) -> ModuleSpec {
        ModuleSpec {
            name: name.to_owned(),
            sources: vec![path.to_owned()],
        }
    }

    #[test]
    fn the_kbuild_file_is_ours() {
        let send = module("send_trace", "src/send_trace.c");
        let recv = module("recv_trace", "src/recv_trace.c");
        assert_eq!(
            kbuild(&[&send, &recv]),
            "ccflags-y := -g -fdiagnostics-color=never -fmacro-prefix-map=/workspace/=\n\
             obj-m += send_trace.o\nsend_trace-y := src/send_trace.o\n\
             obj-m += recv_trace.o\nrecv_trace-y := src/recv_trace.o\n"
        );
    }

    #[test]
    fn names_and_sources_are_checked() {
        let mut sources = SourceSet::default();
        sources.insert("src/a.c", "").unwrap();
        assert!(check(&sources, &module("a", "src/a.c")).is_ok());
        assert!(matches!(
            check(&sources, &module("a", "src/b.c")),
            Err(CompileError::NoSource { .. })
        ));
        assert!(matches!(
            check(&sources, &module("a b", "src/a.c")),
            Err(CompileError::BadName { .. })
        ));
        assert!(matches!(
            check(&sources, &module("../x", "src/a.c")),
            Err(CompileError::BadName { .. })
        ));
    }
}
