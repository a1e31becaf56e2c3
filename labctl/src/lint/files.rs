//! Every file of a module is there for something.

use std::collections::BTreeSet;

use super::report::{Item, Problem};
use super::worksheet::files_to_write;
use crate::spec::course::{COURSE_FILE, Course, Module};
use crate::spec::files::CourseFiles;

/// Files at the top of a module that people read, and the catalogue of mistakes.
const KNOWN: &[&str] = &["mistakes.yaml", "facts.yaml"];

pub(super) fn referenced(module: &Module, files: &CourseFiles) -> Item {
    let folder = format!("labs/{}/", module.id);
    let used = used_sources(module);
    let prose = prose(&folder, files);
    let mut problems = Vec::new();
    let mut count = 0;
    for path in files.under(&folder) {
        count += 1;
        let inside = &path[folder.len()..];
        let fine = match inside.split_once('/') {
            // The loader reads these, and reports what is no exercise or mutant.
            Some(("exercises" | "mutants", name)) => name.ends_with(".yaml"),
            Some(("src" | "commands", _)) => used.contains(inside),
            Some(("workspace", _)) => true,
            Some(_) => prose.iter().any(|text| text.contains(inside)),
            None => {
                inside.ends_with(".md")
                    || KNOWN.contains(&inside)
                    || prose.iter().any(|text| text.contains(inside))
            }
        };
        if !fine {
            problems.push(Problem::in_file(
                path,
                "nothing uses this file",
                "name it in an exercise's `build` or `script`, include it, link to it from a .md file, or delete it",
            ));
        }
    }
    Item::judged(
        "files-are-used",
        module.id.as_str(),
        format!("{count} files"),
        problems,
    )
}

/// Everything below `labs/` belongs to a module, or is read by people.
pub(super) fn belong(course: &Course, files: &CourseFiles) -> Item {
    let mut problems = Vec::new();
    let mut told = BTreeSet::new();
    for path in files.under("labs/") {
        let inside = &path["labs/".len()..];
        let Some((folder, _)) = inside.split_once('/') else {
            continue;
        };
        let is_module = course.modules.iter().any(|module| module.id.as_str() == folder);
        if !is_module && told.insert(folder) {
            problems.push(Problem::in_file(
                path,
                format!("labs/{folder} is no module"),
                format!("add `{folder}` to the modules in labs.yaml, or delete the folder"),
            ));
        }
    }
    let detail = format!("{} modules", course.modules.len());
    Item::judged("folders-are-modules", COURSE_FILE, detail, problems)
}

/// Sources that an exercise builds or runs, and headers that those include.
fn used_sources(module: &Module) -> BTreeSet<String> {
    let mut used: BTreeSet<String> = module
        .exercises
        .iter()
        .flat_map(files_to_write)
        .map(str::to_owned)
        .collect();
    loop {
        let included: Vec<String> = module
            .sources
            .keys()
            .filter(|path| !used.contains(*path))
            .filter(|path| {
                let name = path.rsplit('/').next().unwrap_or_default();
                let line = format!("#include \"{name}\"");
                let includes = |user: &String| {
                    module
                        .sources
                        .get(user)
                        .is_some_and(|both| both.solution.contains(&line) || both.skeleton.contains(&line))
                };
                used.iter().any(includes)
            })
            .cloned()
            .collect();
        if included.is_empty() {
            return used;
        }
        used.extend(included);
    }
}

/// The texts that may refer to pictures and other files.
fn prose(folder: &str, files: &CourseFiles) -> Vec<String> {
    files
        .under(folder)
        .filter(|path| path.ends_with(".md"))
        .filter_map(|path| files.text(path).ok().flatten().map(str::to_owned))
        .collect()
}
