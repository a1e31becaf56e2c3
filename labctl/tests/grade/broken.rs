//! A corpus of courses with one thing wrong in each: `tests/corpus/broken/<name>` lies over `base`, and its `expect` says
//! where the mistake has to be found, and how it is told.

use std::path::{Path, PathBuf};

use labctl::spec::course::Course;
use labctl::spec::files::CourseFiles;

use super::support::add;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/broken")
}

fn load(name: Option<&str>) -> Vec<String> {
    let mut files = CourseFiles::new();
    for folder in std::iter::once("base").chain(name) {
        let root = corpus().join(folder);
        add(&root, &root, &mut files);
    }
    match Course::load(&files) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.as_slice().iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn the_base_is_whole() {
    assert_eq!(load(None), Vec::<String>::new());
}

#[test]
fn every_mistake_is_found_where_it_is() {
    let mut seen = 0;
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(corpus()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name == "base" {
            continue;
        }
        seen += 1;
        let expect = std::fs::read_to_string(corpus().join(&name).join("expect")).unwrap();
        let (place, what) = expect.trim_end_matches('\n').split_once(": ").unwrap();
        let told = load(Some(&name));
        let place = format!("{place}: ");
        if !told
            .iter()
            .any(|told| told.starts_with(&place) && told.contains(what))
        {
            wrong.push(format!("{name}: expected {expect}{told:#?}"));
        }
    }
    assert!(seen >= 30, "{seen} courses");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
