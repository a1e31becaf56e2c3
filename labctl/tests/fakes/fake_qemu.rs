//! A stand-in for QEMU that does what a script says: speaks QMP on its standard input's socket, writes a console, and
//! dies on cue. Takes QEMU's own arguments, and understands of them what it needs.
//!
//! The script is `fake-qemu.script` beside the program as it was called (a link in a test's folder). One step per
//! line, done in order; after the last one it lives on until told to quit:
//!
//! ```text
//! version TEXT       what `--version` prints (default: one that is new enough)
//! greets X.Y.Z       the version in the greeting
//! mute               never accept a client
//! deaf               accept, greet, and answer nothing else
//! stubborn           ignore `quit`
//! port-taken N       complain about the port and exit, for the first N starts
//! stderr TEXT        say TEXT on standard error
//! console TEXT       write a line to the console
//! kmsg TEXT          write a line to the kernel log
//! await COMMAND      wait until a client has given that command
//! event JSON         send an event
//! exit CODE | abort | kill
//! ```

#![expect(clippy::exit, reason = "a program of one file")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "QEMU prints")]
#![expect(clippy::unwrap_used, reason = "a test's tool: a panic is its error message")]

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};

use serde_json::{Value, json};

type Client = Arc<Mutex<Option<UnixStream>>>;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let beside = Path::new(&args[0]).parent().unwrap().to_owned();
    let text = fs::read_to_string(beside.join("fake-qemu.script")).unwrap();
    let steps: Vec<(&str, &str)> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| line.split_once(' ').unwrap_or((line, "")))
        .collect();
    let setting = |name: &str| steps.iter().find(|step| step.0 == name).map(|step| step.1);
    if args.iter().any(|arg| arg == "--version") {
        let version = setting("version").unwrap_or("QEMU emulator version 9.9.9 (fake)");
        println!("{version}");
        return;
    }
    // QEMU greets nobody before all its devices are there.
    if let Some(times) = setting("port-taken") {
        port_taken(&beside, times.parse().unwrap());
    }
    let (heard, commands) = mpsc::channel();
    let client = Client::default();
    // A probe has no control socket.
    if setting("mute").is_none() && args.iter().any(|arg| arg.starts_with("socket,id=qmp")) {
        let server = Server {
            version: setting("greets").unwrap_or("9.9.9").to_owned(),
            deaf: setting("deaf").is_some(),
            stubborn: setting("stubborn").is_some(),
            client: client.clone(),
            heard,
        };
        let listener = UnixListener::from(io::stdin().as_fd().try_clone_to_owned().unwrap());
        std::thread::spawn(move || server.serve(&listener));
    }
    for (step, text) in &steps {
        match *step {
            "stderr" => eprintln!("{text}"),
            "console" | "kmsg" => writeln!(log(&args, step), "{text}").unwrap(),
            "await" => while commands.recv().unwrap() != *text {},
            "event" => {
                let mut event: Value = serde_json::from_str(text).unwrap();
                event["timestamp"] = json!({"seconds": 1, "microseconds": 2});
                send(&client, &event);
            }
            "exit" => std::process::exit(text.parse().unwrap()),
            "abort" => std::process::abort(),
            "kill" => {
                let me = rustix::process::getpid();
                rustix::process::kill_process(me, rustix::process::Signal::KILL).unwrap();
            }
            _ => {}
        }
    }
    loop {
        std::thread::park();
    }
}

/// As QEMU says it; counts its starts in a file.
fn port_taken(beside: &Path, times: usize) {
    let count = beside.join("starts");
    let starts = fs::read(&count).map_or(0, |bytes| bytes.len());
    fs::write(&count, vec![b'.'; starts + 1]).unwrap();
    if starts < times {
        eprintln!(
            "qemu-system-x86_64: -netdev user,id=net0: Could not set up host forwarding rule 'tcp:127.0.0.1:1-:22'"
        );
        std::process::exit(1);
    }
}

/// The log that the arguments name for the character device `id`.
fn log(args: &[String], id: &str) -> File {
    let start = format!("file,id={id},path=");
    let rest = args.iter().find_map(|arg| arg.strip_prefix(&start)).unwrap();
    let path = PathBuf::from(rest.split(',').next().unwrap());
    File::options().append(true).open(path).unwrap()
}

fn send(client: &Client, message: &Value) {
    if let Some(stream) = &mut *client.lock().unwrap() {
        // The client may have gone.
        drop(writeln!(stream, "{message}"));
    }
}

struct Server {
    version: String,
    deaf: bool,
    stubborn: bool,
    client: Client,
    heard: mpsc::Sender<String>,
}

impl Server {
    /// One client at a time, as QEMU does.
    fn serve(&self, listener: &UnixListener) {
        loop {
            let (stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            *self.client.lock().unwrap() = Some(stream);
            let parts: Vec<u32> = self
                .version
                .split('.')
                .map(|part| part.parse().unwrap())
                .collect();
            let qemu = json!({"major": parts[0], "minor": parts[1], "micro": parts[2]});
            let version = json!({"qemu": qemu, "package": "fake"});
            send(
                &self.client,
                &json!({"QMP": {"version": version, "capabilities": ["oob"]}}),
            );
            for line in lines {
                let Ok(line) = line else { break };
                self.hear(&serde_json::from_str(&line).unwrap());
            }
            *self.client.lock().unwrap() = None;
        }
    }

    fn hear(&self, question: &Value) {
        let command = question["execute"].as_str().unwrap().to_owned();
        if self.deaf {
            return;
        }
        let answer = match command.as_str() {
            "query-status" => json!({"status": "running", "singlestep": false, "running": true}),
            _ => json!({}),
        };
        send(&self.client, &json!({"return": answer, "id": question["id"]}));
        if command == "quit" && !self.stubborn {
            let data = json!({"guest": false, "reason": "host-qmp-quit"});
            let timestamp = json!({"seconds": 1, "microseconds": 2});
            send(
                &self.client,
                &json!({"event": "SHUTDOWN", "data": data, "timestamp": timestamp}),
            );
            std::process::exit(0);
        }
        // The script may have no step that listens.
        drop(self.heard.send(command));
    }
}
