//! The whole course: modules, exercises, sources, mutants; and finding an exercise by name.

use std::collections::BTreeMap;

use super::annotate::{self, Annotated};
use super::catalogue::{self, Catalogue};
use super::error::{SpecError, SpecErrors};
use super::exercise::Exercise;
use super::files::CourseFiles;
use super::ids::ModuleId;
use super::mutant::{self, Mutant};
use super::quantity;
use super::raw::{RawCourse, RawModule, RawVm};
use super::suggest::did_you_mean;
use super::survey::{self, SURVEY_FILE, Survey};
use super::validate::{self, Surroundings};
use super::value;
use super::yaml::{Source, Spanned};

/// Name of the course file.
pub const COURSE_FILE: &str = "labs.yaml";

/// A checked course.
#[derive(Debug, Clone)]
pub struct Course {
    /// For results.
    pub name: String,
    /// One line for people.
    pub title: String,
    /// Kernel modules of `guest-tools/` that exercises may load.
    pub tool_modules: Vec<String>,
    /// Programs of `guest-tools/` that exercises may run.
    pub tool_programs: Vec<String>,
    /// In the order of `labs.yaml`.
    pub modules: Vec<Module>,
}

/// A module of the course.
#[derive(Debug, Clone)]
pub struct Module {
    /// Unique in the course.
    pub id: ModuleId,
    /// One line for people.
    pub title: String,
    /// The course kernel: a folder of `kernels/`.
    pub kernel: String,
    /// Other kernels it may run on.
    pub kernels: Vec<String>,
    /// A folder of `images/`.
    pub image: String,
    /// Shape of the virtual machine.
    pub vm: VmShape,
    /// In the order of `labs.yaml`.
    pub exercises: Vec<Exercise>,
    /// Annotated sources by path in the workspace (`src/send_trace.c`, `commands/command-1.sh`).
    pub sources: BTreeMap<String, Annotated>,
    /// Further files of the workspace, copied as they are (`README.md`).
    pub template: BTreeMap<String, String>,
    /// Known wrong submissions, by id.
    pub mutants: Vec<Mutant>,
    /// The lesson's claims about the kernel, where the module has a `facts.yaml`.
    pub survey: Option<Survey>,
    /// The mistakes that it predicts by name; empty without a `mistakes.yaml`.
    pub mistakes: Catalogue,
}

/// Shape of a virtual machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VmShape {
    /// Virtual CPUs, 1 to 16.
    pub cpus: u32,
    /// Memory in MiB, 128 to 65536.
    pub memory_mib: u32,
}

/// No exercise or module has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// No module is called so.
    #[error("no module `{name}`{hint}")]
    Module {
        /// The name.
        name: String,
        /// `, did you mean …?`, whose exercise it is, or empty.
        hint: String,
    },
    /// Nothing is called so.
    #[error("no exercise or module `{name}`{hint}")]
    Unknown {
        /// The name.
        name: String,
        /// `, did you mean …?`, or empty.
        hint: String,
    },
    /// Several modules have an exercise of this name.
    #[error("several modules have an exercise `{name}`: {candidates}")]
    Ambiguous {
        /// The name.
        name: String,
        /// The full names.
        candidates: String,
    },
}

impl Course {
    /// Reads and checks a course.
    ///
    /// # Errors
    /// Every mistake in any of its files, each with file, line and column.
    pub fn load(files: &CourseFiles) -> Result<Self, SpecErrors> {
        Self::load_some(files, None)
    }

    /// Reads and checks the modules, but of their exercises only those whose module and id are `wanted`: most of the
    /// time that a course takes goes into its rules. Facts and mutants come with all exercises only.
    ///
    /// # Errors
    /// Every mistake in what is read.
    pub fn load_some(files: &CourseFiles, wanted: Option<&Wanted<'_>>) -> Result<Self, SpecErrors> {
        let missing = |file: &str, what: &str| SpecError {
            file: file.to_owned(),
            line: 1,
            column: 1,
            what: what.to_owned(),
        };
        let text = files
            .text(COURSE_FILE)?
            .ok_or_else(|| missing(COURSE_FILE, "this file is missing"))?;
        let source = Source::new(COURSE_FILE, text);
        let raw: RawCourse = source.read()?;
        let mut loader = Loader {
            files,
            source: &source,
            wanted,
            errors: Vec::new(),
        };
        let values = |list: Vec<Spanned<String>>| list.into_iter().map(|item| item.value).collect::<Vec<_>>();
        let around = Surroundings {
            tool_modules: values(raw.guest_tools.modules),
            tool_programs: values(raw.guest_tools.programs),
            ..Surroundings::default()
        };
        if raw.modules.0.is_empty() {
            loader.error(&raw.course, "a course has at least one module");
        }
        let mut modules = Vec::new();
        for (id, module) in raw.modules.0 {
            modules.extend(loader.module(&id, module, &around));
        }
        SpecErrors::check(
            loader.errors,
            Self {
                name: raw.course.value,
                title: raw.title,
                tool_modules: around.tool_modules,
                tool_programs: around.tool_programs,
                modules,
            },
        )
    }

    /// The exercises that a name stands for: `exercise-b`, `module7/exercise-b`, or all of `module7`.
    ///
    /// # Errors
    /// When nothing, or more than one module's exercise, is called so.
    pub fn find(&self, name: &str) -> Result<Vec<(&Module, &Exercise)>, NotFound> {
        let all = || {
            self.modules
                .iter()
                .flat_map(|module| module.exercises.iter().map(move |exercise| (module, exercise)))
        };
        if let Some(module) = self.modules.iter().find(|module| module.id.as_str() == name) {
            return Ok(module
                .exercises
                .iter()
                .map(|exercise| (module, exercise))
                .collect());
        }
        let found: Vec<_> = all()
            .filter(|(_, exercise)| exercise.id.as_str() == name || exercise.full_name() == name)
            .collect();
        match found.len() {
            1 => Ok(found),
            0 => {
                let mut known: Vec<String> =
                    self.modules.iter().map(|module| module.id.to_string()).collect();
                known.extend(all().map(|(_, exercise)| exercise.id.to_string()));
                if name.contains('/') {
                    known = all().map(|(_, exercise)| exercise.full_name()).collect();
                }
                let hint = did_you_mean(name, known.iter().map(String::as_str));
                Err(NotFound::Unknown {
                    name: name.to_owned(),
                    hint,
                })
            }
            _ => {
                let names: Vec<String> = found.iter().map(|(_, exercise)| exercise.full_name()).collect();
                Err(NotFound::Ambiguous {
                    name: name.to_owned(),
                    candidates: names.join(", "),
                })
            }
        }
    }

    /// A module by id.
    ///
    /// # Errors
    /// When there is none.
    pub fn module(&self, id: &str) -> Result<&Module, NotFound> {
        self.modules
            .iter()
            .find(|module| module.id.as_str() == id)
            .ok_or_else(|| {
                let of = self.modules.iter().find(|module| module.exercise(id).is_some());
                NotFound::Module {
                    name: id.to_owned(),
                    hint: match of {
                        Some(module) => format!(", that is an exercise of `{}`", module.id),
                        None => did_you_mean(id, self.modules.iter().map(|module| module.id.as_str())),
                    },
                }
            })
    }
}

impl Module {
    /// An exercise by id.
    #[must_use]
    pub fn exercise(&self, id: &str) -> Option<&Exercise> {
        self.exercises.iter().find(|exercise| exercise.id.as_str() == id)
    }
}

/// Whether an exercise, by its module and its id, is to be read.
pub type Wanted<'a> = dyn Fn(&str, &str) -> bool + 'a;

struct Loader<'a> {
    files: &'a CourseFiles,
    source: &'a Source,
    wanted: Option<&'a Wanted<'a>>,
    errors: Vec<SpecError>,
}

impl Loader<'_> {
    fn module(&mut self, id: &Spanned<String>, raw: RawModule, around: &Surroundings) -> Option<Module> {
        let Some(module_id) = ModuleId::new(&id.value) else {
            self.error(id, format!("`{}` is not a name for a module", id.value));
            return None;
        };
        let folder = format!("labs/{}/", id.value);
        let sources = self.sources(&folder);
        let template = self.template(&folder);
        let mistakes = self.catalogue(&folder);
        let around = Surroundings {
            workspace: sources.keys().cloned().collect(),
            mistakes: mistakes.keys().cloned().collect(),
            ..around.clone()
        };
        let mut exercises = Vec::new();
        let wanted =
            |name: &&Spanned<String>| self.wanted.is_none_or(|wanted| wanted(&id.value, &name.value));
        let wanted: Vec<_> = raw.exercises.iter().filter(wanted).collect();
        for name in wanted {
            exercises.extend(self.exercise(&folder, name, &module_id, &around));
        }
        let exercise_folder = format!("{folder}exercises/");
        for path in self.files.under(&exercise_folder) {
            let stem = path[exercise_folder.len()..].trim_end_matches(".yaml");
            if !raw.exercises.iter().any(|name| name.value == stem) {
                self.errors.push(
                    self.source
                        .at(id, format!("{path} is not among the exercises of {}", id.value)),
                );
            }
        }
        let solution: BTreeMap<String, String> = sources
            .iter()
            .map(|(path, both)| (path.clone(), both.solution.clone()))
            .collect();
        // A mutant of an exercise that has errors itself would only echo them.
        let mutants = if exercises.len() == raw.exercises.len() {
            self.mutants(&format!("{folder}mutants/"), &exercises, &solution)
        } else {
            Vec::new()
        };
        let survey = match self.wanted {
            None => self.survey(&folder, &module_id, &around),
            Some(_) => None,
        };
        let vm = self.vm(&raw.vm);
        Some(Module {
            id: module_id,
            title: raw.title,
            kernel: raw.kernel.value,
            kernels: raw.kernels.into_iter().map(|kernel| kernel.value).collect(),
            image: raw.image.value,
            vm: vm?,
            exercises,
            sources,
            template,
            mutants,
            survey,
            mistakes,
        })
    }

    fn exercise(
        &mut self,
        folder: &str,
        name: &Spanned<String>,
        module: &ModuleId,
        around: &Surroundings,
    ) -> Option<Exercise> {
        let path = format!("{folder}exercises/{}.yaml", name.value);
        let Some(text) = self.text(&path) else {
            let prefix = format!("{folder}exercises/");
            let known: Vec<&str> = self
                .files
                .under(&prefix)
                .filter_map(|path| path[prefix.len()..].strip_suffix(".yaml"))
                .collect();
            let hint = did_you_mean(&name.value, known);
            self.error(name, format!("there is no {path}{hint}"));
            return None;
        };
        match validate::exercise(&Source::new(&path, &text), module, around) {
            Ok(exercise) => Some(exercise),
            Err(errors) => {
                self.errors.extend_from_slice(errors.as_slice());
                None
            }
        }
    }

    fn survey(&mut self, folder: &str, module: &ModuleId, around: &Surroundings) -> Option<Survey> {
        let path = format!("{folder}{SURVEY_FILE}");
        let text = self.text(&path)?;
        match survey::survey(&Source::new(&path, &text), module, around) {
            Ok(survey) => Some(survey),
            Err(errors) => {
                self.errors.extend_from_slice(errors.as_slice());
                None
            }
        }
    }

    fn sources(&mut self, folder: &str) -> BTreeMap<String, Annotated> {
        let mut sources = BTreeMap::new();
        for part in ["src/", "commands/"] {
            let paths: Vec<String> = self
                .files
                .under(&format!("{folder}{part}"))
                .map(str::to_owned)
                .collect();
            for path in paths {
                let Some(text) = self.text(&path) else { continue };
                match annotate::split(&Source::new(&path, &text)) {
                    Ok(both) => {
                        sources.insert(path[folder.len()..].to_owned(), both);
                    }
                    Err(errors) => {
                        self.errors.extend_from_slice(errors.as_slice());
                        // It is there, whatever is wrong in it: an exercise may name it.
                        let both = Annotated {
                            skeleton: text.clone(),
                            solution: text,
                        };
                        sources.insert(path[folder.len()..].to_owned(), both);
                    }
                }
            }
        }
        sources
    }

    fn catalogue(&mut self, folder: &str) -> Catalogue {
        let path = format!("{folder}mistakes.yaml");
        let Some(text) = self.text(&path) else {
            return Catalogue::new();
        };
        catalogue::catalogue(&Source::new(&path, &text)).unwrap_or_else(|errors| {
            self.errors.extend_from_slice(errors.as_slice());
            Catalogue::new()
        })
    }

    fn template(&mut self, folder: &str) -> BTreeMap<String, String> {
        let prefix = format!("{folder}workspace/");
        let paths: Vec<String> = self.files.under(&prefix).map(str::to_owned).collect();
        paths
            .into_iter()
            .filter_map(|path| {
                self.text(&path)
                    .map(|text| (path[prefix.len()..].to_owned(), text))
            })
            .collect()
    }

    fn mutants(
        &mut self,
        folder: &str,
        exercises: &[Exercise],
        solution: &BTreeMap<String, String>,
    ) -> Vec<Mutant> {
        let paths: Vec<String> = self
            .files
            .under(folder)
            .filter(|path| path.ends_with(".yaml"))
            .map(str::to_owned)
            .collect();
        let mut mutants = Vec::new();
        for path in paths {
            let Some(text) = self.text(&path) else { continue };
            match mutant::mutant(&Source::new(&path, &text), exercises, solution) {
                Ok(mutant) => mutants.push(mutant),
                Err(errors) => self.errors.extend_from_slice(errors.as_slice()),
            }
        }
        mutants
    }

    fn vm(&mut self, raw: &RawVm) -> Option<VmShape> {
        if !(1..=16).contains(&raw.cpus.value) {
            self.error(&raw.cpus, "a machine has 1 to 16 CPUs");
        }
        let bytes = match quantity::bytes(raw.memory.value.trim(), Some("MiB")) {
            Ok(bytes) => value::as_integer(&bytes).unwrap_or(0),
            Err(what) => {
                self.error(&raw.memory, what);
                return None;
            }
        };
        let mib = u32::try_from(bytes / (1 << 20))
            .ok()
            .filter(|mib| (128..=65_536).contains(mib));
        if mib.is_none() || bytes % (1 << 20) != 0 {
            self.error(
                &raw.memory,
                "memory is a whole number of MiB from 128 MiB to 64 GiB",
            );
        }
        Some(VmShape {
            cpus: raw.cpus.value,
            memory_mib: mib?,
        })
    }

    fn text(&mut self, path: &str) -> Option<String> {
        match self.files.text(path) {
            Ok(text) => text.map(str::to_owned),
            Err(error) => {
                self.errors.push(error);
                None
            }
        }
    }

    fn error<T>(&mut self, at: &Spanned<T>, what: impl Into<String>) {
        self.errors.push(self.source.at(at, what));
    }
}
