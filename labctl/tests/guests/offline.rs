//! A classroom without a network: one host packs what a module needs, another unpacks it, and nothing is ever asked for.

use std::process::Output;

use fs_err as fs;
use serde_json::Value;

use crate::bed::{Bed, bed, command, explain};

/// Runs labctl where there is no network but `lo`, or none that it could find where this host does not allow that. Whatever
/// it asks a mirror for is a failure either way.
fn offline(bed: &Bed, args: &[&str]) -> Output {
    const NAMESPACE: [&str; 4] = ["--user", "--map-current-user", "--net", "--"];
    const UP: &str = "ip link set lo up && exec \"$@\"";
    let plain = bed.command(args);
    // As root without a user namespace of its own, which would be another way of sandboxes.
    let skip = if rustix::process::geteuid().is_root() {
        2
    } else {
        0
    };
    let may = command("unshare")
        .args(&NAMESPACE[skip..])
        .args(["sh", "-c", UP, "sh", "true"])
        .output();
    let mut run = if may.is_ok_and(|output| output.status.success()) {
        let mut run = command("unshare");
        run.args(&NAMESPACE[skip..])
            .args(["sh", "-c", UP, "sh"])
            .arg(plain.get_program())
            .args(plain.get_args())
            .current_dir(plain.get_current_dir().unwrap());
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => run.env(name, value),
                None => run.env_remove(name),
            };
        }
        run
    } else {
        plain
    };
    // Nobody listens there, on any host.
    run.env("LABCTL_MIRROR", "http://127.0.0.1:1/debian");
    run.output().unwrap()
}

fn ok(output: &Output) -> String {
    assert!(output.status.success(), "{}", explain(output));
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    for line in said.lines() {
        assert!(!line.trim_start().starts_with("fetch"), "{said}");
    }
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn what_one_host_packs_another_runs_without_a_network() {
    let Some(mut bed) = bed() else { return };
    let bundle = bed.dir.path().join("module7.tar.zst");
    let bundle = bundle.to_str().unwrap();
    let export = ["cache", "export", "--for", "module7", "--kernel", "debian-6.12"];
    let told = bed.ok(&[&export[..], &["--format", "json", bundle]].concat());
    let told: Value = serde_json::from_str(&told).unwrap();
    let sha256 = told["sha256"].as_str().unwrap();
    let bytes = fs::read(bundle).unwrap();
    assert_eq!(labctl::digest::Digest::of(&bytes).to_string(), sha256);
    drop(bytes);
    bed.own_store(&[]);
    let said = ok(&offline(&bed, &["cache", "import", "--sha256", sha256, bundle]));
    assert!(said.contains("as asked for"), "{said}");
    let kernel = ["--kernel", "debian-6.12"];
    let exec = [
        "exec", "--fresh", "module7", kernel[0], kernel[1], "--", "uname", "-r",
    ];
    let release = ok(&offline(&bed, &exec));
    assert!(release.starts_with("6.12."), "{release}");
    let check = [
        "check",
        "exercise-b",
        "--reference",
        kernel[0],
        kernel[1],
        "--format",
        "json",
    ];
    let report: Value = serde_json::from_str(&ok(&offline(&bed, &check))).unwrap();
    assert_eq!(report["exercises"][0]["verdict"], "passed", "{report:#}");
    // A layer that no exercise asks for in this combination: its initramfs is made there.
    let layers = [
        "exec", "--fresh", "module7", kernel[0], kernel[1], "--layers", "net", "--", "true",
    ];
    ok(&offline(&bed, &layers));
    bed.assert_nothing_left();
}
