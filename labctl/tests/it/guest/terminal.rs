use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};

use labctl::guest::{Guest, HostTerminal, Outcome, TerminalError};
use labctl::supervise::Cancel;
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use tokio::sync::watch;

use super::{guest, plenty};

/// A pseudo-terminal with a person at the other end.
struct Person {
    keyboard: File,
    line: OwnedFd,
    /// All that was shown so far.
    screen: watch::Receiver<String>,
}

impl Person {
    fn sits_down(columns: u16, rows: u16) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let line = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let keyboard = File::from(master);
        let mut eyes = keyboard.try_clone().unwrap();
        let (shown, screen) = watch::channel(String::new());
        std::thread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok(count @ 1..) = eyes.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
                shown.send_modify(|screen| screen.push_str(&text));
            }
        });
        let person = Self {
            keyboard,
            line,
            screen,
        };
        person.resizes(columns, rows);
        person
    }

    fn resizes(&self, columns: u16, rows: u16) {
        let size = Winsize {
            ws_col: columns,
            ws_row: rows,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&self.line, size).unwrap();
    }

    fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    async fn sees(&mut self, text: &str) {
        let seen = self.screen.wait_for(|screen| screen.contains(text));
        tokio::time::timeout(plenty().remaining(), seen)
            .await
            .unwrap()
            .unwrap();
    }

    fn terminal(&self) -> HostTerminal {
        let line = self.line.as_fd();
        HostTerminal::new(line, line, line).unwrap()
    }

    fn is_raw(&self) -> bool {
        !tcgetattr(&self.line)
            .unwrap()
            .local_modes
            .contains(LocalModes::ICANON)
    }
}

fn lend(
    guest: &Guest,
    person: &Person,
    cancel: &Cancel,
) -> tokio::task::JoinHandle<Result<Outcome, TerminalError>> {
    let (guest, terminal, cancel) = (guest.clone(), person.terminal(), cancel.clone());
    tokio::spawn(async move { guest.shell(terminal, "xterm-lab", None, &cancel).await })
}

#[tokio::test]
async fn keys_sizes_and_the_status_pass_between_person_and_guest() {
    let (_fake, guest) = guest().await;
    let mut person = Person::sits_down(97, 31);
    assert!(!person.is_raw());
    let lent = lend(&guest, &person, &Cancel::new());
    person.sees("pty xterm-lab 97x31").await;
    assert!(person.is_raw());

    // Ctrl-C is the guest's.
    person.types("\x03");
    person.sees("got 03").await;

    person.resizes(120, 40);
    let me = rustix::process::getpid();
    rustix::process::kill_process(me, rustix::process::Signal::WINCH).unwrap();
    person.sees("resized 120x40").await;

    person.types("exit 7\r");
    assert_eq!(lent.await.unwrap().unwrap(), Outcome::Exited(7));
    assert!(!person.is_raw());
}

#[tokio::test]
async fn the_terminal_is_restored_when_the_guest_is_lost() {
    let (_fake, guest) = guest().await;
    let mut person = Person::sits_down(80, 24);
    let lent = lend(&guest, &person, &Cancel::new());
    person.sees("pty").await;
    person.types("cut\r");
    let outcome = lent.await.unwrap().unwrap();
    assert!(matches!(outcome, Outcome::Lost(_)), "{outcome:?}");
    assert!(!person.is_raw());
}

#[tokio::test]
async fn tilde_dot_hangs_up() {
    let (_fake, guest) = guest().await;
    let mut person = Person::sits_down(80, 24);
    let lent = lend(&guest, &person, &Cancel::new());
    person.sees("pty").await;
    person.types("~.");
    assert_eq!(lent.await.unwrap().unwrap(), Outcome::Killed);
    assert!(!person.is_raw());
    assert!(!guest.is_lost());
}

#[tokio::test]
async fn a_request_to_stop_restores_the_terminal() {
    let (_fake, guest) = guest().await;
    let mut person = Person::sits_down(80, 24);
    let cancel = Cancel::new();
    let lent = lend(&guest, &person, &cancel);
    person.sees("pty").await;
    cancel.request();
    let result = lent.await.unwrap();
    assert!(matches!(result, Err(TerminalError::Cancelled(_))), "{result:?}");
    assert!(!person.is_raw());
}

#[tokio::test]
async fn without_a_terminal_the_streams_are_passed_on_as_they_are() {
    let (_fake, guest) = guest().await;
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("input");
    std::fs::write(&input, "~.\n").unwrap();
    let output = File::create_new(dir.path().join("output")).unwrap();
    let host = HostTerminal::new(File::open(&input).unwrap(), &output, &output).unwrap();
    let outcome = guest.shell(host, "xterm", None, &Cancel::new()).await.unwrap();
    assert_eq!(outcome, Outcome::Exited(0));
    let written = std::fs::read_to_string(dir.path().join("output")).unwrap();
    assert_eq!(written, "no pty\ngot 7e2e0a\r\n");
}

#[tokio::test]
async fn keys_typed_after_the_loan_are_the_hosts() {
    let (_fake, guest) = guest().await;
    let mut person = Person::sits_down(80, 24);
    for _ in 0..3 {
        let cancel = Cancel::new();
        let lent = lend(&guest, &person, &cancel);
        person.sees("pty").await;
        cancel.request();
        lent.await.unwrap().unwrap_err();
    }
    person.types("mine\n");
    let line = person.line.try_clone().unwrap();
    let reading = tokio::task::spawn_blocking(move || {
        let mut buffer = [0; 16];
        let count = rustix::io::read(&line, &mut buffer).unwrap();
        buffer[..count].to_vec()
    });
    let read = tokio::time::timeout(plenty().remaining(), reading).await;
    assert_eq!(read.unwrap().unwrap(), b"mine\n");
}
