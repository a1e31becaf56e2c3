//! Mirrors that are gone, silent, or lie; a disk that is full; and being stopped while packages arrive.

use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use fs_err as fs;
use lab_deb::{RelativePath, Version};
use labctl::apt::{LockFile, Pin, ReleaseStamp, SetLock};
use labctl::digest::Digest;
use labctl::sandbox::Bubblewrap;
use labctl::session::KernelRecipe;
use labctl::spec::files::CourseFiles;
use rustix::process::{Pid, Signal, kill_process};

use super::shell::Shell;
use crate::server::{Answer, Asked, Server, file_or_404, serve};

/// The packages of the kernel of the small course, each a file of the corpus.
const PACKAGES: [(&str, &str); 3] = [
    ("linux-image-small", "pool/main/shell_2.0-1_amd64.deb"),
    ("linux-headers-small", "pool/main/tool_3-1_amd64.deb"),
    ("gcc-14", "pool/main/libsmall_1.1-1_amd64.deb"),
];
/// The largest of them.
const SHELL: &str = PACKAGES[0].1;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/archive")
}

/// An account whose course pins those packages; `None` where kernels cannot be made.
pub(crate) fn shell() -> Option<Shell> {
    if let Err(error) = Bubblewrap::find(&std::env::var_os("PATH").unwrap()) {
        crate::skip(&error.to_string());
        return None;
    }
    let shell = Shell::new();
    let file = "kernels/small-6.12/kernel.yaml";
    let mut files = CourseFiles::new();
    files.insert(file, fs::read(shell.path(&format!("course/{file}"))).unwrap());
    let recipe = KernelRecipe::read(&files, "small-6.12").unwrap();
    let request = recipe.request();
    let sets = request.sets.into_iter().map(|(name, request)| {
        let set = SetLock {
            packages: request.packages.clone(),
            request: request.packages,
            exclude: request.exclude,
            dependencies: request.follow == lab_deb::Follow::Dependencies,
        };
        (name, set)
    });
    let packages = PACKAGES.map(|(name, path)| {
        let bytes = fs::read(corpus().join(path)).unwrap();
        let pin = Pin {
            name: name.to_owned(),
            version: Version::parse("1.0").unwrap(),
            architecture: "amd64".to_owned(),
            size: bytes.len() as u64,
            sha256: Digest::of(&bytes),
            path: RelativePath::parse(path.as_bytes()).unwrap(),
        };
        (name.to_owned(), pin)
    });
    let lock = LockFile {
        suite: request.suite,
        release: ReleaseStamp {
            version: Some("13.7".to_owned()),
            date: "Sat, 12 Sep 2026 07:55:41 UTC".to_owned(),
        },
        sets: sets.collect(),
        packages: packages.into_iter().collect(),
    };
    shell.write("course/kernels/small-6.12/kernel.lock", &lock.to_text());
    Some(shell)
}

const BUILD: [&str; 3] = ["kernel", "build", "small-6.12"];

fn build(shell: &Shell, mirror: &str, more: &[&str]) -> (String, Output) {
    let mut args = BUILD.to_vec();
    args.extend_from_slice(more);
    let output = shell
        .course_command(&args)
        .env("LABCTL_MIRROR", mirror)
        .output()
        .unwrap();
    let said = shell.transcript(&args, &output);
    (timeless(&said, mirror), output)
}

/// Without the package: which one is first is chance.
pub(crate) fn whichever(said: &str) -> String {
    PACKAGES.iter().fold(said.to_owned(), |said, (name, path)| {
        let id = Digest::of(&fs::read(corpus().join(path)).unwrap()).to_string();
        said.replace(name, "[PACKAGE]")
            .replace(path, "[PATH]")
            .replace(&id, "[ID]")
    })
}

/// Without times and ports.
pub(crate) fn timeless(said: &str, mirror: &str) -> String {
    let said = said.replace(mirror, "[MIRROR]");
    let mut out = String::new();
    for line in said.lines() {
        match line.rsplit_once(" (") {
            Some((head, tail)) if tail.ends_with(" s)") => out.push_str(&format!("{head} ([TIME])\n")),
            _ => out.push_str(&format!("{line}\n")),
        }
    }
    out
}

/// A mirror that answers for the largest package as told, and honestly for the others.
fn mirror(answer: impl Fn(Vec<u8>) -> Answer + Send + Sync + 'static) -> Server {
    serve(move |asked, _| {
        if asked.path == SHELL {
            answer(fs::read(corpus().join(SHELL)).unwrap())
        } else {
            file_or_404(&corpus(), &asked.path)
        }
    })
}

#[test]
fn a_mirror_that_is_gone() {
    let Some(shell) = shell() else { return };
    // Bound and let go again: nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("http://127.0.0.1:{port}/debian");
    let (said, output) = build(&shell, &url, &[]);
    assert_eq!(output.status.code(), Some(5), "{said}");
    insta::assert_snapshot!(whichever(&said));
}

#[test]
fn a_mirror_that_serves_a_wrong_byte() {
    let Some(shell) = shell() else { return };
    let server = mirror(|mut bytes| {
        bytes[100] ^= 1;
        Answer::File(bytes)
    });
    let (said, output) = build(&shell, &server.url, &[]);
    assert_eq!(output.status.code(), Some(5), "{said}");
    insta::assert_snapshot!(said);
    assert!(!half_arrived(&shell), "bytes that are wrong are not kept");
}

#[test]
fn a_mirror_that_serves_too_little() {
    let Some(shell) = shell() else { return };
    let server = mirror(|mut bytes| {
        bytes.truncate(30_000);
        Answer::File(bytes)
    });
    let (said, output) = build(&shell, &server.url, &[]);
    assert_eq!(output.status.code(), Some(5), "{said}");
    insta::assert_snapshot!(said);
}

#[test]
fn a_mirror_that_hangs_up_is_tried_again_and_goes_on() {
    let Some(shell) = shell() else { return };
    let server = serve(|asked, before| {
        let bytes = fs::read(corpus().join(&asked.path));
        match bytes {
            Ok(bytes) if asked.path == SHELL && before == 0 => Answer::CutAfter(bytes, 20_000),
            // A server that knows no ranges costs a second start, no more.
            Ok(bytes) if asked.path == SHELL && before == 1 => Answer::WithoutRanges(bytes),
            Ok(bytes) => Answer::File(bytes),
            Err(_) => Answer::Status(404),
        }
    });
    let (said, _) = build(&shell, &server.url, &[]);
    assert!(said.contains("fetch  3 packages ("), "{said}");
    let offsets: Vec<_> = server
        .asked()
        .into_iter()
        .filter(|asked| asked.path == SHELL)
        .map(|asked| asked.offset)
        .collect();
    assert_eq!(offsets, [None, Some(20_000)]);
}

#[test]
fn a_package_that_is_gone() {
    let Some(shell) = shell() else { return };
    let server = mirror(|_| Answer::Status(404));
    let (said, output) = build(&shell, &server.url, &["--locked"]);
    assert_eq!(output.status.code(), Some(3), "{said}");
    insta::assert_snapshot!(said);
}

#[test]
fn what_is_named_as_a_mirror_has_to_be_one() {
    let Some(shell) = shell() else { return };
    let (said, output) = build(&shell, "gopher://example.invalid/debian", &[]);
    assert_eq!(output.status.code(), Some(4), "{said}");
    insta::assert_snapshot!(said);
}

#[test]
fn a_proxy_is_used_where_the_environment_says_so() {
    let Some(shell) = shell() else { return };
    let (proxy, asked) = silent();
    // Nobody has that name: only the proxy can be asked for it.
    let mut child = start(&shell, "http://mirror.invalid/debian", Some(&proxy.url));
    assert_eq!(
        asked.recv().unwrap().path,
        "mirror.invalid:80",
        "a tunnel to the mirror"
    );
    kill(&child, Signal::KILL);
    child.wait().unwrap();
}

/// A server that sends the beginning of the largest package and then nothing, and tells of each question.
fn silent() -> (Server, Receiver<Asked>) {
    let (tell, asked) = channel();
    let tell = std::sync::Mutex::new(tell);
    let server = serve(move |asked, _| {
        drop(tell.lock().unwrap().send(asked.clone()));
        match fs::read(corpus().join(&asked.path)) {
            Ok(bytes) if asked.path == SHELL && asked.offset.is_none() => Answer::SilentAfter(bytes, 10_000),
            Ok(bytes) => Answer::File(bytes),
            Err(_) => Answer::Status(404),
        }
    });
    (server, asked)
}

fn start(shell: &Shell, mirror: &str, proxy: Option<&str>) -> Child {
    let mut command = shell.course_command(&BUILD);
    if let Some(proxy) = proxy {
        command.env("http_proxy", proxy.trim_end_matches("/debian"));
    }
    command
        .env("LABCTL_MIRROR", mirror)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The next question of a labctl that lives to ask it.
fn question(child: &mut Child, asked: &Receiver<Asked>) -> Asked {
    loop {
        if let Ok(asked) = asked.recv_timeout(Duration::from_millis(100)) {
            return asked;
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended without asking");
    }
}

/// A build that has the beginning of its largest package and waits for the rest.
fn half_way(shell: &Shell) -> (Child, Server) {
    let (server, asked) = silent();
    let mut child = start(shell, &server.url, None);
    while question(&mut child, &asked).path != SHELL {}
    // The server has sent; that it has arrived shows in the store.
    while !half_arrived(shell) {
        std::thread::park_timeout(Duration::from_millis(5));
    }
    (child, server)
}

/// Whether the beginning of a package lies where the next run goes on from.
fn half_arrived(shell: &Shell) -> bool {
    let staging = shell.path("home/.cache/labctl/v1/staging");
    fs::read_dir(staging).is_ok_and(|mut entries| {
        entries.any(|entry| {
            let meta = entry.unwrap().metadata();
            // All that was sent, of the package that stays half: others come and go meanwhile.
            meta.is_ok_and(|meta| meta.is_file() && meta.len() == 10_000)
        })
    })
}

fn kill(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// The next build goes on from where the last one stopped.
fn goes_on(shell: &Shell) {
    let server = mirror(Answer::File);
    build(shell, &server.url, &[]);
    let asked = server.asked();
    let shell = asked.iter().find(|asked| asked.path == SHELL).unwrap();
    assert_eq!(shell.offset, Some(10_000), "{asked:?}");
}

#[test]
fn an_interrupt_ends_a_silent_transfer_and_keeps_what_has_arrived() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let Some(shell) = shell() else { return };
        let (child, server) = half_way(&shell);
        kill(&child, signal);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{output:?}");
        let said = timeless(&shell.transcript(&BUILD, &output), &server.url);
        insta::allow_duplicates! { insta::assert_snapshot!(said) };
        goes_on(&shell);
    }
}

#[test]
fn what_a_killed_fetch_leaves_is_reaped_by_the_next_command() {
    let Some(shell) = shell() else { return };
    let (mut child, _server) = half_way(&shell);
    kill(&child, Signal::KILL);
    child.wait().unwrap();
    assert!(!shell.half_made().is_empty(), "packages were being made");
    let listed = shell.run_course(&["kernel", "ls"]);
    assert!(listed.ends_with("--- exit 0\n"), "{listed}");
    assert_eq!(shell.half_made(), Vec::<String>::new());
    goes_on(&shell);
}

#[test]
fn a_package_that_changed_in_the_store_is_named_and_fetched_again() {
    let Some(shell) = shell() else { return };
    let server = mirror(Answer::File);
    build(&shell, &server.url, &[]);
    let id = Digest::of(&fs::read(corpus().join(SHELL)).unwrap()).to_string();
    let stored = shell.path(&format!("home/.cache/labctl/v1/debs/{id}/package.deb"));
    let mut bytes = fs::read(&stored).unwrap();
    bytes[1000] ^= 1;
    fs::write(&stored, &bytes).unwrap();
    let (said, _) = build(&shell, &server.url, &[]);
    assert!(
        said.contains("is damaged: `package.deb` has digest")
            && said.contains("`linux-image-small` is fetched again"),
        "{said}"
    );
    bytes[1000] ^= 1;
    assert_eq!(fs::read(&stored).unwrap(), bytes);
}

/// A file system of 32 KiB, which holds the small packages and not the large one. A user may mount one in a namespace
/// of their own.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the program under test, under bubblewrap"
)]
fn a_full_disk_is_called_by_its_name() {
    let Some(shell) = shell() else { return };
    let server = mirror(Answer::File);
    fs::create_dir(shell.path("small")).unwrap();
    let inner = shell.course_command(&BUILD);
    let mut command = std::process::Command::new("bwrap");
    command
        .args(["--dev-bind", "/", "/", "--size", "32768", "--tmpfs"])
        .arg(shell.path("small"))
        .arg("--")
        .arg(inner.get_program())
        .args(inner.get_args())
        .current_dir(inner.get_current_dir().unwrap())
        .env_clear()
        .envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .env("XDG_CACHE_HOME", shell.path("small"))
        .env("LABCTL_MIRROR", &server.url);
    let output = command.output().unwrap();
    let said = timeless(&shell.transcript(&BUILD, &output), &server.url);
    assert_eq!(output.status.code(), Some(4), "{said}");
    insta::assert_snapshot!(whichever(&said));
}
