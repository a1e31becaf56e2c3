//! What goes wrong beside the student's work: QEMU dies, the SSH server dies, the store is damaged, the disk is full, two
//! want the same. None of it is a verdict about anybody.

use std::path::PathBuf;

use fs_err as fs;
use rustix::process::{Signal, kill_process};
use serde_json::Value;

use crate::bed::{Bed, bed, explain};

const KERNEL: [&str; 2] = ["--kernel", "debian-6.12"];

/// A folder whose `qemu-system-x86_64` does as `script` says; `None` where the stand-in was not built.
fn fake_qemu(bed: &Bed, script: &str) -> Option<PathBuf> {
    let Some(fake) = option_env!("CARGO_BIN_EXE_fake-qemu") else {
        crate::skip("built without the feature `test-fakes`");
        return None;
    };
    let bin = bed.dir.path().join("bin");
    drop(fs::remove_dir_all(&bin));
    fs::create_dir(&bin).unwrap();
    fs::os::unix::fs::symlink(fake, bin.join("qemu-system-x86_64")).unwrap();
    fs::write(bin.join("fake-qemu.script"), script).unwrap();
    Some(bin)
}

/// Runs labctl with that QEMU in front of the real one.
fn with_qemu(bed: &Bed, bin: &std::path::Path, args: &[&str]) -> (Option<i32>, String, String) {
    let path = std::env::var_os("PATH").unwrap();
    let dirs = std::iter::once(bin.to_owned()).chain(std::env::split_paths(&path));
    let output = bed
        .command(args)
        .args(KERNEL)
        .args(["--accel", "tcg"])
        .env("PATH", std::env::join_paths(dirs).unwrap())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_qemu_that_dies_before_the_guest_is_up_is_nobodys_mistake() {
    let Some(bed) = bed() else { return };
    bed.ok(&["kernel", "build", KERNEL[1]]);
    for (script, told) in [
        (
            "mute\nstderr out of luck\nkill",
            "QEMU died of signal 9 (`out of luck`)",
        ),
        (
            "mute\nstderr qemu: could not load PC BIOS 'bios-256k.bin'\nexit 1",
            "a firmware file of QEMU is not installed",
        ),
        ("deaf\nexit 3", "QEMU exited with status 3"),
        (
            "console labctl-init: stage start 1\nawait qmp_capabilities\nconsole last words\nkill",
            "QEMU died of signal 9",
        ),
        (
            "await qmp_capabilities\nconsole [    1.000000] Kernel panic - not syncing: VFS: Unable to mount root fs\n\
             console [    1.100000] ---[ end Kernel panic - not syncing: VFS: Unable to mount root fs ]---",
            "the guest's kernel panicked: `VFS: Unable to mount root fs`",
        ),
    ] {
        let Some(bin) = fake_qemu(&bed, script) else {
            return;
        };
        let (code, _, said) = with_qemu(&bed, &bin, &["up", "module7"]);
        assert_eq!(code, Some(5), "{said}");
        assert!(said.contains(told) && said.contains("error: "), "{said}");
        bed.assert_nothing_left();
        let check = ["check", "exercise-b", "--reference", "--format", "json"];
        let (code, stdout, said) = with_qemu(&bed, &bin, &check);
        assert_eq!(code, Some(5), "{said}");
        assert!(
            said.contains(told) && said.contains("logs: ") && said.contains("again: labctl check"),
            "{said}"
        );
        let report: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(report["exercises"][0]["verdict"], "inconclusive", "{report:#}");
        bed.assert_nothing_left();
    }
}

#[test]
fn a_qemu_that_dies_while_the_exercise_runs_is_nobodys_mistake() {
    let Some(bed) = bed() else { return };
    let check = [
        "check",
        "exercise-b",
        "--reference",
        "--format",
        "json",
        KERNEL[0],
        KERNEL[1],
    ];
    let running = bed.started(&check, "run");
    kill_process(bed.qemu(), Signal::KILL).unwrap();
    let (code, stdout, said) = running.end();
    assert_eq!(code, Some(5), "{said}");
    let report: Value = serde_json::from_str(&stdout).unwrap();
    let exercise = &report["exercises"][0];
    assert_eq!(exercise["verdict"], "inconclusive", "{report:#}");
    assert_eq!(exercise["findings"].as_array().unwrap().len(), 0, "{report:#}");
    bed.assert_nothing_left();
}

/// One guest that stays, and all that can befall it.
#[test]
fn a_guest_that_stays_is_wanted_twice_and_dies_twice() {
    let Some(bed) = bed() else { return };
    let up = ["up", "module7", KERNEL[0], KERNEL[1]];
    // Two at once: the second waits for the first and then finds its guest.
    let first = bed.started(&up, "boot");
    let second = bed.started(&up, "waiting for process");
    for up in [first, second] {
        let (code, _, said) = up.end();
        assert_eq!(code, Some(0), "{said}");
    }
    let status: Value = serde_json::from_str(&bed.ok(&["status", "--format", "json"])).unwrap();
    assert_eq!(status["guests"].as_array().unwrap().len(), 1, "{status:#}");

    // The SSH server is killed, with every connection; the guest's init starts another.
    let killed = bed.labctl(&["exec", "--", "killall", "-9", "dropbear"]);
    assert_eq!(killed.status.code(), Some(5), "{}", explain(&killed));
    let said = String::from_utf8(killed.stderr).unwrap();
    assert!(
        said.contains("error: ") && said.contains("labctl dmesg"),
        "{said}"
    );
    assert_eq!(bed.ok(&["exec", "--", "echo", "back"]), "back\n");

    // Words are not a panic: the guest goes on, and so does labctl.
    let words = "echo '[    9.000000] Kernel panic - not syncing: just kidding' > /dev/console";
    bed.ok(&["exec", "--", "sh", "-c", words]);
    assert_eq!(bed.ok(&["exec", "--", "echo", "alive"]), "alive\n");

    // QEMU is killed: every command says so, and `down` clears up.
    kill_process(bed.qemu(), Signal::KILL).unwrap();
    let gone = bed.labctl(&["exec", "--", "true"]);
    assert_ne!(gone.status.code(), Some(0), "{}", explain(&gone));
    assert!(bed.ok(&["status"]).contains("ended"), "it is listed as ended");
    let named = bed.labctl(&["exec", "module7", "--", "true"]);
    assert_eq!(named.status.code(), Some(5), "{}", explain(&named));
    let said = String::from_utf8(named.stderr).unwrap();
    assert!(
        said.contains("has ended by itself") && said.contains("labctl down module7"),
        "{said}"
    );
    assert!(
        bed.ok(&["dmesg", "module7"]).contains("Linux version"),
        "the log outlives the guest"
    );
    bed.ok(&["down"]);
    bed.assert_nothing_left();
}

/// The file whose name and size fit, somewhere below a bucket of the bed's own store.
fn stored(bed: &Bed, bucket: &str, name: &str) -> PathBuf {
    let entries = fs::read_dir(bed.store().join(bucket)).unwrap();
    let mut found: Vec<_> = entries
        .map(|entry| entry.unwrap().path().join(name))
        .filter(|path| path.is_file())
        .collect();
    assert_eq!(found.len(), 1, "{bucket}/*/{name}: {found:?}");
    found.remove(0)
}

fn flip_a_byte(path: &std::path::Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    // In place, as a bad program or a bad disk would.
    fs::write(path, bytes).unwrap();
}

#[test]
fn whatever_is_damaged_in_the_store_is_named_and_made_again() {
    let Some(mut bed) = bed() else { return };
    bed.ok(&["kernel", "build", KERNEL[1]]);
    bed.own_store(&["debs"]);
    let fresh = [
        "exec", "--fresh", "module7", KERNEL[0], KERNEL[1], "--", "echo", "it runs",
    ];
    assert_eq!(bed.ok(&fresh), "it runs\n");
    let damaged = [
        ("kernels", "vmlinux"),
        ("kernels", "config"),
        ("images", "initramfs.cpio"),
        ("templates", "state"),
        ("templates", "memory"),
    ];
    for (bucket, name) in damaged {
        let path = stored(&bed, bucket, name);
        let good = fs::read(&path).unwrap();
        flip_a_byte(&path);
        let bad = fs::read(&path).unwrap();
        let output = bed.labctl(&fresh);
        assert_eq!(output.stdout, b"it runs\n", "{name}: {}", explain(&output));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(&format!("is damaged: `{name}`")), "{name}: {said}");
        let again = fs::read(&path).unwrap();
        // No two boots end in the same bytes; everything else is reproducible.
        let is_again = if bucket == "templates" {
            again != bad
        } else {
            again == good
        };
        assert!(is_again, "{name} was not made again");
    }
    // Of a toolchain's thousands of files, too.
    let cc = stored(&bed, "roots", "root/usr/bin/x86_64-linux-gnu-gcc-14");
    flip_a_byte(&cc);
    let output = bed.labctl(&["check", "exercise-b", "--reference", KERNEL[0], KERNEL[1]]);
    assert_eq!(output.status.code(), Some(0), "{}", explain(&output));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("is damaged: `root/usr/bin/"), "{said}");
    // And of what modules are compiled against, when something is to be compiled.
    let tree = stored(&bed, "kernels", "vmlinux").with_file_name("tree");
    let common = fs::read_dir(tree).unwrap().map(|entry| entry.unwrap().path());
    let header = common
        .map(|folder| folder.join("include/linux/kprobes.h"))
        .find(|header| header.is_file())
        .unwrap();
    let good = fs::read(&header).unwrap();
    flip_a_byte(&header);
    assert_eq!(bed.ok(&fresh), "it runs\n");
    assert_ne!(fs::read(&header).unwrap(), good, "nobody needed it");
    fs::remove_dir_all(bed.store().join("artefacts")).unwrap();
    let output = bed.labctl(&["check", "exercise-b", "--reference", KERNEL[0], KERNEL[1]]);
    assert_eq!(output.status.code(), Some(0), "{}", explain(&output));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("is damaged: `tree/"), "{said}");
    assert_eq!(fs::read(&header).unwrap(), good);
    bed.assert_nothing_left();
}

#[test]
fn a_disk_that_is_full_of_guests_is_called_by_its_name() {
    let Some(bed) = bed() else { return };
    bed.ok(&["kernel", "build", KERNEL[1]]);
    let small = tempfile::tempdir().unwrap();
    let inner = bed.command(&["exec", "--fresh", "module7", KERNEL[0], KERNEL[1], "--", "true"]);
    // A file system with no room for two logs, in a namespace that ends with the command.
    let output = crate::bed::command("bwrap")
        .args(["--dev-bind", "/", "/", "--size", "24576", "--tmpfs"])
        .arg(small.path())
        .arg("--")
        .arg(inner.get_program())
        .args(inner.get_args())
        .envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .env("XDG_STATE_HOME", small.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", explain(&output));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("the disk is full") && said.contains("XDG_STATE_HOME"),
        "{said}"
    );
    bed.assert_nothing_left();
}
