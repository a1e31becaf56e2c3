//! A class in one `grade`: every row right, whoever else is in it; killed, gone on with, cut into parts and put together.

use std::path::Path;

use fs_err as fs;
use rustix::process::Signal;
use serde_json::Value;

use crate::bed::{Bed, bed, explain};
use crate::crowd::{self, Due, EXERCISE, Student};

/// The rows of the table, each as its cells by their column.
fn rows(csv: &str) -> Vec<Vec<(String, String)>> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let header = reader.headers().unwrap().clone();
    let cells = |record: csv::StringRecord| {
        let all = header.iter().zip(record.iter());
        all.map(|(name, cell)| (name.to_owned(), cell.to_owned()))
            .collect()
    };
    reader.records().map(|record| cells(record.unwrap())).collect()
}

fn cell<'a>(row: &'a [(String, String)], name: &str) -> &'a str {
    &row.iter().find(|(column, _)| column == name).unwrap().1
}

/// What is wrong with the table, by student.
fn wrong(csv: &str, students: &[Student]) -> Vec<String> {
    let rows = rows(csv);
    let mut wrong = Vec::new();
    for student in students {
        let Some(row) = rows.iter().find(|row| cell(row, "student") == student.id) else {
            wrong.push(format!("{} has no row", student.id));
            continue;
        };
        let verdict = cell(row, "verdicts").strip_prefix("exercise-b: ").unwrap_or("");
        let right = match &student.due {
            Due::Verdict(due, mistake) => {
                let told = mistake.as_ref().is_none_or(|id| {
                    cell(row, "mistakes")
                        .split("; ")
                        .any(|told| told == format!("{EXERCISE}: {id}"))
                });
                verdict == due && told
            }
            Due::Wrong => matches!(verdict, "failed" | "partial"),
            Due::Refused(why) => cell(row, "standing") == "refused" && cell(row, "notes").contains(why),
        };
        if !right {
            wrong.push(format!("{}, due {:?}: {row:?}", student.id, student.due));
        }
    }
    if rows.len() != students.len() {
        wrong.push(format!("{} rows for {} students", rows.len(), students.len()));
    }
    wrong
}

fn graded(bed: &Bed, args: &[&str]) -> String {
    let mut words = vec!["grade", "submissions", "--exercise", EXERCISE, "--format", "csv"];
    words.extend_from_slice(args);
    bed.ok(&words)
}

/// Stops a class when so many are done: by Ctrl-C, then without a chance to tidy up; goes on, and returns the table.
fn stopped_and_resumed(bed: &Bed, folder: &str, interrupted: usize, killed: usize) -> String {
    assert_eq!(
        stopped(bed, ["--output", folder], interrupted, Signal::INT),
        Some(130)
    );
    bed.assert_nothing_left();
    assert_eq!(stopped(bed, ["--resume", folder], killed, Signal::KILL), None);
    let mut words = vec!["grade", "submissions", "--exercise", EXERCISE, "--format", "csv"];
    words.extend(["--resume", folder]);
    let output = bed.labctl(&words);
    assert_eq!(output.status.code(), Some(0), "{}", explain(&output));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(" are done already"), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Starts a class or goes on with one, and stops it when so many are done; how it ended.
fn stopped(bed: &Bed, folder: [&str; 2], after: usize, signal: Signal) -> Option<i32> {
    let mut words = vec!["grade", "submissions", "--exercise", EXERCISE];
    words.extend(folder);
    let mut running = bed.started(&words, "grade");
    let students = bed.dir.path().join(folder[1]).join("students");
    while done(&students) < after {
        assert!(running.child.try_wait().unwrap().is_none(), "it ended early");
        std::thread::yield_now();
    }
    running.signal(signal);
    let (code, _, _) = running.end();
    assert!(done(&students) >= after, "what was done is kept");
    code
}

fn done(students: &Path) -> usize {
    let Ok(entries) = fs::read_dir(students) else {
        return 0;
    };
    let units = entries.filter_map(Result::ok);
    units
        .filter(|entry| {
            entry
                .path()
                .join("exercises")
                .join(EXERCISE)
                .join("unit.json")
                .exists()
        })
        .count()
}

/// Twelve students, in what a CI has time for.
#[test]
fn every_row_is_right_whoever_else_is_in_the_class() {
    let Some(bed) = bed() else { return };
    let dir = bed.dir.path().join("submissions");
    fs::create_dir(&dir).unwrap();
    let mut students = crowd::right(3);
    students.extend(crowd::mistaken(2));
    students.extend(crowd::hostile());
    let chosen = [
        "right-00",
        "right-01",
        "right-02",
        "b-blank",
        "b-bomb",
        "fork-bomb",
        "panics",
        "zip-bomb",
        "ten-thousand",
        "traversal",
        "no-archive",
        "forges-the-log",
    ];
    students.retain(|student| chosen.contains(&student.id.as_str()));
    assert_eq!(students.len(), chosen.len());
    crowd::hand_in(&dir, &students);

    let table = stopped_and_resumed(&bed, "grades", 2, 5);
    let wrong = wrong(&table, &students);
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(!Path::new("/tmp/labctl-traversal").exists());

    // Cut into parts and put together, it is the same table; from its evidence, too.
    let parts = ["part-1", "part-2"];
    for (index, part) in parts.iter().enumerate() {
        fs::create_dir(bed.dir.path().join(part)).unwrap();
        copy(&bed.dir.path().join("grades"), &bed.dir.path().join(part));
        graded(
            &bed,
            &["--resume", part, "--partition", &format!("{}/2", index + 1)],
        );
    }
    let merged = bed.ok(&["merge", "whole", "part-1", "part-2", "--format", "csv"]);
    assert_eq!(merged, table);
    let again = bed.ok(&["grade", "--regrade", "whole", "--format", "csv"]);
    assert_eq!(again, table);
    let results: Value =
        serde_json::from_slice(&fs::read(bed.dir.path().join("whole/results.json")).unwrap()).unwrap();
    assert_eq!(results["schema"], "labctl/class/v1");
    bed.assert_nothing_left();
}

/// The whole class of sixty: minutes.
#[test]
#[ignore = "takes minutes"]
fn sixty_students() {
    let Some(bed) = bed() else { return };
    let dir = bed.dir.path().join("submissions");
    fs::create_dir(&dir).unwrap();
    let mut students = crowd::hostile();
    students.extend(crowd::mistaken(30));
    let count = 60 - students.len();
    students.extend(crowd::right(count));
    crowd::hand_in(&dir, &students);

    let began = std::time::Instant::now();
    let table = graded(&bed, &["--output", "once"]);
    let took = began.elapsed();
    crate::say(&format!("60 submissions in {took:?}"));
    if let Some(keep) = std::env::var_os("LABCTL_KEEP_TABLE") {
        fs::write(keep, &table).unwrap();
    }
    let wrong = wrong(&table, &students);
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(stopped_and_resumed(&bed, "stopped", 10, 30), table);
    bed.assert_nothing_left();
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&place).unwrap();
            copy(&entry.path(), &place);
        } else {
            fs::copy(entry.path(), place).unwrap();
        }
    }
}
