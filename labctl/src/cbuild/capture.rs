//! Getting a kernel's [`ModuleRecipe`]: its make builds a module of ours, the commands are read, and they have to give a
//! second module, of other names and two sources, byte for byte as make did.

use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::WORKSPACE;
use super::compiler::{CompileError, Compiler, limit_of};
use super::kernel_tree::KernelTree;
use super::modules::{ModuleSpec, kbuild, make, object_of, sandbox, with_env};
use super::recipe::{ModuleRecipe, PROBE, PROBE_SOURCE, Traces};
use crate::digest::InputHasher;
use crate::sandbox::{Limit, Sandbox};
use crate::store::{Bucket, StoreError};
use crate::supervise::Cancel;

/// Changes when the same tree would give other commands.
const RECIPE: &str = "module-recipe/1";
const FILE: &str = "recipe.json";
const TWIN: &str = "labctl_twin";
const ENVIRONMENT: &str = "environment";

const PROBE_C: &str = "#include <linux/module.h>\nMODULE_DESCRIPTION(\"probe\");\nMODULE_LICENSE(\"GPL\");\n";
/// With a version, for which modpost sums up the sources.
const TWIN_C: &str = r#"#include <linux/module.h>
int labctl_twin_answer(int);
static int __init twin_init(void)
{
	pr_info("%d\n", labctl_twin_answer(1));
	return 0;
}
module_init(twin_init);
MODULE_DESCRIPTION("twin");
MODULE_VERSION("1");
MODULE_LICENSE("GPL");
"#;
const TWIN_PART_C: &str = r#"#include <linux/module.h>
int labctl_twin_answer(int);
int labctl_twin_answer(int of)
{
	WARN_ON(of < 0);
	return of + 41;
}
"#;

/// What is stored.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Capture {
    Recipe(ModuleRecipe),
    /// Why the kernel's own make has to be used.
    Refused(String),
}

/// A recipe and the folder of its shared objects.
pub(super) struct Captured {
    pub(super) recipe: ModuleRecipe,
    dir: PathBuf,
}

impl Captured {
    /// Writes what the recipe's script needs beside the sources of `module`.
    pub(super) fn prepare(&self, module: &ModuleSpec, build: &Path) -> std::io::Result<()> {
        prepare(&self.recipe, &self.dir, module, build)
    }
}

enum Stop {
    Limit(Limit),
    Failed(CompileError),
}

impl From<CompileError> for Stop {
    fn from(error: CompileError) -> Self {
        Self::Failed(error)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl Compiler {
    /// The recipe for modules against `tree`, captured by whoever asks first: some 4 s of processor time. `None` when its
    /// make has to be used, of which the user is told once.
    pub(super) fn recipe(
        &self,
        tree: &KernelTree,
        cancel: &Cancel,
    ) -> Result<Option<Captured>, CompileError> {
        let id = InputHasher::new(RECIPE)
            .input("toolchain", self.toolchain.id().to_string())
            .input("kernel", &tree.kernel_id)
            .input("kbuild", kbuild(&[&probe().spec]))
            .finish()
            .to_string();
        let warn = |reason: &str| {
            self.events.warn(format!(
                "modules for {} are compiled by the kernel's own make, which takes about twice as long: {reason}",
                tree.release
            ));
        };
        let made = self.store.get_or_make(
            Bucket::Artefacts,
            &id,
            cancel,
            |damage| self.events.warn(format!("{damage}; it is made again")),
            |staging| {
                let capture = match self.capture(tree, staging, cancel)? {
                    Ok(recipe) => Capture::Recipe(recipe),
                    Err(reason) => {
                        warn(&reason);
                        Capture::Refused(reason)
                    }
                };
                let text = serde_json::to_vec_pretty(&capture)
                    .map_err(|error| CompileError::io("write a recipe")(error.into()))?;
                fs::write(staging.join(FILE), text).map_err(CompileError::io("write a recipe"))?;
                Ok(())
            },
        );
        let entry = match made {
            Ok(entry) => entry,
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::Limit(limit)) => {
                warn(&format!("looking at it reached the limit of {limit}"));
                return Ok(None);
            }
        };
        let text = fs::read(entry.file(FILE)).map_err(CompileError::io("read a recipe"))?;
        match serde_json::from_slice(&text) {
            Ok(Capture::Recipe(recipe)) => Ok(Some(Captured {
                recipe,
                dir: entry.path().to_owned(),
            })),
            Ok(Capture::Refused(_)) => Ok(None),
            Err(error) => Err(CompileError::io("read a recipe")(error.into())),
        }
    }

    fn capture(
        &self,
        tree: &KernelTree,
        staging: &Path,
        cancel: &Cancel,
    ) -> Result<Result<ModuleRecipe, String>, Stop> {
        let io = CompileError::io;
        let probe = probe();
        let twin = module(TWIN, &[("src/labctl-main.c", TWIN_C), ("part.c", TWIN_PART_C)]);

        let made = tempfile::tempdir_in(staging).map_err(io("make a build folder"))?;
        let read = |file: &str| fs::read_to_string(made.path().join(file)).ok();
        probe.write(made.path())?;
        twin.write(made.path())?;
        let kbuild = kbuild(&[&probe.spec, &twin.spec])
            + &format!("always-y += {ENVIRONMENT}\n$(obj)/{ENVIRONMENT}: FORCE\n\tenv -0 > $@\n");
        fs::write(made.path().join("Kbuild"), kbuild).map_err(io("write the Kbuild file"))?;
        let sandbox = sandbox(&self.sandbox()?, tree, made.path());
        if !self.succeeds(&sandbox, &make(), cancel)? {
            return Ok(Err("it does not build a module of two lines".to_owned()));
        }
        let traces = Traces {
            file: &read,
            environment: &read(ENVIRONMENT).unwrap_or_default(),
        };
        let recipe = match ModuleRecipe::read(&traces) {
            Ok(recipe) => recipe,
            Err(reason) => return Ok(Err(reason)),
        };
        for file in &recipe.shared {
            fs::copy(made.path().join(file), staging.join(file)).map_err(io("keep a shared object"))?;
        }
        if self.repeats(tree, &recipe, &twin, made.path(), staging, cancel)? {
            Ok(Ok(recipe))
        } else {
            Ok(Err("its commands, run again, give another module".to_owned()))
        }
    }

    /// Whether `recipe` gives the twin that make put into `made`.
    fn repeats(
        &self,
        tree: &KernelTree,
        recipe: &ModuleRecipe,
        twin: &Own,
        made: &Path,
        staging: &Path,
        cancel: &Cancel,
    ) -> Result<bool, Stop> {
        let again = tempfile::tempdir_in(staging).map_err(CompileError::io("make a build folder"))?;
        twin.write(again.path())?;
        prepare(recipe, staging, &twin.spec, again.path()).map_err(CompileError::io("write a probe"))?;
        let sandbox = sandbox(&self.sandbox()?, tree, again.path());
        if !self.succeeds(
            &with_env(sandbox, &recipe.env),
            &recipe.script(&twin.spec),
            cancel,
        )? {
            return Ok(false);
        }
        let ko = format!("{TWIN}.ko");
        let read = |dir: &Path| fs::read(dir.join(&ko)).map_err(CompileError::io("read a probe"));
        Ok(read(made)? == read(again.path())?)
    }

    fn succeeds(&self, sandbox: &Sandbox, script: &str, cancel: &Cancel) -> Result<bool, Stop> {
        let finished = self.run(sandbox, &["sh", "-c", script], &self.limits(), cancel)?;
        match limit_of(&finished) {
            Some(limit) => Err(Stop::Limit(limit)),
            None => Ok(finished.outcome.is_success()),
        }
    }
}

/// A module of ours.
struct Own {
    spec: ModuleSpec,
    files: Vec<(String, &'static str)>,
}

fn module(name: &str, files: &[(&str, &'static str)]) -> Own {
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), *text))
        .collect();
    Own {
        spec: ModuleSpec {
            name: name.to_owned(),
            sources: files.iter().map(|(path, _)| path.clone()).collect(),
        },
        files,
    }
}

fn probe() -> Own {
    module(PROBE, &[(&format!("src/{PROBE_SOURCE}.c"), PROBE_C)])
}

impl Own {
    fn write(&self, dir: &Path) -> Result<(), CompileError> {
        let write = |(path, text): &(String, &str)| {
            let path = dir.join(path);
            fs::create_dir_all(path.parent().unwrap_or(dir))?;
            fs::write(path, text)
        };
        self.files
            .iter()
            .try_for_each(write)
            .map_err(CompileError::io("write a probe"))
    }
}

/// What make would have written by commands of its own: the lists of objects and modules.
fn prepare(recipe: &ModuleRecipe, shared: &Path, module: &ModuleSpec, build: &Path) -> std::io::Result<()> {
    let objects: String = module
        .sources
        .iter()
        .map(|path| format!("{WORKSPACE}/{}\n", object_of(path)))
        .collect();
    fs::write(build.join(format!("{}.mod", module.name)), objects)?;
    fs::write(
        build.join("modules.order"),
        format!("{WORKSPACE}/{}.o\n", module.name),
    )?;
    for file in &recipe.shared {
        fs::copy(shared.join(file), build.join(file))?;
    }
    Ok(())
}
