//! Kernel modules: our Kbuild file, the kernel's make, and each module judged on its own.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::WORKSPACE;
use super::compiled::Compiled;
use super::compiler::{Attempt, CompileError, Compiler, check_name};
use super::diagnostic::Severity;
use super::kernel_tree::KernelTree;
use super::sources::SourceSet;
use crate::sandbox::{Limits, Sandbox};
use crate::supervise::Cancel;

/// Changes when the same sources would give other modules.
const RECIPE: &str = "modules/2";

/// A module to build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleSpec {
    /// `send_trace` becomes `send_trace.ko`.
    pub name: String,
    /// Paths in the [`SourceSet`].
    pub sources: Vec<String>,
}

impl Compiler {
    /// Compiles `modules` against `tree`. One that fails does not keep the others from being built. Takes about 2 s
    /// for two modules on an idle machine, and nothing when the same was compiled before.
    ///
    /// # Errors
    /// [`CompileError`] when nothing can be said about the sources; errors in them are in the result.
    pub fn compile_modules(
        &self,
        tree: &KernelTree,
        sources: &SourceSet,
        modules: &[ModuleSpec],
        cancel: &Cancel,
    ) -> Result<Compiled, CompileError> {
        check(sources, modules)?;
        let paths = modules.iter().flat_map(|module| &module.sources);
        let sources = &sources.seen_by(paths.map(String::as_str));
        let mut key = self.key(RECIPE, sources).input("kernel", &tree.kernel_id);
        for module in modules {
            key = key
                .input("module", &module.name)
                .input("sources", module.sources.join(" "));
        }
        self.cached(key.finish(), sources, cancel, |dir| {
            self.build(tree, modules, dir, cancel)
        })
    }

    fn build(
        &self,
        tree: &KernelTree,
        modules: &[ModuleSpec],
        dir: &Path,
        cancel: &Cancel,
    ) -> Result<Attempt, CompileError> {
        let sandbox = sandbox(&self.sandbox()?, tree, dir);
        let limits = self.limits();
        let mut attempt = Attempt::default();
        let mut left: Vec<&ModuleSpec> = modules.iter().collect();
        // Every turn but the last loses at least one module.
        while !left.is_empty() {
            fs::write(dir.join("Kbuild"), kbuild(&left))
                .map_err(CompileError::io("write the Kbuild file"))?;
            let module_dir = format!("M={WORKSPACE}");
            let make = [
                "make",
                "-s",
                "-k",
                "-j4",
                "-C",
                &tree.build_dir,
                &module_dir,
                "CONFIG_DEBUG_INFO_BTF_MODULES=",
                "modules",
            ];
            let finished = self.run(&sandbox, &make, &limits, cancel)?;
            let named: BTreeSet<String> = attempt.absorb(&finished).into_iter().collect();
            if attempt.limit.is_some() {
                break;
            }
            if finished.outcome.is_success() {
                let files: Vec<String> = left.iter().map(|module| format!("{}.ko", module.name)).collect();
                self.strip(&sandbox, &files, dir, &limits, cancel)?;
                attempt
                    .built
                    .extend(left.iter().map(|module| module.name.clone()).zip(files));
                left.clear();
                break;
            }
            let failed = |module: &&ModuleSpec| named.contains(&module.name) || !object_exists(dir, module);
            let lost: Vec<&ModuleSpec> = left.iter().copied().filter(|module| failed(module)).collect();
            if lost.is_empty() {
                // make failed for a reason that no module bears the mark of: none of them can be trusted.
                break;
            }
            attempt
                .failed
                .extend(lost.iter().map(|module| module.name.clone()));
            left.retain(|module| !lost.contains(module));
        }
        attempt
            .failed
            .extend(left.iter().map(|module| module.name.clone()));
        say_something(&mut attempt);
        Ok(attempt)
    }

    /// Nine tenths of a small module are debug information. The guest has no use for it, and gets its files over an
    /// emulated network; on this side it stays, to name the line of a crash.
    fn strip(
        &self,
        sandbox: &Sandbox,
        files: &[String],
        dir: &Path,
        limits: &Limits,
        cancel: &Cancel,
    ) -> Result<(), CompileError> {
        for file in files {
            let file = dir.join(file);
            fs::copy(&file, with_debug_info(&file)).map_err(CompileError::io("keep debug information"))?;
        }
        let argv = ["strip", "--strip-debug"].into_iter();
        let argv: Vec<&str> = argv.chain(files.iter().map(String::as_str)).collect();
        let finished = self.run(sandbox, &argv, limits, cancel)?;
        if finished.outcome.is_success() {
            Ok(())
        } else {
            Err(CompileError::NotStripped {
                log: finished.stderr.trim().to_owned(),
            })
        }
    }
}

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
    if attempt.failed.is_empty() || has_error || attempt.limit.is_some() {
        return;
    }
    let last = attempt
        .log
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty() && !line.starts_with("make"));
    let message = last.unwrap_or("the module could not be built").to_owned();
    attempt
        .diagnostics
        .push(super::diagnostic::Diagnostic::error(None, message));
}

fn check(sources: &SourceSet, modules: &[ModuleSpec]) -> Result<(), CompileError> {
    for module in modules {
        check_name(&module.name)?;
        for path in &module.sources {
            if !sources.contains(path) || !path.ends_with(".c") {
                return Err(CompileError::NoSource {
                    name: module.name.clone(),
                    path: path.clone(),
                });
            }
        }
    }
    Ok(())
}

/// `-g` is there even when the kernel itself has no debug information: a crash is to be shown with its line.
/// `__FILE__` (in warnings of the running kernel) names the file as the student does.
fn kbuild(modules: &[&ModuleSpec]) -> String {
    let mut text = format!("ccflags-y := -g -fdiagnostics-color=never -fmacro-prefix-map={WORKSPACE}/=\n");
    for module in modules {
        let name = &module.name;
        let objects: Vec<String> = module.sources.iter().map(|path| object_of(path)).collect();
        text.push_str(&format!("obj-m += {name}.o\n{name}-y := {}\n", objects.join(" ")));
    }
    text
}

fn object_of(source: &str) -> String {
    format!("{}.o", source.strip_suffix(".c").unwrap_or(source))
}

fn object_exists(dir: &Path, module: &ModuleSpec) -> bool {
    module
        .sources
        .iter()
        .all(|path| dir.join(object_of(path)).exists())
}

fn sandbox(base: &Sandbox, tree: &KernelTree, dir: &Path) -> Sandbox {
    let mut sandbox = base
        .clone()
        .read_only(&tree.host, &tree.mount)
        .writable(dir, WORKSPACE)
        .workdir(WORKSPACE)
        // Kbuild would otherwise write the time, the user and the host into what it makes.
        .env("KBUILD_BUILD_TIMESTAMP", "Thu Jan  1 00:00:00 UTC 1970")
        .env("KBUILD_BUILD_USER", "labctl")
        .env("KBUILD_BUILD_HOST", "labctl");
    for (name, value) in &tree.env {
        sandbox = sandbox.env(name, value);
    }
    sandbox
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
        assert!(check(&sources, &[module("a", "src/a.c")]).is_ok());
        assert!(matches!(
            check(&sources, &[module("a", "src/b.c")]),
            Err(CompileError::NoSource { .. })
        ));
        assert!(matches!(
            check(&sources, &[module("a b", "src/a.c")]),
            Err(CompileError::BadName { .. })
        ));
        assert!(matches!(
            check(&sources, &[module("../x", "src/a.c")]),
            Err(CompileError::BadName { .. })
        ));
    }
}
