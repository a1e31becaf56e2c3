//! `--substitute` as a stranger meets it.

use fs_err as fs;
use labctl::digest::Digest;
use labctl::session::{KernelRecipe, Preparation};
use labctl::spec::files::CourseFiles;
use labctl::store::Store;
use labctl::substitute::{NAMESPACE, file_names};

use super::mirrors;
use super::shell::Shell;
use crate::substitutes::{Made, key, public, signature};

/// An account whose course has a kernel, and that kernel as somebody else has made it.
fn shell() -> Option<(Shell, Made)> {
    let shell = mirrors::shell()?;
    let mut files = CourseFiles::new();
    for file in ["kernel.yaml", "kernel.lock"] {
        let file = format!("kernels/small-6.12/{file}");
        files.insert(&file, fs::read(shell.path(&format!("course/{file}"))).unwrap());
    }
    let recipe = KernelRecipe::read(&files, "small-6.12").unwrap();
    let lock = recipe.lock(&files).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let id = Preparation::kernel_id(&recipe, &lock, &store);
    Some((shell, Made::new(id, "CONFIG_NET=y\n")))
}

/// Builds the kernel with the substitutes at `place`, and without a mirror.
fn build(shell: &Shell, place: &str, more: &[&str]) -> String {
    let args = [&["kernel", "build", "small-6.12"][..], more].concat();
    let output = shell
        .course_command(&args)
        .env("LABCTL_SUBSTITUTES", place)
        .env("LABCTL_MIRROR", "file:///nowhere")
        .output()
        .unwrap();
    let mut said = shell.transcript(&args, &output);
    if !place.is_empty() {
        said = said.replace(place, "[PLACE]");
    }
    mirrors::timeless(&mirrors::whichever(&said), "file:///nowhere")
}

fn same(said: &[String], made: &Made) -> String {
    said.join("\n").replace(&made.listed.id.to_string(), "[KERNEL]")
}

#[test]
fn a_kernel_is_taken_where_the_course_has_committed_its_digest() {
    let Some((shell, made)) = shell() else { return };
    let server = made.serve(None);
    let text = made.committed().to_text();
    shell.write("course/kernels/small-6.12/substitute.lock", &text);
    let said = [
        build(&shell, &server.url, &[]),
        // Stored by now: nobody is asked.
        build(&shell, "/nowhere", &[]),
    ];
    assert_eq!(server.asked().len(), 2);
    insta::assert_snapshot!(same(&said, &made));
}

#[test]
fn a_kernel_is_taken_where_the_configuration_trusts_the_key() {
    let Some((shell, made)) = shell() else { return };
    let server = made.serve(Some(signature(&key(1), NAMESPACE, &made.json)));
    shell.write(
        "home/.config/labctl/config.yaml",
        &format!(
            "substitutes: ['{}']\nsubstitute-keys:\n  - {}\n",
            server.url,
            public(&key(1))
        ),
    );
    let args = ["kernel", "build", "small-6.12"];
    let said = shell.run_course(&args).replace(&server.url, "[PLACE]");
    insta::assert_snapshot!(same(&[mirrors::timeless(&said, "file:///nowhere")], &made));
}

#[test]
fn a_release_of_a_forge_is_a_place() {
    let Some((shell, made)) = shell() else { return };
    let [json, _, bundle] = file_names(made.listed.id);
    let folder = shell.path("forge/uni/course/releases/download/v1");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(json), &made.json).unwrap();
    fs::write(folder.join(bundle), &made.bundle).unwrap();
    let text = made.committed().to_text();
    shell.write("course/kernels/small-6.12/substitute.lock", &text);
    let forge = format!("github: 'file://{}'\n", shell.path("forge").display());
    shell.write("home/.config/labctl/config.yaml", &forge);
    let said = build(&shell, "github:uni/course@v1", &[]);
    insta::assert_snapshot!(same(&[said], &made));
}

#[test]
fn what_cannot_be_believed_is_built_instead() {
    let Some((shell, made)) = shell() else { return };
    let mut wrong = made.clone();
    let middle = wrong.bundle.len() / 2;
    wrong.bundle[middle] ^= 1;
    let unsigned = made.serve(None);
    let mut said = vec![build(&shell, &unsigned.url, &[])];
    let text = made.committed().to_text();
    shell.write("course/kernels/small-6.12/substitute.lock", &text);
    let server = wrong.serve(None);
    let digest = Digest::of(&wrong.bundle).to_string();
    let file = made.record.file.sha256.to_string();
    said.push(
        build(&shell, &server.url, &[])
            .replace(&digest, "[GOT]")
            .replace(&file, "[EXPECTED]"),
    );
    let before = server.asked().len();
    said.push(build(&shell, &server.url, &["--no-substitutes"]));
    assert_eq!(server.asked().len(), before);
    insta::assert_snapshot!(same(&said, &made));
}

#[test]
fn what_is_no_place_or_no_key_is_said() {
    let Some((shell, made)) = shell() else { return };
    let mut said = vec![
        build(&shell, "github:uni/course", &[]),
        build(&shell, "ftp://labs.example/x", &[]),
    ];
    shell.write(
        "home/.config/labctl/config.yaml",
        "substitutes: [/srv/labctl]\nsubstitute-keys: [nonsense]\n",
    );
    said.push(build(&shell, "", &[]));
    shell.write("home/.config/labctl/config.yaml", "substitute: [/srv/labctl]\n");
    said.push(build(&shell, "", &[]));
    fs::remove_file(shell.path("home/.config/labctl/config.yaml")).unwrap();
    shell.write("course/kernels/small-6.12/substitute.lock", "entries: []\n");
    said.push(build(&shell, "", &[]));
    insta::assert_snapshot!(same(&said, &made));
}
