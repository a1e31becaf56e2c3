#!/usr/bin/env python3
"""Boot table: how long a kernel takes to init and to SSH, and what it costs in processor seconds.

    boot.py run   [--runs N] [--key KEY] NAME=KERNEL:INITRD[:WORDS] ...
    boot.py up    [--runs N] [--labctl PROGRAM] [--module NAME] [--kernel NAME]
    boot.py build --root TOOLCHAIN --tree BUILD [--jobs N] [-- TARGET ...]

`run` boots every named kernel N times, in turns, so that a busy moment of the host falls on all of them alike, and prints minimum
and median. On a shared machine compare the processor seconds: the wall clock counts the neighbours' work too. An initrd that
prints guest tools' stage lines on its console is all it needs; with KEY (an SSH private key the guest trusts) a finished handshake
is timed as well. WORDS are added to the kernel's command line.

`up` compares a warm `labctl up --no-template` with the very same QEMU command line started by hand, in turns: from the start of
the program to the first command that ran over SSH. It prints both, their ratio, and what `up` takes besides.

`build` runs make in BUILD, inside bubblewrap on TOOLCHAIN, and prints user + system seconds. A clean tree gives the figure for
kernel.yaml; a finished one gives the cost of doing nothing.
"""

import argparse
import contextlib
import os
import re
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

MACHINE = [
    "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
    "-M", "q35,hpet=off,sata=off,smbus=off,i8042=off,vmport=off", "-accel", "tcg,thread=multi",
    "-cpu", "max,cx16=off,la57=off,erms=off", "-smp", "1", "-m", "384M",
]
# Those of labctl's words (labctl/src/session/prepare.rs) on which the time depends.
WORDS = "console=ttyS0 8250.nr_uarts=1 tsc=reliable no_timer_check noreplace-smp retain_initrd random.trust_cpu=on panic=-1 loglevel=5 rdinit=/init"
# Where labctl's own flags for the kernel are; `-- vmlinux modules` builds with the kernel's alone.
PLAN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../src/kernel/plan.rs")
STAGE = re.compile(rb"labctl-init: stage (\w+) (\d+)")
PANIC = re.compile(rb"Kernel panic[^\r\n]*|labctl-init: fatal[^\r\n]*")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def handshake(port, key):
    """Does one command over SSH finish?"""
    command = [
        "ssh", "-i", key, "-p", str(port), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
        "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "ConnectTimeout=2", "-o", "LogLevel=QUIET",
        "root@127.0.0.1", "true",
    ]
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def boot(kernel, initrd, words, key, limit):
    """One boot: a dictionary of seconds, or the reason why there is none."""
    with tempfile.TemporaryDirectory() as folder:
        console = os.path.join(folder, "console")
        port = free_port()
        command = MACHINE + [
            "-kernel", kernel, "-initrd", initrd, "-append", f"{WORDS} {words}".strip(),
            "-chardev", f"file,id=console,path={console}", "-serial", "chardev:console",
            "-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22", "-device", "virtio-net-pci,netdev=net,romfile=",
        ]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.monotonic()
        qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        times, reason = {}, None
        wanted = "sshd" if key else "start"
        while wanted not in times:
            elapsed = time.monotonic() - start
            text = b""
            if os.path.exists(console):
                with open(console, "rb") as file:
                    text = file.read()
            if text:
                times.setdefault("first byte", elapsed)
            for name, uptime in STAGE.findall(text):
                name = name.decode()
                if name not in times:
                    times[name] = elapsed
                    times[f"kernel to {name}"] = int(uptime) / 1e6
            panic = PANIC.search(text)
            if panic or qemu.poll() is not None or elapsed > limit:
                reason = panic[0].decode() if panic else f"nothing after {elapsed:.1f} s"
                break
            time.sleep(0.005)
        while key and reason is None and "ssh" not in times:
            if handshake(port, key):
                times["ssh"] = time.monotonic() - start
            elif time.monotonic() - start > limit:
                reason = "no SSH"
        qemu.send_signal(signal.SIGKILL)
        qemu.communicate()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times["cpu"] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return times, reason


COLUMNS = [
    ("kernel to start", "kernel→init"), ("start", "exec→init"), ("kernel to sshd", "kernel→sshd"), ("ssh", "exec→ssh"), ("cpu", "CPU"),
]


def run(args):
    kernels = {}
    for text in args.kernels:
        name, _, rest = text.partition("=")
        kernel, initrd, *words = rest.split(":", 2)
        kernels[name] = (kernel, initrd, words[0] if words else "")
    results = {name: [] for name in kernels}
    for _ in range(args.runs):
        for name, (kernel, initrd, words) in kernels.items():
            times, reason = boot(kernel, initrd, words, args.key, args.limit)
            if reason:
                print(f"{name}: {reason}", file=sys.stderr)
            else:
                results[name].append(times)
    width = max(len(name) for name in kernels)
    print(f"{'seconds (minimum / median)':{width}}  " + "  ".join(f"{title:>15}" for _, title in COLUMNS) + "   boots")
    for name, boots in results.items():
        cells = []
        for key, _ in COLUMNS:
            values = [times[key] for times in boots if key in times]
            cells.append(f"{min(values):.2f} / {statistics.median(values):.2f}" if values else "-")
        print(f"{name:{max(width, 26)}}  " + "  ".join(f"{cell:>15}" for cell in cells) + f"   {len(boots)}/{args.runs}")
    return 0 if all(len(boots) == args.runs for boots in results.values()) else 1


def by_hand(command, folder, port, key, limit):
    """Seconds from starting `command` in `folder` to the first command over SSH."""
    console = os.path.join(folder, "console.log")
    start = time.monotonic()
    qemu = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        announced = False
        while time.monotonic() - start < limit and qemu.poll() is None:
            if not announced and os.path.exists(console):
                with open(console, "rb") as file:
                    announced = b"labctl-init: stage sshd " in file.read()
            if announced and handshake(port, key):
                return time.monotonic() - start
            time.sleep(0.005)
        return None
    finally:
        qemu.kill()
        qemu.wait()


def up(args):
    ups, hands, guests = [], [], []
    with tempfile.TemporaryDirectory() as state, contextlib.ExitStack() as leaving:
        environment = os.environ | {"XDG_STATE_HOME": state, "XDG_RUNTIME_DIR": state}
        labctl = [args.labctl]

        def call(*words):
            return subprocess.run(labctl + list(words), env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)

        # Whatever stops this: nobody would find a guest whose state was in a folder that is gone.
        leaving.callback(call, "down", args.module)
        for turn in range(args.runs + 1):
            start = time.monotonic()
            # A guest that goes on from a template is no boot, and QEMU's words for it name files of that template.
            done = call("up", args.module, "--kernel", args.kernel, "--no-template")
            elapsed = time.monotonic() - start
            if done.returncode:
                print(done.stderr, file=sys.stderr)
                return 1
            took = re.search(r"is up, (\d+) ms of its own time \(([0-9.]+) s\)", done.stderr)
            config = call("ssh-config", args.module).stdout
            key = re.search(r"IdentityFile \"?([^\n\"]+)", config)[1]
            instance = os.path.dirname(key)
            with tempfile.TemporaryDirectory() as folder:
                pid = next(
                    pid for pid in filter(str.isdigit, os.listdir("/proc"))
                    if os.path.exists(f"/proc/{pid}/cwd") and os.path.realpath(f"/proc/{pid}/cwd") == os.path.realpath(instance)
                )
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    words = file.read().decode().split("\0")[:-1]
                port = free_port()
                command, skip = [], False
                for index, word in enumerate(words):
                    if skip:
                        skip = False
                    elif word in ("-chardev", "-mon") and "qmp" in words[index + 1]:
                        skip = True
                    else:
                        command.append(re.sub(r"hostfwd=tcp:127.0.0.1:\d+-", f"hostfwd=tcp:127.0.0.1:{port}-", word))
                for name in ("initrd", os.path.basename(key)):
                    subprocess.run(["cp", "-p", os.path.join(instance, name), folder], check=True)
                command = [word.replace(os.path.join(instance, "initrd"), os.path.join(folder, "initrd")) for word in command]
                call("down", args.module)
                for end in ("host.in", "host.out", "ssh.in", "ssh.out"):
                    os.mkfifo(os.path.join(folder, end))
                hand = by_hand(command, folder, port, os.path.join(folder, os.path.basename(key)), args.limit)
            if hand is None:
                print("by hand: no SSH", file=sys.stderr)
                return 1
            # The first turn fills caches: the store's, and the host's page cache.
            if turn:
                ups.append(elapsed)
                hands.append(hand)
                guests.append(int(took[1]) / 1000 if took else 0.0)
    cell = lambda values: f"{min(values):.2f} / {statistics.median(values):.2f}"
    pairs = [up / hand for up, hand in zip(ups, hands)]
    rest = [up - hand for up, hand in zip(ups, hands)]
    print(f"{'seconds (minimum / median)':30}{'labctl up':>14}{'by hand':>14}{'ratio':>14}{'difference':>16}{'guest: sshd':>14}")
    print(f"{args.module + ' on ' + args.kernel:30}{cell(ups):>14}{cell(hands):>14}{cell(pairs):>14}{cell(rest):>16}{cell(guests):>14}")
    return 0


def build(args):
    # bubblewrap leaves before its child is accounted for, so the shell inside has to do the timing.
    script = 'TIMEFORMAT="%U %S %R"; time make "$@" >&2'
    environment = {
        "PATH": "/usr/bin:/usr/sbin", "LC_ALL": "C", "HOME": "/tmp", "KBUILD_BUILD_USER": "labctl", "KBUILD_BUILD_HOST": "labctl",
        "KBUILD_BUILD_VERSION": "1", "KBUILD_BUILD_TIMESTAMP": "Thu Jan  1 00:00:00 UTC 1970", "SOURCE_DATE_EPOCH": "0", "TZ": "UTC",
    }
    command = ["bwrap", "--unshare-all", "--die-with-parent", "--clearenv"]
    for name, value in environment.items():
        command += ["--setenv", name, value]
    command += ["--ro-bind", args.root, "/", "--tmpfs", "/build", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"]
    command += ["--bind", args.tree, "/build/linux", "--chdir", "/build/linux", "bash", "-c", script, "make", f"-j{args.jobs}"]
    with open(PLAN) as file:
        flags = re.search(r'^const FLAGS: &str = "(.*)";$', file.read(), re.MULTILINE)[1]
    command += args.targets or [flags, "vmlinux", "modules"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    lines = done.stderr.splitlines()
    if done.returncode:
        print("\n".join(lines[-20:]), file=sys.stderr)
        return 1
    user, system, wall = map(float, lines[-1].split())
    objects = sum(1 for line in lines if re.match(r"  (CC|AS)      [^/]\S*\.o$", line))
    print(f"user + system {user + system:.0f} s   wall {wall:.0f} s   kernel objects {objects}")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("run")
    command.add_argument("--runs", type=int, default=5)
    command.add_argument("--key")
    command.add_argument("--limit", type=float, default=120, help="seconds after which a boot has failed")
    command.add_argument("kernels", nargs="+")
    command.set_defaults(do=run)
    command = commands.add_parser("up")
    command.add_argument("--runs", type=int, default=5)
    command.add_argument("--labctl", default="target/release/labctl")
    command.add_argument("--module", default="module7")
    command.add_argument("--kernel", default="lab-6.12")
    command.add_argument("--limit", type=float, default=120)
    command.set_defaults(do=up)
    command = commands.add_parser("build")
    command.add_argument("--root", required=True)
    command.add_argument("--tree", required=True)
    command.add_argument("--jobs", type=int, default=os.cpu_count())
    command.add_argument("targets", nargs="*")
    command.set_defaults(do=build)
    args = parser.parse_args()
    return args.do(args)


if __name__ == "__main__":
    sys.exit(main())
