//! The printed schemas: the course's own files are valid, and what the loader refuses an editor underlines.

use labctl::image::RawImageSpec;
use labctl::kernel::spec::RawKernelSpec;
use labctl::spec::raw::{RawCourse, RawExercise, RawMistake, RawMutant, RawWorkspace};
use labctl::spec::workspace;
use labctl::spec::yaml::Mapping;
use labctl::spec::{answers, schema};
use serde_json::Value;

use super::support::{COURSE, files, repository};

/// Where `value` is not what `schema` says. A keyword that is not known here fails the test: none is passed over.
fn validate(root: &Value, schema: &Value, value: &Value, at: &str, told: &mut Vec<String>) {
    let Some(keywords) = schema.as_object() else {
        if *schema == Value::Bool(false) {
            told.push(format!("{at}: nothing may be here"));
        }
        return;
    };
    let mut found: Vec<String> = Vec::new();
    let mut wrong = |what: String| found.push(format!("{at}: {what}"));
    let number = |value: &Value| value.as_f64().unwrap();
    for (keyword, says) in keywords {
        match keyword.as_str() {
            "$schema" | "title" | "description" | "default" | "format" | "$defs" => {}
            "$ref" => {
                let path = says.as_str().unwrap().strip_prefix('#').unwrap();
                let target = root.pointer(path).unwrap();
                validate(root, target, value, at, told);
            }
            "type" => {
                let kinds = says.as_array().cloned().unwrap_or_else(|| vec![says.clone()]);
                if !kinds.iter().any(|kind| is(value, kind.as_str().unwrap())) {
                    wrong(format!("{value} is not {says}"));
                }
            }
            "enum" => {
                if !says.as_array().unwrap().contains(value) {
                    wrong(format!("{value} is none of {says}"));
                }
            }
            "const" => {
                if says != value {
                    wrong(format!("{value} is not {says}"));
                }
            }
            "minimum" if value.is_number() && number(value) < number(says) => wrong(format!("below {says}")),
            "maximum" if value.is_number() && number(value) > number(says) => wrong(format!("above {says}")),
            "minItems"
                if value
                    .as_array()
                    .is_some_and(|items| (items.len() as f64) < number(says)) =>
            {
                wrong(format!("fewer than {says}"));
            }
            "maxItems"
                if value
                    .as_array()
                    .is_some_and(|items| items.len() as f64 > number(says)) =>
            {
                wrong(format!("more than {says}"));
            }
            "minimum" | "maximum" | "minItems" | "maxItems" => {}
            "uniqueItems" => {
                let items = value.as_array().unwrap();
                if items
                    .iter()
                    .enumerate()
                    .any(|(index, item)| items[..index].contains(item))
                {
                    wrong("twice the same".to_owned());
                }
            }
            "required" => {
                for name in says.as_array().unwrap() {
                    let is_there = value
                        .as_object()
                        .is_none_or(|object| object.contains_key(name.as_str().unwrap()));
                    if !is_there {
                        wrong(format!("{name} is missing"));
                    }
                }
            }
            "anyOf" | "oneOf" => {
                let fits = says.as_array().unwrap().iter().filter(|one| {
                    let mut inner = Vec::new();
                    validate(root, one, value, at, &mut inner);
                    inner.is_empty()
                });
                let count = fits.count();
                if count == 0 || (keyword == "oneOf" && count > 1) {
                    wrong(format!("{value} fits {count} of {keyword}"));
                }
            }
            "items" | "prefixItems" | "properties" | "additionalProperties" => {}
            other => panic!("the keyword `{other}` at {at}"),
        }
    }
    told.append(&mut found);
    if let Some(items) = value.as_array() {
        let first = keywords.get("prefixItems").and_then(Value::as_array);
        for (index, item) in items.iter().enumerate() {
            let own = first.and_then(|first| first.get(index));
            if let Some(says) = own.or_else(|| keywords.get("items")) {
                validate(root, says, item, &format!("{at}/{index}"), told);
            }
        }
    }
    if let Some(object) = value.as_object() {
        for (name, member) in object {
            let own = keywords.get("properties").and_then(|known| known.get(name));
            if let Some(says) = own.or_else(|| keywords.get("additionalProperties")) {
                validate(root, says, member, &format!("{at}/{name}"), told);
            }
        }
    }
}

fn is(value: &Value, kind: &str) -> bool {
    match kind {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("the type `{other}`"),
    }
}

fn errors(schema: &Value, text: &str) -> Vec<String> {
    let value: Value = serde_yaml::from_str(text).unwrap();
    let mut told = Vec::new();
    validate(schema, schema, &value, "", &mut told);
    told
}

#[test]
fn every_file_of_the_course_is_valid() {
    let exercise = schema::of::<RawExercise>("exercise");
    let mutant = schema::of::<RawMutant>("mutant");
    let course = schema::of::<RawCourse>("course");
    let mistakes = schema::of::<Mapping<RawMistake>>("mistakes");
    let mut seen = 0;
    let files = files();
    for path in files.paths().filter(|path| path.ends_with(".yaml")) {
        let of = match path {
            "labs.yaml" => &course,
            path if path.contains("/exercises/") => &exercise,
            path if path.contains("/mutants/") => &mutant,
            path if path.ends_with("/mistakes.yaml") => &mistakes,
            // For `run facts`, which reads and checks it itself.
            path if path.ends_with("/facts.yaml") => continue,
            other => panic!("{other} has no schema"),
        };
        let told = errors(of, files.text(path).unwrap().unwrap());
        assert!(told.is_empty(), "{path}: {told:#?}");
        seen += 1;
    }
    assert!(seen > 60, "{seen}");
}

#[test]
fn kernels_and_images_are_valid() {
    let kernel = schema::of::<RawKernelSpec>("kernel");
    let image = schema::of::<RawImageSpec>("image");
    for (of, folder, file) in [
        (&kernel, "kernels", "kernel.yaml"),
        (&image, "images", "image.yaml"),
    ] {
        let mut seen = 0;
        for entry in std::fs::read_dir(repository().join(folder)).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path().join(file)).unwrap();
            let told = errors(of, &text);
            assert!(told.is_empty(), "{told:#?}");
            seen += 1;
        }
        assert!(seen > 0, "{folder}");
    }
}

#[test]
fn what_students_write_is_valid() {
    let sheet = schema::answers();
    let mark = schema::of::<RawWorkspace>("workspace");
    for module in &COURSE.modules {
        let fresh = workspace::skeleton(module, "42").unwrap();
        assert_eq!(
            errors(&mark, &fresh[workspace::WORKSPACE_FILE]),
            Vec::<String>::new()
        );
        for exercise in module
            .exercises
            .iter()
            .filter(|exercise| !exercise.worksheet.is_empty())
        {
            let own = schema::answers_of(exercise).unwrap();
            for text in [
                answers::skeleton(exercise, "lesson").unwrap(),
                answers::reference(exercise, "lesson").unwrap(),
            ] {
                assert_eq!(errors(&sheet, &text), Vec::<String>::new());
                assert_eq!(errors(&own, &text), Vec::<String>::new(), "{}", exercise.id);
            }
            assert!(!errors(&own, "no_such_blank: 5\n").is_empty());
        }
    }
}

#[test]
fn an_editor_underlines_what_the_loader_refuses() {
    let exercise = schema::of::<RawExercise>("exercise");
    let files = files();
    let text = files
        .text("labs/module0/exercises/hello-kprobe.yaml")
        .unwrap()
        .unwrap();
    for (from, to, at) in [
        ("worksheet:", "worksheets:", "/worksheets"),
        ("type: register", "type: registre", "/worksheet/0/type"),
        ("from: dmesg", "from: dmseg", "/facts/opened/from"),
        ("nonce: { hex: 8 }", "nonce: { hexx: 8 }", "/draw/nonce"),
        ("    points: 3\n", "    points: many\n", "/checks/1/points"),
        ("    title: One line for each open\n", "", "/checks/1"),
    ] {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        let told = errors(&exercise, &text.replace(from, to));
        assert!(
            told.iter().any(|told| told.starts_with(&format!("{at}: "))),
            "{to}: {told:#?}"
        );
    }
}
