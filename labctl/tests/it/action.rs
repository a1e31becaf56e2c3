//! action.yml, as a runner would carry it out: each script in a shell of its own, in order, on a repository with a
//! student's workspace. Only `cargo` and `sudo` are stand-ins: the first puts the program under test where it would have
//! built it, the second writes down what it was asked for.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use fs_err as fs;
use serde_json::Value;

use super::cli::shell::{Shell, names};

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn action() -> Value {
    let text = fs::read_to_string(Path::new(REPOSITORY).join("action.yml")).unwrap();
    serde_yaml::from_str(&text).unwrap()
}

/// A runner with one job.
struct Runner {
    shell: Shell,
    inputs: BTreeMap<String, String>,
    /// By step and name.
    outputs: BTreeMap<(String, String), String>,
    cached: bool,
}

/// How a job ended.
struct Ended {
    status: Option<i32>,
    log: String,
    /// The other actions that were used, with their inputs.
    used: Vec<(String, BTreeMap<String, String>)>,
}

impl Runner {
    fn new(inputs: &[(&str, &str)]) -> Self {
        let shell = Shell::new();
        shell.run_course(&["init", "copies"]);
        for folder in ["runner", "bin"] {
            fs::create_dir(shell.path(folder)).unwrap();
        }
        let program = env!("CARGO_BIN_EXE_labctl");
        let cargo = format!(
            "#!/bin/bash\nset -eu\nprintf '%s\\n' \"$*\" >>{0}/cargo\nwhile [ \"$1\" != --root ]; do shift; done\n\
             mkdir -p \"$2/bin\"\ncp {program} \"$2/bin/labctl\"\n",
            shell.path("runner").display()
        );
        let sudo = format!(
            "#!/bin/bash\nprintf '%s\\n' \"$*\" >>{}/sudo\n",
            shell.path("runner").display()
        );
        for (name, text) in [("cargo", cargo), ("sudo", sudo)] {
            let path = shell.path("bin").join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        }
        let defaults = action()["inputs"].as_object().unwrap().clone();
        let mut all: BTreeMap<String, String> = defaults
            .into_iter()
            .map(|(name, input)| (name, input["default"].as_str().unwrap().to_owned()))
            .collect();
        // The small course, as a folder beside the workspace.
        all.insert("course".to_owned(), shell.path("course").display().to_string());
        for (name, value) in inputs {
            assert!(
                all.insert((*name).to_owned(), (*value).to_owned()).is_some(),
                "no input {name}"
            );
        }
        Self {
            shell,
            inputs: all,
            outputs: BTreeMap::new(),
            cached: false,
        }
    }

    /// The value of a text with expressions. One that is not known here fails the test.
    fn value(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${{") {
            let (expression, after) = after.split_once("}}").unwrap();
            out.push_str(before);
            out.push_str(&self.expression(expression.trim()));
            rest = after;
        }
        out + rest
    }

    fn expression(&self, expression: &str) -> String {
        let parts: Vec<&str> = expression.split('.').collect();
        match parts.as_slice() {
            ["inputs", name] => self
                .inputs
                .get(*name)
                .unwrap_or_else(|| panic!("no input {name}"))
                .clone(),
            ["github", "action_path"] => REPOSITORY.to_owned(),
            ["runner", "os"] => "Linux".to_owned(),
            ["runner", "arch"] => "X64".to_owned(),
            ["steps", "program", "outputs", "cache-hit"] => self.cached.to_string(),
            ["steps", step, "outputs", name] => {
                let key = ((*step).to_owned(), (*name).to_owned());
                self.outputs.get(&key).cloned().unwrap_or_default()
            }
            _ => panic!("the expression {expression}"),
        }
    }

    fn wanted(&self, condition: &str, failed: bool) -> bool {
        let mut always = false;
        let holds = condition.split(" && ").all(|term| {
            if term == "always()" {
                always = true;
                return true;
            }
            let (left, right) = term.split_once(" ").unwrap();
            let (operator, right) = right.split_once(' ').unwrap();
            let equal = self.expression(left) == right.trim_matches('\'');
            match operator {
                "==" => equal,
                "!=" => !equal,
                _ => panic!("the condition {condition}"),
            }
        });
        holds && (always || !failed)
    }

    fn run(&mut self) -> Ended {
        let action = action();
        let mut ended = Ended {
            status: None,
            log: String::new(),
            used: Vec::new(),
        };
        for step in action["runs"]["steps"].as_array().unwrap() {
            let failed = ended.status.is_some_and(|status| status != 0);
            let condition = step["if"].as_str().unwrap_or("runner.os == 'Linux'");
            if !self.wanted(condition, failed) {
                continue;
            }
            if let Some(name) = step["uses"].as_str() {
                let with = step["with"].as_object().unwrap();
                let with = with
                    .iter()
                    .map(|(name, value)| (name.clone(), self.value(value.as_str().unwrap())));
                ended.used.push((name.to_owned(), with.collect()));
                continue;
            }
            let output = self.script(step);
            ended.log.push_str(&String::from_utf8_lossy(&output.stdout));
            ended.log.push_str(&String::from_utf8_lossy(&output.stderr));
            ended.status = output.status.code();
            assert!(ended.status.is_some(), "{output:?}");
        }
        ended
    }

    #[expect(clippy::disallowed_methods, reason = "stands for a runner")]
    fn script(&mut self, step: &Value) -> Output {
        let text = step["run"].as_str().unwrap();
        let script = self.shell.path("runner/script.sh");
        let outputs = self.shell.path("runner/outputs");
        fs::write(&script, text).unwrap();
        fs::write(&outputs, "").unwrap();
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new("bash");
        command
            .args(["--noprofile", "--norc", "-euo", "pipefail"])
            .arg(&script)
            .current_dir(self.shell.here(""))
            .env_clear()
            .env("PATH", format!("{}:{path}", self.shell.path("bin").display()))
            .env("HOME", self.shell.path("home"))
            .env("TMPDIR", self.shell.path("tmp"))
            .env("GITHUB_ACTIONS", "true")
            .env("GITHUB_WORKSPACE", self.shell.here(""))
            .env("GITHUB_OUTPUT", &outputs)
            .env("GITHUB_ENV", self.shell.path("runner/env"))
            .env("GITHUB_STEP_SUMMARY", self.shell.path("runner/summary"))
            .env("RUNNER_TEMP", self.shell.path("runner"))
            .stdin(Stdio::null());
        for (name, value) in step["env"].as_object().unwrap() {
            command.env(name, self.value(value.as_str().unwrap()));
        }
        let output = command.output().unwrap();
        let id = step["id"].as_str().unwrap_or_default();
        for line in fs::read_to_string(&outputs).unwrap().lines() {
            let (name, value) = line.split_once('=').unwrap();
            self.outputs
                .insert((id.to_owned(), name.to_owned()), value.to_owned());
        }
        output
    }

    /// What a workflow sees of the action.
    fn output(&self, name: &str) -> String {
        self.value(action()["outputs"][name]["value"].as_str().unwrap())
    }
}

#[test]
fn no_script_has_an_expression_and_no_action_a_moving_version() {
    let action = action();
    for step in action["runs"]["steps"].as_array().unwrap() {
        if let Some(run) = step["run"].as_str() {
            assert!(!run.contains("${{"), "{run}");
            assert_eq!(step["shell"], "bash", "{run}");
        } else {
            let (_, version) = step["uses"].as_str().unwrap().split_once('@').unwrap();
            assert!(
                version.len() == 40 && version.chars().all(|letter| letter.is_ascii_hexdigit()),
                "{version}"
            );
        }
    }
}

#[test]
fn a_workspace_is_graded_and_told() {
    let mut runner = Runner::new(&[("workspace", "copies"), ("exercise", "bandwidth")]);
    runner.shell.write(
        "here/copies/answers/bandwidth.yaml",
        "moved: 1 GB\nregister: rsi\n",
    );
    let ended = runner.run();
    assert_eq!(ended.status, Some(1), "{}", ended.log);
    assert!(
        ended
            .log
            .contains("::error title=copies/bandwidth%3A Bytes moved"),
        "{}",
        ended.log
    );
    let told = ["verdict", "points", "max-points"].map(|name| runner.output(name));
    assert_eq!(told, ["partial", "2", "3"]);
    let summary = fs::read_to_string(runner.shell.path("runner/summary")).unwrap();
    assert!(summary.starts_with("## copies: 2 of 3 points\n"), "{summary}");
    let results = runner.shell.path("runner/labctl/results");
    assert_eq!(runner.output("results"), results.display().to_string());
    assert_eq!(
        names(&results),
        ["junit.xml", "result.csv", "result.json", "state", "summary.md"]
    );
    // Two caches, keyed by sources and by locks; and what is kept although the step before has failed.
    let used: Vec<&str> = ended
        .used
        .iter()
        .map(|(name, _)| name.split('@').next().unwrap())
        .collect();
    assert_eq!(
        used,
        ["actions/cache", "actions/cache", "actions/upload-artifact"]
    );
    let keys: Vec<&str> = ended.used[..2]
        .iter()
        .map(|(_, with)| with["key"].as_str())
        .collect();
    assert!(
        keys[0].starts_with("labctl-program-Linux-X64-") && keys[0].len() > 50,
        "{keys:?}"
    );
    assert!(
        keys[1].starts_with("labctl-store-Linux-X64--") && keys[1].len() > 50,
        "{keys:?}"
    );
    let built = fs::read_to_string(runner.shell.path("runner/cargo")).unwrap();
    assert!(built.starts_with("install --locked --path "), "{built}");
}

#[test]
fn what_is_right_passes_with_a_program_from_the_cache() {
    let mut runner = Runner::new(&[
        ("workspace", "copies"),
        ("exercise", "bandwidth"),
        ("artifact", ""),
    ]);
    runner.shell.write(
        "here/copies/answers/bandwidth.yaml",
        "moved: 2 GB\nregister: rsi\n",
    );
    fs::create_dir_all(runner.shell.path("runner/labctl/bin")).unwrap();
    fs::copy(
        env!("CARGO_BIN_EXE_labctl"),
        runner.shell.path("runner/labctl/bin/labctl"),
    )
    .unwrap();
    runner.cached = true;
    let ended = runner.run();
    assert_eq!(
        (ended.status, runner.output("verdict").as_str()),
        (Some(0), "passed"),
        "{}",
        ended.log
    );
    assert!(!runner.shell.path("runner/cargo").exists());
    assert_eq!(ended.used.len(), 2);
}

#[test]
fn what_an_input_holds_is_never_code() {
    let evil = "bandwidth; touch pwned $(touch pwned) `touch pwned` ' \" * && touch pwned\n::error::x";
    for name in [
        "exercise",
        "workspace",
        "course",
        "kernel",
        "seed",
        "mirror",
        "command",
        "accel",
    ] {
        let mut runner = Runner::new(&[("workspace", "copies"), ("exercise", "bandwidth")]);
        runner.inputs.insert(name.to_owned(), evil.to_owned());
        let before = names(&runner.shell.here(""));
        let ended = runner.run();
        assert_eq!(names(&runner.shell.here("")), before, "{name}");
        // A seed may be any text; everything else is refused as what it is.
        let expected: &[i32] = match name {
            "seed" | "mirror" | "kernel" => &[0, 1, 2, 3, 4],
            _ => &[2, 3],
        };
        assert!(
            expected.contains(&ended.status.unwrap()),
            "{name}: {:?} {}",
            ended.status,
            ended.log
        );
        let commands = ended
            .log
            .lines()
            .filter(|line| line.trim_start().starts_with("::error::"));
        assert_eq!(commands.count(), 0, "{name}: {}", ended.log);
    }
}

#[test]
fn an_exercise_that_looks_like_an_option_is_an_exercise() {
    let mut runner = Runner::new(&[("workspace", "copies"), ("exercise", "--help")]);
    let ended = runner.run();
    assert_eq!(ended.status, Some(2), "{}", ended.log);
    assert!(ended.log.contains("--help"), "{}", ended.log);
    assert!(!ended.log.contains("Usage:"), "{}", ended.log);
}

#[test]
fn a_class_in_parts_and_put_together() {
    let mut runner = Runner::new(&[
        ("command", "grade"),
        ("exercise", "bandwidth"),
        ("course-key", "a very secret key"),
    ]);
    for (name, moved) in [("alice", "2 GB"), ("bob", "1 GB"), ("carol", "2 GB")] {
        runner
            .shell
            .run_course(&["init", "copies", &format!("submissions/{name}")]);
        let sheet = format!("moved: {moved}\nregister: rsi\n");
        runner
            .shell
            .write(&format!("here/submissions/{name}/answers/bandwidth.yaml"), &sheet);
    }
    runner.shell.write(
        "here/roster.csv",
        "id,name\nalice,Alice\nbob,Bob\ncarol,@octocat =1+1\ndave,Dave\n",
    );
    runner.inputs.insert("roster".to_owned(), "roster.csv".to_owned());
    let grades = runner.shell.path("runner/labctl/results/grades");
    for part in ["1", "2"] {
        runner.inputs.insert("partition".to_owned(), format!("{part}/2"));
        let ended = runner.run();
        assert_eq!(ended.status, Some(0), "{}", ended.log);
        assert!(!ended.log.contains("a very secret key"), "{}", ended.log);
        assert!(!runner.shell.path("runner/labctl/course-key").exists());
        let kept = runner.shell.here(&format!("parts/part-{part}"));
        fs::create_dir_all(&kept).unwrap();
        fs::rename(&grades, kept.join("grades")).unwrap();
    }
    runner.inputs.insert("command".to_owned(), "merge".to_owned());
    runner.inputs.insert("submissions".to_owned(), "parts".to_owned());
    let ended = runner.run();
    assert_eq!(ended.status, Some(0), "{}", ended.log);
    let table = fs::read_to_string(grades.join("results.csv")).unwrap();
    let rows: Vec<&str> = table
        .lines()
        .map(|line| line.split(',').next().unwrap())
        .collect();
    assert_eq!(rows, ["student", "alice", "bob", "carol", "dave"]);
    let summary = fs::read_to_string(runner.shell.path("runner/summary")).unwrap();
    let whole = summary.rsplit("## ").next().unwrap();
    assert!(
        whole.contains("| alice |") && whole.contains("| dave |"),
        "{summary}"
    );
    assert!(!whole.contains("@octocat"), "{summary}");
}
