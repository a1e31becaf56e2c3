//! Every file of a module is there for something.

use std::collections::BTreeSet;

use super::report::{Item, Problem};
use super::worksheet::files_to_write;
use crate::spec::course::Module;
use crate::spec::files::CourseFiles;

/// Files at the top of a module that people read, and the catalogue of mistakes.
const KNOWN: &[&str] = &["mistakes.yaml"];

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
