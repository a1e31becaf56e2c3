//! The printed schemas: the course's own files are valid, and what the loader refuses an editor underlines.

use labctl::grade::evidence::Evidence;
use labctl::grade::grade;
use labctl::grade::results::{GradedExercise, Results};
use labctl::image::RawImageSpec;
use labctl::kernel::spec::RawKernelSpec;
use labctl::spec::raw::{RawCourse, RawExercise, RawMistake, RawMutant, RawSurvey, RawWorkspace};
use labctl::spec::workspace;
use labctl::spec::yaml::Mapping;
use labctl::spec::{answers, schema};
use serde_json::Value;

use super::support::{COURSE, files, repository};
use super::validator::{assert_valid, validate};

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
    let survey = schema::of::<RawSurvey>("facts");
    let mut seen = 0;
    let files = files();
    for path in files.paths().filter(|path| path.ends_with(".yaml")) {
        let of = match path {
            "labs.yaml" => &course,
            path if path.contains("/exercises/") => &exercise,
            path if path.contains("/mutants/") => &mutant,
            path if path.ends_with("/mistakes.yaml") => &mistakes,
            path if path.ends_with("/facts.yaml") => &survey,
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

#[test]
fn results_are_what_their_schema_says() {
    let of = schema::of::<labctl::report::json::Document>("result").to_string();
    let module = &COURSE.modules[0];
    let exercises = module.exercises.iter().map(|exercise| {
        let evidence = Evidence::new(&exercise.full_name(), "lesson");
        GradedExercise {
            result: grade(exercise, &evidence).unwrap(),
            duration_ms: 1,
            run_dir: None,
        }
    });
    let results = Results {
        course: COURSE.name.clone(),
        module: module.id.to_string(),
        seed: "lesson".to_owned(),
        environment: None,
        exercises: exercises.collect(),
    };
    assert!(!results.all_passed() && !results.exercises.is_empty());
    let text = labctl::report::json::render(&results).unwrap();
    assert_valid(&of, &serde_json::from_str(&text).unwrap());
}
