//! "Write your own module in ten minutes" is true: the blocks of labs/README.md, put where it says, are a module.

use labctl::lint::report::State;
use labctl::lint::{self, seeds};
use labctl::spec::course::Course;
use labctl::spec::files::CourseFiles;

use super::support::repository;

/// The YAML blocks of the section, without the indentation of the list they stand in.
fn blocks() -> Vec<String> {
    let text = std::fs::read_to_string(repository().join("labs/README.md")).unwrap();
    let section = text
        .split("## Write your own module in ten minutes")
        .nth(1)
        .unwrap();
    let section = section.split("\n## ").next().unwrap();
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for line in section.lines() {
        match (&mut open, line.trim()) {
            (None, "```yaml") => open = Some(String::new()),
            (Some(_), "```") => blocks.extend(open.take()),
            (Some(block), _) => {
                block.push_str(line.strip_prefix("   ").unwrap_or(line));
                block.push('\n');
            }
            (None, _) => {}
        }
    }
    blocks
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

#[test]
fn its_blocks_are_a_module_without_problems() {
    let blocks = blocks();
    let [module, question, run, rule, mutant] = blocks.as_slice() else {
        panic!("{} blocks", blocks.len())
    };
    let source = std::fs::read(repository().join("labs/module0/src/hello.c")).unwrap();
    let mut files = CourseFiles::new();
    let course = format!("course: own\ntitle: My own\nmodules:\n{}", indented(module));
    files.insert("labs.yaml", course.into_bytes());
    files.insert("labs/module0/src/hello.c", source);
    files.insert("labs/module0/workspace/README.md", b"# Begin here\n".to_vec());
    let path = "labs/module0/exercises/hello-kprobe.yaml";

    // Step 3 alone is an exercise already; only the source is of no use yet.
    files.insert(path, question.clone().into_bytes());
    assert_eq!(problems(&files), ["files-are-used"]);

    files.insert(path, format!("{question}{run}{rule}").into_bytes());
    files.insert(
        "labs/module0/mutants/h-only-the-first.yaml",
        mutant.clone().into_bytes(),
    );
    assert_eq!(problems(&files), Vec::<String>::new());
}

/// The checks that have problems.
fn problems(files: &CourseFiles) -> Vec<String> {
    let course = match Course::load(files) {
        Ok(course) => course,
        Err(errors) => panic!("{errors}"),
    };
    let module = &course.modules[0];
    let mut items = lint::module(module, files);
    for exercise in &module.exercises {
        items.extend(lint::exercise(module, exercise, &seeds(25)));
    }
    let wrong = items.iter().filter(|item| item.state == State::Wrong);
    wrong.map(|item| item.name.to_owned()).collect()
}
