//! What labctl writes for OpenSSH, judged by OpenSSH where it is installed.

use std::path::Path;

use labctl::guest::{InstanceKeys, KeyFiles, SshConfig};
use labctl::supervise::blocking_command;

use crate::fake_ssh::{FakeSsh, Script, known_as};

/// The program's standard output, or `None`, with the reason printed, where it is not installed.
fn output_of(program: &str, args: &[&str]) -> Option<String> {
    match blocking_command(program).args(args).output() {
        Ok(output) => {
            assert!(output.status.success(), "{program} {args:?}: {output:?}");
            Some(String::from_utf8(output.stdout).unwrap())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            crate::skip(&format!("{program} is not installed"));
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn ssh_keygen_reads_our_private_key_and_our_known_hosts() {
    let dir = tempfile::tempdir().unwrap();
    let keys = InstanceKeys::generate().unwrap();
    let files = keys.save(dir.path(), &known_as(40022)).unwrap();

    let Some(public) = output_of("ssh-keygen", &["-y", "-f", text(&files.identity)]) else {
        return;
    };
    assert_eq!(public, keys.authorized_keys().unwrap());
    for name in ["labctl-test", "[127.0.0.1]:40022"] {
        let found = output_of("ssh-keygen", &["-l", "-F", name, "-f", text(&files.known_hosts)]).unwrap();
        assert!(found.contains(&keys.access().host_fingerprint()), "{found}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ssh_gets_in_through_our_configuration() {
    // The path has what a user's path may have.
    let dir = tempfile::Builder::new().prefix("lab 100% ").tempdir().unwrap();
    let fake = FakeSsh::start(Script::default()).await;
    fake.save(dir.path());
    let config = SshConfig {
        host: "labctl-test".to_owned(),
        port: fake.address.port(),
        files: KeyFiles::in_dir(dir.path()),
    };
    let path = dir.path().join("ssh_config");
    std::fs::write(&path, config.text().unwrap()).unwrap();
    let output = tokio::task::spawn_blocking(move || {
        output_of("ssh", &["-F", text(&path), "labctl-test", "echo in; cat"])
    });
    if let Some(output) = output.await.unwrap() {
        assert_eq!(output, "in\n");
    }
}
