//! The workflow that publishes substitutes: its steps, run here, give what labctl believes.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use fs_err as fs;
use labctl::substitute::{Committed, file_names};
use russh::keys::ssh_key::LineEnding;
use serde_json::Value;

use crate::substitutes::{bench, from, key, made, public};

fn workflow() -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.github/workflows/release.yml");
    serde_yaml::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

/// Name and script of every step that has one.
fn steps() -> Vec<(String, String)> {
    let workflow = workflow();
    let steps = workflow["jobs"]["substitutes"]["steps"].as_array().unwrap();
    let scripts = steps.iter().filter_map(|step| {
        let script = step["run"].as_str()?.to_owned();
        Some((step["name"].as_str().unwrap().to_owned(), script))
    });
    scripts.collect()
}

/// As a runner starts a step; `None` where there is no such program.
fn run(name: &str, dir: &Path, env: &[(&str, &str)]) -> Option<Output> {
    let (_, script) = steps().into_iter().find(|(step, _)| step == name).unwrap();
    fs::write(dir.join("step.sh"), script).unwrap();
    let path = format!("{}:{}", dir.join("bin").display(), std::env::var("PATH").unwrap());
    #[expect(clippy::disallowed_methods, reason = "stands for a runner")]
    let output = Command::new("bash")
        .args(["--noprofile", "--norc", "-e", "-o", "pipefail", "step.sh"])
        .current_dir(dir)
        .env("PATH", path)
        .env("RUNNER_TEMP", dir)
        .envs(env.iter().copied())
        .output();
    output.ok()
}

#[test]
fn no_script_takes_text_from_outside_as_code() {
    let steps = steps();
    assert!(steps.len() > 4);
    for (name, script) in steps {
        assert!(!script.contains("${{"), "{name}");
    }
}

#[test]
fn the_signing_step_signs_what_labctl_believes() {
    if std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).all(|folder| !folder.join("ssh-keygen").exists()))
    {
        return crate::skip("there is no ssh-keygen");
    }
    let (made, dir) = (made(), tempfile::tempdir().unwrap());
    let folder = dir.path().join("substitutes");
    fs::create_dir(&folder).unwrap();
    let [json, sig, bundle] = file_names(made.listed.id);
    fs::write(folder.join(&json), &made.json).unwrap();
    fs::write(folder.join(&bundle), &made.bundle).unwrap();
    let private = key(1).to_openssh(LineEnding::LF).unwrap();
    let output = run("Sign", dir.path(), &[("SIGNING_KEY", &private)]).unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(folder.join(sig).exists());
    assert!(
        !dir.path().join("signing-key").exists(),
        "the key stays on the runner"
    );
    let substitutes = from(&[folder.to_str().unwrap()], &[public(&key(1))]);
    assert!(bench().get(&substitutes, &Committed::default()));
    let strangers = from(&[folder.to_str().unwrap()], &[public(&key(2))]);
    assert!(!bench().get(&strangers, &Committed::default()));
    let without = run("Sign", dir.path(), &[("SIGNING_KEY", "")]).unwrap();
    assert!(without.status.success(), "{without:?}");
}

#[test]
fn the_publishing_step_sends_records_last() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("bin")).unwrap();
    let gh = dir.path().join("bin/gh");
    fs::write(&gh, "#!/bin/sh\necho \"$@\" >> asked\n[ \"$2\" != view ]\n").unwrap();
    fs::set_permissions(&gh, std::fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(dir.path().join("substitutes")).unwrap();
    for name in ["a.json", "a.json.sig", "a.tar.zst"] {
        fs::write(dir.path().join("substitutes").join(name), "").unwrap();
    }
    let output = run("Publish", dir.path(), &[("TAG", "v1")]).unwrap();
    assert!(output.status.success(), "{output:?}");
    let asked = fs::read_to_string(dir.path().join("asked")).unwrap();
    let asked: Vec<&str> = asked.lines().collect();
    assert_eq!(
        asked,
        [
            "release view v1",
            "release create v1 --verify-tag --title v1 --generate-notes",
            "release upload v1 --clobber substitutes/a.tar.zst",
            "release upload v1 --clobber substitutes/a.json.sig",
            "release upload v1 --clobber substitutes/a.json",
        ]
    );
}
