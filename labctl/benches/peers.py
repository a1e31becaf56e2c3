#!/usr/bin/env python3
"""labctl beside its peers, in one run; and restoring many times over, counting what goes wrong and what is left.

    peers.py compare  [--runs N] [--labctl PROGRAM] [--module NAME] [--kernel NAME] [--vng WORDS] [--vmtest WORDS]
    peers.py restores [--total N] [--at-once N] [--labctl PROGRAM] [--module NAME] [--kernel NAME]

`compare` goes from nothing running to the output of `uname -r` in a guest and to nothing running again, in these ways:

    labctl    labctl exec --fresh MODULE -- uname -r
    by hand   the restore of that, without labctl: the same QEMU with the same arguments on the same frozen guest, and OpenSSH
    cold      the same machine booted by hand, and OpenSSH
    vng       virtme-ng, where it is installed (it wants a terminal, and gets one)
    vmtest    vmtest, where it is installed

virtme-ng runs the host's kernel by default; where the host has no modules for it, --vng names another (`vng --verbose -r BZIMAGE
--disable-kvm -- uname -r`, with the kernel's modules in `lib/modules` beside its `boot`).

One after the other, N times over, so that a busy moment of the host falls on all of them alike. What takes under two seconds is run
three times a turn: a moment weighs more in it. It prints minimum and median of each, and the median over labctl's. The first turn fills
caches and does not count. What is not installed, or fails, is said and left out.

`restores` runs `labctl exec --fresh` N times in all, several at a time, and counts: runs that failed, or answered wrongly, or booted
where they should have restored; and afterwards processes, open ports, files and memory that were not there before, and whether the
frozen guest is still what it was. It ends with status 1 when any of these is not zero; memory is only printed, since others use it, too.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pty
import re
import shlex
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from boot import by_hand, free_port

QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


class Failed(Exception):
    """Why there is no figure."""


class Labctl:
    """The program with folders of its own for guests and temporary files. Its store is the user's."""

    def __init__(self, args, folder):
        self.program, self.module, self.kernel = os.path.abspath(args.labctl), args.module, args.kernel
        self.state, self.tmp = os.path.join(folder, "state"), os.path.join(folder, "tmp")
        os.mkdir(self.state)
        os.mkdir(self.tmp)
        self.environment = os.environ | {"XDG_STATE_HOME": self.state, "XDG_RUNTIME_DIR": self.state, "TMPDIR": self.tmp}
        self.instances = os.path.join(self.state, "labctl", "instances")

    def call(self, *words):
        return subprocess.run([self.program, *words], env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)

    def fresh(self, *options):
        return self.call("exec", "--fresh", self.module, "--kernel", self.kernel, *options, "--", "uname", "-r")

    def arguments(self, *options):
        """QEMU's program and arguments for a guest of `up`, and a copy of the key that it trusts, in a folder."""
        done = self.call("up", self.module, "--kernel", self.kernel, *options)
        if done.returncode:
            raise Failed(done.stderr.strip())
        try:
            folder = os.path.join(self.instances, self.module)
            with open(os.path.join(folder, "instance.json")) as file:
                words = json.load(file)["argv"]
            kept = tempfile.mkdtemp(dir=self.tmp)
            for name in ("id_ed25519", "initrd"):
                if os.path.exists(os.path.join(folder, name)):
                    shutil.copy2(os.path.join(folder, name), kept)
            return [word.replace(folder, kept) for word in words], kept
        finally:
            self.call("down", self.module)


def with_port(words, port):
    return [re.sub(r"hostfwd=tcp:127\.0\.0\.1:\d+-", f"hostfwd=tcp:127.0.0.1:{port}-", word) for word in words]


def ssh(port, key):
    command = [
        "ssh", "-i", key, "-p", str(port), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=QUIET",
        "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "root@127.0.0.1", "uname", "-r",
    ]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)


class Monitor:
    """QEMU's control socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.lines = self.socket.makefile("r")
        self.until(lambda message: "QMP" in message)
        self.ask("qmp_capabilities")

    def until(self, wanted):
        for line in self.lines:
            message = json.loads(line)
            if "error" in message:
                raise Failed(message["error"]["desc"])
            if wanted(message):
                return
        raise Failed("QEMU has closed its control socket")

    def ask(self, command, **arguments):
        self.socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
        self.until(lambda message: "return" in message)


def restored_by_hand(words, key):
    """Seconds for QEMU with a clone's arguments: restore, one command over SSH, the end of QEMU."""
    memory = next(re.search(r"mem-path=([^,]+)", word)[1] for word in words if "mem-path=" in word)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for name in ("host.in", "host.out", "ssh.in", "ssh.out"):
            os.mkfifo(os.path.join(folder, name))
        port = free_port()
        control = os.path.join(folder, "qmp.sock")
        with socket.socket(socket.AF_UNIX) as listener, open(os.path.join(os.path.dirname(memory), "state"), "rb") as state:
            listener.bind(control)
            listener.listen()
            qemu = subprocess.Popen(with_port(words, port), cwd=folder, stdin=listener, stdout=state, stderr=subprocess.DEVNULL)
        try:
            monitor = Monitor(control)
            monitor.ask("migrate-set-capabilities", capabilities=[{"capability": "x-ignore-shared", "state": True}])
            monitor.ask("migrate-incoming", uri="fd:1")
            monitor.until(lambda message: message.get("event") == "RESUME")
            done = ssh(port, key)
            if done.returncode:
                raise Failed("no SSH")
            monitor.ask("quit")
        finally:
            if sys.exc_info()[0]:
                qemu.kill()
            qemu.wait()
    return time.monotonic() - start


def booted_by_hand(words, key, limit):
    """The same for a cold boot. The control socket is left out: nobody is there to talk to it."""
    skipped = {index for index, word in enumerate(words) if index and words[index - 1] in ("-chardev", "-mon") and "qmp" in word}
    words = [word for index, word in enumerate(words) if index not in skipped and index + 1 not in skipped]
    with tempfile.TemporaryDirectory() as folder:
        for name in ("host.in", "host.out", "ssh.in", "ssh.out"):
            os.mkfifo(os.path.join(folder, name))
        port = free_port()
        seconds = by_hand(with_port(words, port), folder, port, key, limit)
    if seconds is None:
        raise Failed("no SSH")
    return seconds


def on_a_terminal(command, limit):
    """Seconds for a command that wants a terminal and prints a kernel's release."""
    start = time.monotonic()
    leader, follower = pty.openpty()
    said = b""
    process = subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, start_new_session=True)
    os.close(follower)
    try:
        while time.monotonic() - start < limit:
            try:
                read = os.read(leader, 4096)
            except OSError:
                break
            if not read:
                break
            said += read
        status = process.wait(timeout=max(1.0, limit - (time.monotonic() - start)))
    except subprocess.TimeoutExpired:
        raise Failed(f"not done after {limit:.0f} s") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, 9)
            process.wait()
        os.close(leader)
    seconds = time.monotonic() - start
    # The answer counts, on a line of its own: virtme-ng has it also where its way to pass the status on does not work.
    if not re.search(rb"^\d+\.\d+\.\d+\S*\r*$", said, re.MULTILINE):
        lines = said.decode(errors="replace").strip().splitlines() or ["without a word"]
        raise Failed(f"status {status}: {lines[-1].strip()}")
    return seconds


def timed(work):
    start = time.monotonic()
    done = work()
    if done.returncode:
        raise Failed(done.stderr.strip())
    return time.monotonic() - start


def compare(args):
    with tempfile.TemporaryDirectory() as folder:
        labctl = Labctl(args, folder)
        clone, clone_folder = labctl.arguments()
        if "-incoming" not in clone:
            raise Failed("labctl boots its guests here: there is no frozen one to compare with")
        cold, cold_folder = labctl.arguments("--no-template")
        ways = {
            "labctl": lambda: timed(labctl.fresh),
            "by hand": lambda: restored_by_hand(clone, os.path.join(clone_folder, "id_ed25519")),
            "cold": lambda: booted_by_hand(cold, os.path.join(cold_folder, "id_ed25519"), args.limit),
        }
        for name in ("vng", "vmtest"):
            words = shlex.split(getattr(args, name))
            if shutil.which(words[0]):
                ways[name] = lambda words=words: on_a_terminal(words, args.limit)
            else:
                print(f"{name}: `{words[0]}` is not installed", file=sys.stderr)
        took = {name: [] for name in ways}
        for turn in range(args.runs + 1):
            for name in list(ways):
                try:
                    seconds = [ways[name]()]
                    while len(seconds) < 3 and sum(seconds) < 2 * len(seconds):
                        seconds.append(ways[name]())
                except Failed as why:
                    print(f"{name}: {why}", file=sys.stderr)
                    if name == "labctl":
                        return 1
                    # Once is enough: a peer that cannot run here takes long to say so.
                    del ways[name], took[name]
                    continue
                if turn:
                    took[name] += seconds
        ours = statistics.median(took["labctl"])
        print(f"{'nothing, uname -r, nothing':28}{'minimum':>10}{'median':>10}{'/ labctl':>10}   {args.module} on {args.kernel}, {args.runs} runs")
        for name, values in took.items():
            median = statistics.median(values)
            print(f"{name:28}{min(values):9.2f}s{median:9.2f}s{median / ours:10.2f}")
        print(f"labctl is {ours / statistics.median(took['by hand']):.2f} times the restore by hand" if "by hand" in took else "")
    return 0


def marked(mark):
    """Processes whose environment or folder bears the mark, and the ports on which they listen."""
    found, inodes = [], set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                ours = mark.encode() in file.read()
            ours = ours or os.readlink(f"/proc/{pid}/cwd").startswith(mark)
            # A zombie has ended; its parent will notice.
            if not ours or not os.path.exists(f"/proc/{pid}/exe") or int(pid) == os.getpid():
                continue
            found.append(pid)
            inodes |= {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
        except OSError:
            continue
    with open("/proc/net/tcp") as file:
        rows = [line.split() for line in file.readlines()[1:]]
    return found, [row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in inodes]


def files(*folders):
    return sum(len(names) for folder in folders for _, _, names in os.walk(folder))


def available():
    with open("/proc/meminfo") as file:
        return int(re.search(r"MemAvailable: *(\d+)", file.read())[1]) // 1024


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def restores(args):
    with tempfile.TemporaryDirectory() as folder:
        labctl = Labctl(args, folder)
        words, _ = labctl.arguments()
        memory = next((re.search(r"mem-path=([^,]+)", word)[1] for word in words if "mem-path=" in word), None)
        if memory is None:
            raise Failed("labctl boots its guests here: there is nothing to restore")
        right = labctl.fresh()
        if right.returncode:
            raise Failed(right.stderr.strip())
        shutil.rmtree(labctl.tmp)
        os.mkdir(labctl.tmp)
        staging = os.path.join(os.path.dirname(memory), "..", "..", "staging")
        before = (files(labctl.state, labctl.tmp), available(), len(os.listdir("/dev/shm")), set(os.listdir(staging)), digest(memory))
        seconds, wrong = [], {"failed": 0, "wrong answer": 0, "booted": 0}
        lowest = before[1]

        def one(_):
            start = time.monotonic()
            done = labctl.fresh()
            return done, time.monotonic() - start

        start = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(args.at_once) as pool:
            for done, took in pool.map(one, range(args.total)):
                seconds.append(took)
                lowest = min(lowest, available())
                for what, is_so in (
                    ("failed", done.returncode != 0),
                    ("wrong answer", done.returncode == 0 and done.stdout != right.stdout),
                    ("booted", "guests are booted instead" in done.stderr),
                ):
                    if is_so:
                        wrong[what] += 1
                        print(f"{what}: {done.stderr.strip()}", file=sys.stderr)
        whole = time.monotonic() - start
        processes, ports = marked(folder)
        wrong["processes left"] = len(processes)
        wrong["ports left"] = len(ports)
        wrong["files left"] = files(labctl.state, labctl.tmp) - before[0] + len(os.listdir("/dev/shm")) - before[2]
        # Others may be at work in the user's store, so only what bears a clone's or this program's name counts.
        wrong["half made"] = sum(name.startswith("templates") for name in set(os.listdir(staging)) - before[3])
        wrong["template changed"] = int(digest(memory) != before[4])
        print(f"{args.total} restores of {args.module} on {args.kernel}, {args.at_once} at a time: {whole:.1f} s, each "
              f"{min(seconds):.2f} / {statistics.median(seconds):.2f} / {max(seconds):.2f} s (minimum / median / maximum)")
        print("   ".join(f"{what}: {count}" for what, count in wrong.items()))
        print(f"memory available: {before[1]} MiB before, {lowest} at the lowest, {available()} after")
    return 1 if any(wrong.values()) else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for name, do in (("compare", compare), ("restores", restores)):
        command = commands.add_parser(name)
        command.add_argument("--labctl", default="target/release/labctl")
        command.add_argument("--module", default="module7")
        command.add_argument("--kernel", default="lab-6.12")
        command.set_defaults(do=do)
        if do is compare:
            command.add_argument("--runs", type=int, default=5)
            command.add_argument("--vng", default="vng -r --disable-kvm -- uname -r", help="how virtme-ng is called")
            command.add_argument("--vmtest", default="vmtest uname -r", help="how vmtest is called")
            command.add_argument("--limit", type=float, default=120, help="seconds after which a way has failed")
        else:
            command.add_argument("--total", type=int, default=200)
            command.add_argument("--at-once", type=int, default=4)
    args = parser.parse_args()
    try:
        return args.do(args)
    except Failed as why:
        print(f"peers.py: {why}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
