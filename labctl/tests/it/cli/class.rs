//! A class on paper: everything about it that needs no guest.

use std::io::Write as _;

use fs_err as fs;

use super::shell::{Shell, names};

const RIGHT: &str = "moved: 2 GB\nregister: rsi\n";
const WRONG: &str = "moved: 1 GB\nregister: rsi\n";

fn hand_in(shell: &Shell, who: &str, answers: &str) {
    shell.write(
        &format!("here/in/{who}/workspace.yaml"),
        "module: copies\nseed: lesson\n",
    );
    shell.write(&format!("here/in/{who}/answers/bandwidth.yaml"), answers);
}

/// Seven students, three of whom handed in something that can be graded.
fn class() -> Shell {
    let shell = Shell::new();
    hand_in(&shell, "alice", RIGHT);
    hand_in(&shell, "bob", WRONG);
    hand_in(&shell, "bob/../=cmd|'x'!A1", RIGHT);
    shell.write("here/in/carol.zip", "this is no archive");
    fs::create_dir(shell.here("in/dora")).unwrap();
    zip(
        &shell,
        "in/twice.zip",
        &[
            ("copies/workspace.yaml", "module: copies\n"),
            ("copies/answers/bandwidth.yaml", RIGHT),
        ],
    );
    hand_in(&shell, "twice", RIGHT);
    shell.write(
        "here/class.csv",
        "Name,Username,Section\r\n\"Alice, A.\",alice,a\r\n@Bob,bob,b\r\nCarol,carol,a\r\nDora,dora,a\r\nEve,eve,b\r\nTwo,twice,b\r\n",
    );
    shell
}

fn zip(shell: &Shell, name: &str, files: &[(&str, &str)]) {
    let mut zip = zip::ZipWriter::new(fs::File::create(shell.here(name)).unwrap());
    for (path, text) in files {
        zip.start_file(*path, zip::write::SimpleFileOptions::default())
            .unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap();
}

const ON_PAPER: [&str; 5] = ["grade", "in", "--quiet", "--exercise", "bandwidth"];

fn grade(shell: &Shell, more: &[&str]) -> String {
    let args: Vec<&str> = ON_PAPER.iter().chain(more).copied().collect();
    shell.run_course(&args)
}

/// The table in a folder of results.
fn table(shell: &Shell, folder: &str) -> String {
    fs::read_to_string(shell.here(folder).join("results.csv")).unwrap()
}

#[test]
fn every_student_has_a_row() {
    let shell = class();
    insta::assert_snapshot!("class-human", grade(&shell, &["--roster", "class.csv"]));
    insta::assert_snapshot!("class-csv", table(&shell, "grades").replace('\r', ""));
    let page = shell.run_course(&["grade", "--regrade", "grades", "--format", "markdown"]);
    insta::assert_snapshot!("class-markdown", page);
    assert_eq!(
        names(&shell.here("grades")),
        [
            ".lock",
            "class.json",
            "results.csv",
            "results.json",
            "similarity.json",
            "students"
        ]
    );
}

#[test]
fn without_a_list_everything_in_the_folder_is_a_student() {
    let shell = class();
    let said = grade(&shell, &["--format", "csv"]);
    let ids: Vec<&str> = said
        .lines()
        .skip(2)
        .map(|line| line.split(',').next().unwrap())
        .collect();
    assert_eq!(
        ids[..6],
        ["'=cmd|'x'!A1", "alice", "bob", "carol", "dora", "twice"],
        "{said}"
    );
}

#[test]
fn the_wrong_words_are_explained() {
    let shell = class();
    fs::create_dir(shell.here("empty")).unwrap();
    shell.write("here/nobody.csv", "name,points\nAlice,3\n");
    shell.write("here/double.csv", "id\nalice\nalice\n");
    shell.write("here/weak.key", "secret\n");
    let told: Vec<_> = [
        &["grade"][..],
        &["grade", "nowhere"],
        &["grade", "class.csv"],
        &["grade", "empty"],
        &["grade", "in", "--exercise", "bandwith"],
        &["grade", "in", "--roster", "nowhere.csv"],
        &["grade", "in", "--roster", "nobody.csv"],
        &["grade", "in", "--roster", "double.csv"],
        &["grade", "in", "--partition", "3/2"],
        &["grade", "in", "--partition", "half"],
        &["grade", "in", "--jobs", "0"],
        &["grade", "in", "--course-key", "nowhere.key"],
        &["grade", "in", "--course-key", "weak.key"],
        &["grade", "in", "--resume", "nowhere"],
        &["grade", "in", "--output", "in"],
        &["grade", "--regrade", "in"],
        &["merge", "whole"],
        &["merge", "whole", "in"],
        &["init", "copies", "--student", "alice"],
    ]
    .iter()
    .map(|args| shell.run_course(args))
    .collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn going_on_does_only_what_is_left_and_says_the_same() {
    let shell = class();
    grade(&shell, &["--roster", "class.csv"]);
    let whole = table(&shell, "grades");
    let again = grade(&shell, &["--roster", "class.csv"]);
    assert!(
        again.contains("grades is not empty") && again.contains("--resume grades"),
        "{again}"
    );

    // A unit that was being made when labctl was killed is not there; one of another submission is made again.
    fs::remove_dir_all(shell.here("grades/students/alice/exercises")).unwrap();
    fs::create_dir_all(shell.here("grades/.staging/half")).unwrap();
    let evidence = shell.here("grades/students/bob/exercises/bandwidth/evidence.json");
    let kept = fs::metadata(&evidence).unwrap().modified().unwrap();
    let said = grade(&shell, &["--roster", "class.csv", "--resume", "grades"]);
    assert!(said.ends_with("--- exit 0\n"), "{said}");
    assert_eq!(table(&shell, "grades"), whole);
    assert_eq!(
        fs::metadata(&evidence).unwrap().modified().unwrap(),
        kept,
        "done once"
    );

    hand_in(&shell, "bob", RIGHT);
    grade(&shell, &["--roster", "class.csv", "--resume", "grades"]);
    let changed: Vec<String> = table(&shell, "grades")
        .lines()
        .zip(whole.lines())
        .filter(|(now, before)| now != before)
        .map(|(now, _)| now.split(',').next().unwrap().to_owned())
        .collect();
    assert_eq!(changed, ["bob"]);
}

#[test]
fn parts_are_put_together() {
    let shell = class();
    grade(&shell, &["--roster", "class.csv", "--output", "whole"]);
    for part in ["1", "2", "3"] {
        let partition = format!("{part}/3");
        grade(
            &shell,
            &[
                "--roster",
                "class.csv",
                "--partition",
                &partition,
                "--output",
                part,
            ],
        );
    }
    let merge = |args: &[&str]| {
        let words: Vec<&str> = ["merge", "--quiet", "--format", "csv"]
            .iter()
            .chain(args)
            .copied()
            .collect();
        shell.run_course(&words)
    };
    let lost = merge(&["without-2", "3", "1"]);
    insta::assert_snapshot!("merge-lost", lost);
    let all = merge(&["merged", "3", "1", "2"]);
    assert!(all.ends_with("--- exit 0\n"), "{all}");
    assert_eq!(table(&shell, "merged"), table(&shell, "whole"));
    // Twice is once.
    merge(&["doubled", "1", "1", "2", "3", "whole"]);
    assert_eq!(table(&shell, "doubled"), table(&shell, "whole"));

    // Another bob in another part, and a class of other students.
    hand_in(&shell, "bob", RIGHT);
    grade(&shell, &["--roster", "class.csv", "--output", "other"]);
    let conflict = merge(&["conflict", "whole", "other"]);
    grade(&shell, &["--output", "unlisted"]);
    let stranger = merge(&["strangers", "whole", "unlisted"]);
    insta::assert_snapshot!("merge-conflicts", [conflict, stranger].join("\n"));
}

#[test]
fn changed_rules_judge_the_same_evidence() {
    let shell = class();
    grade(&shell, &["--roster", "class.csv"]);
    let before = table(&shell, "grades");
    shell.edit(
        "course/labs/copies/exercises/bandwidth.yaml",
        "points: 2",
        "points: 3",
    );
    fs::remove_dir_all(shell.here("in")).unwrap();
    let said = shell.run_course(&["grade", "--regrade", "grades", "--format", "csv"]);
    assert!(said.ends_with("--- exit 0\n"), "{said}");
    assert_ne!(table(&shell, "grades"), before);
    assert!(table(&shell, "grades").contains("alice,"));
}

#[test]
fn the_courses_key_decides_the_seed() {
    let shell = Shell::new();
    shell.write("here/course.key", "0123456789abcdef0123456789abcdef\n");
    fs::create_dir(shell.here("in")).unwrap();
    let key = ["--course-key", "course.key"];
    shell.run_course(&["init", "copies", "in/alice", "--student", "alice", key[0], key[1]]);
    shell.run_course(&["init", "copies", "in/bob", "--student", "bob", key[0], key[1]]);
    shell.run_course(&["init", "copies", "in/eve", "--student", "bob", key[0], key[1]]);
    let seed = |who: &str| {
        let text = fs::read_to_string(shell.here(&format!("in/{who}/workspace.yaml"))).unwrap();
        text.split("seed: ").nth(1).unwrap().to_owned()
    };
    assert_ne!(seed("alice"), seed("bob"));
    assert_eq!(seed("eve"), seed("bob"));
    let said = grade(&shell, &["--course-key", "course.key", "--format", "csv"]);
    let notes: Vec<bool> = said
        .lines()
        .skip(2)
        .take(3)
        .map(|line| line.contains("gives this student another"))
        .collect();
    assert_eq!(notes, [false, false, true], "{said}");
    for who in ["alice", "bob", "eve"] {
        let file = shell.here(&format!("grades/students/{who}/student.json"));
        let record: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        let own = record["seed"].as_str().unwrap().to_owned();
        assert_eq!(seed(who).contains(&own), who != "eve");
    }
}

/// Runs git in `folder` with nobody's settings.
#[expect(clippy::disallowed_methods, reason = "the student's own git")]
fn git(shell: &Shell, folder: &str, args: &[&str]) -> String {
    let output = std::process::Command::new("git")
        .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"])
        .args(args)
        .current_dir(shell.here(folder))
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_commit_is_what_is_graded_and_its_repository_runs_nothing() {
    let shell = Shell::new();
    for (name, body) in [("sandboxes", "bwrap"), ("commits", "git")] {
        let path = std::env::var_os("PATH").unwrap();
        if !std::env::split_paths(&path).any(|dir| dir.join(body).is_file()) {
            return crate::skip(&format!("there is no {body} for {name}"));
        }
    }
    hand_in(&shell, "ada", RIGHT);
    let trap = shell.here("sprung");
    let touch = format!("touch {}", trap.display());
    shell.write("here/in/ada/.gitattributes", "*.yaml filter=trap\n");
    git(&shell, "in/ada", &["init", "--quiet"]);
    git(&shell, "in/ada", &["add", "."]);
    git(&shell, "in/ada", &["commit", "--quiet", "--message", "in time"]);
    let in_time = git(&shell, "in/ada", &["rev-parse", "HEAD"]);
    hand_in(&shell, "ada", WRONG);
    git(
        &shell,
        "in/ada",
        &["commit", "--quiet", "--all", "--message", "too late"],
    );
    git(&shell, "in", &["clone", "--quiet", "--bare", "ada", "bare"]);
    git(&shell, "in", &["clone", "--quiet", "--bare", "ada", "trap"]);
    for key in [
        "core.fsmonitor",
        "core.pager",
        "filter.trap.smudge",
        "filter.trap.process",
        "tar.tar.command",
    ] {
        git(&shell, "in/trap", &["config", key, &touch]);
    }
    fs::remove_dir_all(shell.here("in/ada")).unwrap();
    let list = format!(
        "id,submission,commit\nin-time,bare,{in_time}\nlate,bare,HEAD\nnever,bare,v9\neve,trap,HEAD\n"
    );
    shell.write("here/in.csv", &list);
    let said = grade(&shell, &["--roster", "in.csv", "--format", "csv"]);
    let row = |id: &str| said.lines().find(|line| line.starts_with(id)).unwrap().to_owned();
    assert!(row("in-time,").contains("bandwidth: passed"), "{said}");
    assert!(row("late,").contains("bandwidth: partial"), "{said}");
    assert!(row("never,").contains("no commit `v9`"), "{said}");
    // Its filter may run in the sandbox, where there is nothing to spring, and then git gives up.
    assert!(
        row("eve,").contains(",refused,") || row("eve,").contains("bandwidth: partial"),
        "{said}"
    );
    assert!(!trap.exists(), "a program of the repository's was run");
}
