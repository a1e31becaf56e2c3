//! A guest that stays, used in every way that the README promises.

use std::io::Write as _;
use std::process::Stdio;

use fs_err as fs;

use crate::bed::{bed, command, explain};

#[test]
fn up_and_everything_that_can_be_done_with_it() {
    let Some(bed) = bed() else { return };
    let kernel = ["--kernel", "debian-6.12"];
    let up = bed.labctl(&["up", "module7", kernel[0], kernel[1]]);
    assert!(up.status.success(), "{}", explain(&up));
    let said = String::from_utf8_lossy(&up.stderr).into_owned();
    assert!(said.contains("labctl ssh"), "it says what to do next: {said}");

    let again = bed.labctl(&["up", "module7", kernel[0], kernel[1]]);
    assert!(again.status.success() && String::from_utf8_lossy(&again.stderr).contains("up already"));

    // Streams apart, input passed, status passed.
    let script = "cat; echo to-stderr >&2; exit 7";
    let mut child = bed
        .command(&["exec", "--", "sh", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"to-stdout").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{}", explain(&output));
    assert_eq!(output.stdout, b"to-stdout");
    assert_eq!(output.stderr, b"to-stderr\n");

    let odd = "it's \"odd\"; $(rm -rf /)\n*";
    assert_eq!(
        bed.ok(&["exec", "--", "printf", "%s", odd]),
        odd,
        "arguments arrive as they are"
    );
    assert_eq!(
        bed.ok(&["ssh", "--", "echo $((6 * 7))"]),
        "42\n",
        "ssh's words are read by the guest's shell"
    );

    // The password lets in, which costs the guest less than the key; once somebody has changed it, the key does.
    let log = ["exec", "--", "cat", "/run/dropbear.log"];
    let entered = bed.ok(&log);
    assert!(
        entered.contains("Password auth succeeded") && !entered.contains("Pubkey auth succeeded"),
        "{entered}"
    );
    bed.ok(&["exec", "--", "sh", "-c", "echo 'root:*:::::::' > /etc/shadow"]);
    let entered = bed.ok(&log);
    assert!(entered.contains("Pubkey auth succeeded"), "{entered}");

    // Files and folders, there and back.
    let tree = bed.dir.path().join("tree");
    fs::create_dir_all(tree.join("sub")).unwrap();
    fs::write(tree.join("sub/file"), vec![b'x'; 300_000]).unwrap();
    bed.ok(&["push", "tree", "/root/there"]);
    bed.ok(&["pull", "/root/there", "back"]);
    assert_eq!(
        fs::read(bed.dir.path().join("back/sub/file")).unwrap(),
        vec![b'x'; 300_000]
    );
    bed.ok(&["pull", "/root/there/sub/file", "one"]);
    assert_eq!(fs::read(bed.dir.path().join("one")).unwrap().len(), 300_000);

    bed.ok(&["exec", "--", "sh", "-c", "echo hello-from-the-guest > /dev/kmsg"]);
    let dmesg = bed.ok(&["dmesg"]);
    assert!(
        dmesg.contains("Linux version") && dmesg.contains("hello-from-the-guest"),
        "{dmesg}"
    );

    let status = bed.ok(&["status", "--format", "json"]);
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["guests"][0]["state"], "running", "{status}");

    let config = bed.dir.path().join("ssh_config");
    fs::write(&config, bed.ok(&["ssh-config"])).unwrap();
    openssh(&bed, &config);

    bed.ok(&["down"]);
    bed.assert_nothing_left();
    let gone = bed.labctl(&["exec", "module7", "--", "true"]);
    assert_eq!(gone.status.code(), Some(2), "{}", explain(&gone));
    assert!(
        String::from_utf8_lossy(&gone.stderr).contains("labctl up module7"),
        "{}",
        explain(&gone)
    );
}

/// OpenSSH's own clients, where they are installed.
fn openssh(bed: &crate::bed::Bed, config: &std::path::Path) {
    let config = config.to_str().unwrap();
    let run = |program: &str, args: &[&str]| {
        let output = command(program)
            .arg("-F")
            .arg(config)
            .args(args)
            .current_dir(bed.dir.path())
            .output();
        match output {
            Ok(output) => {
                assert!(
                    output.status.success(),
                    "{program} {args:?}: {}",
                    explain(&output)
                );
                Some(String::from_utf8(output.stdout).unwrap())
            }
            Err(error) => {
                crate::skip(&format!("{program} is not installed ({error})"));
                None
            }
        }
    };
    if let Some(said) = run("ssh", &["labctl-module7", "echo", "over-openssh"]) {
        assert_eq!(said, "over-openssh\n");
    }
    if run("scp", &["one", "labctl-module7:/root/by-scp"]).is_some() {
        assert_eq!(
            bed.ok(&["exec", "--", "sh", "-c", "wc -c < /root/by-scp"]).trim(),
            "300000"
        );
    }
}
