//! From a machine's description to QEMU's arguments. Pure: the same description gives the same words.

use std::ffi::{OsStr, OsString};

use lab_proto::host;

use super::config::{AccelKind, Origin, VmConfig};
use super::instance::{CONSOLE_LOG, HOST_WORDS, KMSG_LOG, SSH_LINE};
use super::opt::Opt;

/// Name of the virtio-serial port that carries the guest's `/dev/kmsg` records.
const KMSG_PORT: &str = "org.labctl.kmsg";
/// What QEMU calls the device behind the SSH server's port in its reports.
pub(super) const SSH_LINE_DEVICE: &str = "ssh0";
const GUEST_SSH_PORT: u16 = 22;

/// The arguments after the program's name. QEMU has to be started in the instance's folder with the listening
/// control socket as its standard input; `ssh_port` is the forwarded port on 127.0.0.1.
pub fn argv(config: &VmConfig, ssh_port: u16) -> Vec<OsString> {
    let mut args = Args(Vec::with_capacity(64));
    // Nothing that is not asked for here: no default devices, no user's or system's configuration, no window.
    args.flag("-nodefaults");
    args.flag("-no-user-config");
    args.pair("-display", "none");
    args.pair("-name", Opt::of("").with("guest", &config.name));
    if config.sandbox {
        args.pair(
            "-sandbox",
            "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
        );
    }
    processor_and_memory(&mut args, config);
    what_to_run(&mut args, config);
    // A guest that reboots after a panic would run on as if nothing had happened; it ends instead.
    args.pair("-action", "reboot=shutdown,panic=shutdown");
    control_and_logs(&mut args);
    host_ports(&mut args);
    for (index, disk) in config.disks.iter().enumerate() {
        let node = format!("disk{index}");
        args.pair(
            "-blockdev",
            Opt::of("")
                .with("driver", "raw")
                .with("node-name", &node)
                .on("read-only")
                .with("file.driver", "file")
                .with("file.filename", &disk.path),
        );
        args.pair(
            "-device",
            Opt::of("virtio-blk-pci")
                .with("drive", &node)
                .with("serial", &disk.serial),
        );
    }
    network_and_randomness(&mut args, ssh_port);
    args.0
}

fn what_to_run(args: &mut Args, config: &VmConfig) {
    if let Origin::Clone { .. } = config.origin {
        // Kernel and initramfs are in its memory already; QEMU would only read them for nothing.
        args.pair("-incoming", "defer");
        return;
    }
    args.pair("-kernel", &config.kernel);
    if let Some(initrd) = &config.initrd {
        args.pair("-initrd", initrd);
    }
    if !config.cmdline.is_empty() {
        args.pair("-append", config.cmdline.join(" "));
    }
}

fn processor_and_memory(args: &mut Args, config: &VmConfig) {
    // Nothing is attached to any of these, and Linux would probe for each, or calibrate against it.
    let machine = Opt::of("q35")
        .off("hpet")
        .off("sata")
        .off("smbus")
        .off("i8042")
        .off("vmport");
    let size = format!("{}M", config.memory);
    let file = match &config.origin {
        Origin::Boot => None,
        // What the guest writes is to reach the file.
        Origin::Template { memory } => Some((memory, "on")),
        // The file is mapped copy on write.
        Origin::Clone { memory, .. } => Some((memory, "off")),
    };
    match file {
        None => args.pair("-machine", machine),
        Some((path, share)) => {
            args.pair("-machine", machine.with("memory-backend", "ram"));
            let backend = Opt::of("memory-backend-file")
                .with("id", "ram")
                .with("size", &size)
                .with("mem-path", path)
                .with("share", share);
            args.pair("-object", backend);
        }
    }
    args.pair("-m", &size);
    args.pair("-smp", Opt::of("").with("cpus", config.cpus.to_string()));
    match config.accel {
        AccelKind::Kvm => {
            args.pair("-accel", "kvm");
            args.pair("-cpu", "host");
        }
        AccelKind::Tcg => {
            // With a host thread for each of two processors, QEMU 7.2 panics guests that are right, within seconds,
            // while kprobe events are switched on and off beside a busy program: a null call in a probed function, and
            // once an `int3` where memory holds a nop. Taking turns in one thread, and with one processor, it was not
            // seen. Why is not known; that a processor runs code which another one patches is the likely place. Turns
            // have a price, as the processors wait for each other's interrupts: a lab should ask for one processor.
            let thread = if config.cpus == 1 { "multi" } else { "single" };
            args.pair("-accel", Opt::of("tcg").with("thread", thread));
            // QEMU before 8.0 corrupts the guest's flags when an interrupt follows a cmpxchg16b, which Linux's
            // allocator executes all the time: double faults, at random. Without it Linux has its own way.
            // Four levels of page tables instead of five: each walk is a memory access shorter. Without ERMS Linux
            // copies by words, where emulation would carry out `rep movsb` byte by byte.
            args.pair("-cpu", Opt::of("max").off("cx16").off("la57").off("erms"));
        }
    }
}

fn control_and_logs(args: &mut Args) {
    // The socket listens before QEMU exists: connecting needs no waiting for a file to appear.
    args.pair(
        "-chardev",
        Opt::of("socket")
            .with("id", "qmp")
            .with("fd", "0")
            .on("server")
            .off("wait"),
    );
    args.pair("-mon", Opt::of("").with("chardev", "qmp").with("mode", "control"));
    // Files, not sockets: QEMU then writes from the first byte, whether anybody reads or not. With an unconnected
    // socket a virtio-serial port counts as closed, and the guest's writes to it block.
    for (id, file) in [("console", CONSOLE_LOG), ("kmsg", KMSG_LOG)] {
        args.pair(
            "-chardev",
            Opt::of("file").with("id", id).with("path", file).on("append"),
        );
    }
    args.pair("-serial", "chardev:console");
    args.pair(
        "-device",
        Opt::of("virtio-serial-pci")
            .with("id", "serial0")
            // One is the console that there is not.
            .with("max_ports", "4"),
    );
    args.pair(
        "-device",
        Opt::of("virtserialport")
            .with("bus", "serial0.0")
            .with("chardev", "kmsg")
            .with("name", KMSG_PORT),
    );
}

/// What the host has to say to the guest's init comes by way of a FIFO, and so does what is said to an SSH server. QEMU
/// opens each for both directions, so that it waits for nobody, and the line stays open whoever writes to it and goes.
fn host_ports(args: &mut Args) {
    let ports = [
        ("host", HOST_WORDS, host::PORT, "host0"),
        ("ssh", SSH_LINE, host::SSH_PORT, SSH_LINE_DEVICE),
    ];
    for (chardev, path, name, device) in ports {
        args.pair("-chardev", Opt::of("pipe").with("id", chardev).with("path", path));
        args.pair(
            "-device",
            Opt::of("virtserialport")
                .with("id", device)
                .with("bus", "serial0.0")
                .with("chardev", chardev)
                .with("name", name),
        );
    }
}

fn network_and_randomness(args: &mut Args, ssh_port: u16) {
    args.pair(
        "-netdev",
        Opt::of("user")
            .with("id", "net0")
            .on("restrict")
            .with("hostfwd", format!("tcp:127.0.0.1:{ssh_port}-:{GUEST_SSH_PORT}")),
    );
    // No option ROM: nothing boots from the network, and loading one costs the firmware time. No announcement: a clone
    // would tell a network that does not know it yet where it has moved to, before it does anything else.
    args.pair(
        "-device",
        Opt::of("virtio-net-pci")
            .with("netdev", "net0")
            .with("romfile", "")
            .off("guest_announce"),
    );
    args.pair("-object", Opt::of("rng-builtin").with("id", "rng0"));
    args.pair("-device", Opt::of("virtio-rng-pci").with("rng", "rng0"));
    // Tells a restored kernel that it is a copy, so that it reseeds its random pool.
    args.pair("-device", Opt::of("vmgenid").with("guid", "auto"));
}

struct Args(Vec<OsString>);

impl Args {
    fn flag(&mut self, flag: &str) {
        self.0.push(flag.into());
    }

    fn pair(&mut self, flag: &str, value: impl IntoArg) {
        self.0.push(flag.into());
        self.0.push(value.into_arg());
    }
}

trait IntoArg {
    fn into_arg(self) -> OsString;
}

impl IntoArg for Opt {
    fn into_arg(self) -> OsString {
        self.into()
    }
}

impl<T: AsRef<OsStr> + ?Sized> IntoArg for &T {
    fn into_arg(self) -> OsString {
        self.as_ref().to_owned()
    }
}

impl IntoArg for String {
    fn into_arg(self) -> OsString {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::config::Disk;

    fn words(config: &VmConfig) -> Vec<String> {
        argv(config, 40022)
            .into_iter()
            .map(|word| word.into_string().unwrap())
            .collect()
    }

    fn value_of<'a>(words: &'a [String], flag: &str) -> Vec<&'a str> {
        words
            .windows(2)
            .filter(|pair| pair[0] == flag)
            .map(|pair| pair[1].as_str())
            .collect()
    }

    #[test]
    fn a_small_machine() {
        let mut config = VmConfig::new("m7", "/k/vmlinux");
        config.initrd = Some("/i/initrd".into());
        config.cmdline = vec!["console=ttyS0".into(), "quiet".into()];
        insta::assert_snapshot!(words(&config).join("\n"));
    }

    #[test]
    fn only_the_forwarded_port_leads_in() {
        let words = words(&VmConfig::new("m7", "/k"));
        assert_eq!(
            value_of(&words, "-netdev"),
            ["user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:40022-:22"]
        );
    }

    #[test]
    fn disks_are_read_only_and_keep_their_order_and_commas() {
        let mut config = VmConfig::new("m7", "/k");
        for (path, serial) in [("/a,b", "tools"), ("/c", "perf")] {
            config.disks.push(Disk {
                path: path.into(),
                serial: serial.into(),
            });
        }
        let words = words(&config);
        assert_eq!(
            value_of(&words, "-blockdev"),
            [
                "driver=raw,node-name=disk0,read-only=on,file.driver=file,file.filename=/a,,b",
                "driver=raw,node-name=disk1,read-only=on,file.driver=file,file.filename=/c",
            ]
        );
        assert!(value_of(&words, "-device").contains(&"virtio-blk-pci,drive=disk1,serial=perf"));
    }

    #[test]
    fn emulated_processors_take_turns() {
        let mut config = VmConfig::new("m7", "/k");
        config.cpus = 2;
        assert_eq!(value_of(&words(&config), "-accel"), ["tcg,thread=single"]);
    }

    #[test]
    fn kvm_passes_the_hosts_processor_through() {
        let mut config = VmConfig::new("m7", "/k");
        config.accel = AccelKind::Kvm;
        assert_eq!(value_of(&words(&config), "-cpu"), ["host"]);
    }

    #[test]
    fn a_template_shares_its_memory_file_and_a_clone_does_not() {
        let mut config = VmConfig::new("m7", "/k");
        let template = Origin::Template {
            memory: "/mem".into(),
        };
        let clone = Origin::Clone {
            memory: "/mem".into(),
            state: "/state".into(),
            greeting: "/greeting".into(),
        };
        for (origin, word) in [(template, "share=on"), (clone, "share=off")] {
            config.origin = origin;
            let words = words(&config);
            assert!(value_of(&words, "-object").iter().any(|o| o.ends_with(word)));
            let machine = value_of(&words, "-machine");
            assert!(
                machine.iter().all(|word| word.ends_with(",memory-backend=ram")),
                "{machine:?}"
            );
            assert_eq!(machine.len(), 1);
        }
    }
}
