//! Builds what runs in the guest, and embeds it together with the course: an installed `labctl` works in an empty
//! folder.
//!
//! The tools are built by a cargo of their own, for the same architecture but static, and in the profile `guest`
//! whatever the outer profile is. No path of this machine reaches their bytes: they are inputs of images, which have
//! to come out the same everywhere.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};

/// Packages of the workspace, each with one binary of the same name.
const TOOLS: [(&str, &str); 4] = [
    ("lab-init", "the guest's process 1"),
    ("sender", "the lesson's sender"),
    ("receiver", "the lesson's receiver"),
    ("tracer", "the reader of the witness"),
];
/// Folders whose change means that the tools have to be built again.
const TOOL_SOURCES: [&str; 5] = ["init", "lab-proto", "receiver", "sender", "tracer"];
/// What makes up the course, relative to the repository. Those that do not exist are named in a warning.
const COURSE: [&str; 4] = ["labs.yaml", "labs", "images", "kernels"];
/// Static position-dependent executables: smaller, and nothing in the image has to load them.
const RUSTFLAGS: [&str; 2] = ["-Ctarget-feature=+crt-static", "-Crelocation-model=static"];

fn main() {
    let out = PathBuf::from(required("OUT_DIR"));
    let manifest_dir = PathBuf::from(required("CARGO_MANIFEST_DIR"));
    let root = manifest_dir
        .parent()
        .expect("labctl/ lies in the repository")
        .to_owned();
    watch("build.rs");
    let mut code = String::new();
    embed_tools(&root, &out, &mut code);
    embed_files(
        &root,
        "KMOD",
        "C sources of the course's own kernel modules, by file name.",
        &["guest-tools/kmod"],
        &mut code,
    );
    embed_files(
        &root,
        "COURSE",
        "The course's files, by path.",
        &COURSE,
        &mut code,
    );
    write(&out.join("embedded.rs"), &code);
}

/// Has this script run again when `path` changes, which is relative to the package. One clone may build in the target folder
/// of another: it is its own files that count, and what was generated names those of the clone that built before, which may
/// be gone.
fn watch(path: &str) {
    println!("cargo::rerun-if-changed={path}");
    let built_from = PathBuf::from(required("CARGO_MANIFEST_DIR")).join(path);
    println!("cargo::rerun-if-changed={}", built_from.display());
}

fn embed_tools(root: &Path, out: &Path, code: &mut String) {
    for source in TOOL_SOURCES {
        watch(&format!("../guest-tools/{source}"));
    }
    watch("../Cargo.toml");
    watch("../Cargo.lock");
    let target = required("TARGET");
    let target_dir = out.join("guest");
    build_tools(root, &target, &target_dir);
    for (name, about) in TOOLS {
        let built = target_dir.join(&target).join("guest").join(name);
        let constant = name.to_uppercase().replace('-', "_");
        let bytes =
            fs::read(&built).unwrap_or_else(|error| panic!("cargo made no `{}`: {error}", built.display()));
        let sha256: [u8; 32] = Sha256::digest(&bytes).into();
        writeln!(
            code,
            "/// `{name}`, {about}.\n\
             pub static {constant}: Tool = Tool {{ bytes: include_bytes!({built:?}), sha256: {sha256:?} }};"
        )
        .expect("a String takes any text");
    }
}

fn build_tools(root: &Path, target: &str, target_dir: &Path) {
    #[expect(
        clippy::disallowed_methods,
        reason = "a build script is no part of the program"
    )]
    let mut cargo = Command::new(required("CARGO"));
    cargo
        .current_dir(root)
        .args(["build", "--locked", "--profile", "guest"]);
    // An explicit target keeps the flags away from procedural macros, which cannot be static.
    cargo
        .arg("--target")
        .arg(target)
        .arg("--target-dir")
        .arg(target_dir);
    for (name, _) in TOOLS {
        cargo.args(["--package", name]);
    }
    for (name, _) in env::vars_os() {
        if name.to_str().is_none_or(is_outer_setting) {
            cargo.env_remove(&name);
        }
    }
    cargo.env("CARGO_ENCODED_RUSTFLAGS", rustflags(root).join("\u{1f}"));
    let status = cargo.status().expect("cargo can be started: it runs this script");
    assert!(
        status.success(),
        "the guest's tools could not be built (see above)"
    );
}

/// Settings of the outer build that would change the tools' bytes or make this a check instead of a build.
fn is_outer_setting(name: &str) -> bool {
    let prefixes = [
        "CARGO_PKG_",
        "CARGO_CFG_",
        "CARGO_FEATURE_",
        "CARGO_MANIFEST_",
        "CARGO_PROFILE_",
        "CARGO_BUILD_",
        "CARGO_TARGET_",
        "CARGO_UNSTABLE_",
    ];
    let names = [
        "CARGO_PRIMARY_PACKAGE",
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTFLAGS",
        "RUSTDOCFLAGS",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "CLIPPY_ARGS",
        "TARGET",
        "HOST",
        "PROFILE",
        "OPT_LEVEL",
        "DEBUG",
        "NUM_JOBS",
        "OUT_DIR",
    ];
    prefixes.iter().any(|prefix| name.starts_with(prefix)) || names.contains(&name)
}

fn rustflags(root: &Path) -> Vec<String> {
    let mut flags: Vec<String> = RUSTFLAGS.iter().map(ToString::to_string).collect();
    flags.push(format!("--remap-path-prefix={}=", root.display()));
    if let Some(home) = cargo_home() {
        flags.push(format!("--remap-path-prefix={}=cargo", home.display()));
    }
    flags
}

fn cargo_home() -> Option<PathBuf> {
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
    env::var_os("CARGO_HOME").map(PathBuf::from).or_else(home)
}

/// A constant `NAME: &[(path, bytes)]`, sorted by path.
fn embed_files(root: &Path, name: &str, about: &str, tops: &[&str], code: &mut String) {
    let mut files = Vec::new();
    for top in tops {
        let path = root.join(top);
        watch(&format!("../{top}"));
        if !path.exists() {
            println!("cargo::warning=`{top}` does not exist and is not embedded");
            continue;
        }
        collect(&path, &mut files);
    }
    // As strings, which is how they are looked up; paths sort by component.
    files.sort_by_key(|file| file.to_string_lossy().into_owned());
    let mut put = |line: String| writeln!(code, "{line}").expect("a String takes any text");
    put(format!("/// {about}"));
    put(format!("pub static {name}: &[(&str, &[u8])] = &["));
    for file in files {
        let relative = file
            .strip_prefix(root)
            .expect("found below the root")
            .to_str()
            .expect("course paths are UTF-8");
        let shown = relative.strip_prefix("guest-tools/kmod/").unwrap_or(relative);
        put(format!("    ({shown:?}, include_bytes!({file:?})),"));
    }
    put("];".to_owned());
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) {
    if path.is_file() {
        files.push(path.to_owned());
        return;
    }
    let entries =
        fs::read_dir(path).unwrap_or_else(|error| panic!("cannot list `{}`: {error}", path.display()));
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        // Editors leave such files behind.
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if !name.starts_with('.') && !name.ends_with('~') {
            collect(&path, files);
        }
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("cannot write `{}`: {error}", path.display()));
}

fn required(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}
