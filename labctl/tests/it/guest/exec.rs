use std::sync::{Arc, Mutex};
use std::time::Duration;

use labctl::deadline::Deadline;
use labctl::guest::{
    Command, Exec, ExecError, Finished, Guest, GuestLost, Input, LossCause, Outcome, Patience, Sink, Stream,
    WaitError,
};
use labctl::supervise::Cancel;

use super::{enter_with, guest, guest_with, plenty, shell};
use crate::fake_ssh::{Ending, FakeSsh, Script};

async fn run(guest: &Guest, exec: impl Into<Exec>) -> Finished {
    guest.exec(exec, plenty(), &Cancel::new()).await.unwrap()
}

#[tokio::test]
async fn streams_stay_apart_and_the_status_comes_through() {
    let (_fake, guest) = guest().await;
    let line = "for i in 1 2 3; do echo out$i; echo err$i >&2; done; exit 42";
    let finished = run(&guest, shell(line)).await;
    assert_eq!(finished.outcome, Outcome::Exited(42));
    assert_eq!(finished.stdout.text(), "out1\nout2\nout3\n");
    assert_eq!(finished.stderr.text(), "err1\nerr2\nerr3\n");
}

#[tokio::test]
async fn a_signal_is_not_a_status() {
    let (_fake, guest) = guest().await;
    let finished = run(&guest, shell("echo before; kill -SEGV $$")).await;
    assert_eq!(finished.outcome, Outcome::Signaled("SEGV".to_owned()));
    assert_eq!(finished.stdout.text(), "before\n");
    let finished = run(&guest, shell("kill -SYS $$")).await;
    assert_eq!(finished.outcome, Outcome::Signaled("SYS".to_owned()));
}

#[tokio::test]
async fn megabytes_go_through_both_ways_unchanged() {
    let (_fake, guest) = guest().await;
    let sent: Vec<u8> = (0..10_000_000_u32)
        .map(|i| u8::try_from(i % 251).unwrap())
        .collect();
    let exec = Exec::new(shell("cat"))
        .stdin(Input::Bytes(sent.clone()))
        .stdout(Sink::capture(usize::MAX));
    let finished = run(&guest, exec).await;
    assert_eq!(finished.outcome, Outcome::Exited(0));
    assert_eq!(finished.stdout.dropped, 0);
    assert!(finished.stdout.bytes == sent);
}

#[tokio::test]
async fn a_flood_is_cut_and_counted() {
    let (_fake, guest) = guest().await;
    let exec = Exec::new(shell("head -c 3000000 /dev/zero; head -c 7 /dev/zero >&2"))
        .stdout(Sink::capture(1000))
        .stderr(Sink::discard());
    let finished = run(&guest, exec).await;
    assert_eq!(finished.stdout.bytes.len(), 1000);
    assert_eq!(finished.stdout.dropped, 2_999_000);
    assert_eq!(finished.stderr.dropped, 7);
}

#[tokio::test]
async fn a_command_need_not_read_its_input() {
    let (_fake, guest) = guest().await;
    let exec = Exec::new(shell("exit 3")).stdin(Input::Bytes(vec![0; 8 << 20]));
    assert_eq!(run(&guest, exec).await.outcome, Outcome::Exited(3));
}

#[tokio::test]
async fn output_is_passed_on_as_it_arrives() {
    let (_fake, guest) = guest().await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let tap = Arc::clone(&heard);
    let (writer, mut reader) = tokio::io::duplex(64);
    let exec = Exec::new(shell("seq 1 1000; seq 1 1000 >&2"))
        .stdout(Sink::call(move |bytes| {
            tap.lock().unwrap().extend_from_slice(bytes)
        }))
        .stderr(Sink::write(writer));
    let mut written = String::new();
    let reading = tokio::io::AsyncReadExt::read_to_string(&mut reader, &mut written);
    let (finished, read) = tokio::join!(run(&guest, exec), reading);
    read.unwrap();
    assert_eq!(finished.outcome, Outcome::Exited(0));
    let expected: String = (1..=1000).map(|n| format!("{n}\n")).collect();
    assert_eq!(
        String::from_utf8(heard.lock().unwrap().clone()).unwrap(),
        expected
    );
    assert_eq!(written, expected);
}

#[tokio::test]
async fn no_exit_status_is_never_success() {
    let (_fake, guest) = guest_with(Script {
        ending: Ending::NoExitStatus,
        ..Script::default()
    })
    .await;
    let finished = run(&guest, shell("echo done")).await;
    assert_eq!(
        finished.outcome,
        Outcome::Lost(GuestLost {
            cause: LossCause::NoExitStatus
        })
    );
    assert_eq!(finished.stdout.text(), "done\n");
    assert!(!guest.is_lost());
}

#[tokio::test]
async fn a_connection_that_breaks_is_a_lost_guest() {
    let (_fake, guest) = guest_with(Script {
        ending: Ending::CutConnection,
        ..Script::default()
    })
    .await;
    let finished = run(&guest, shell("echo last words; sleep 1000")).await;
    assert!(
        matches!(
            &finished.outcome,
            Outcome::Lost(GuestLost {
                cause: LossCause::Transport { .. }
            })
        ),
        "{finished:?}"
    );
    assert!(matches!(guest.lost().await.cause, LossCause::Transport { .. }));
    // And so is the next command, at once.
    let finished = run(&guest, shell("true")).await;
    assert!(matches!(finished.outcome, Outcome::Lost(_)), "{finished:?}");
}

#[tokio::test]
async fn a_guest_that_falls_silent_is_lost() {
    let fake = FakeSsh::start(Script {
        ending: Ending::Freeze,
        ..Script::default()
    })
    .await;
    let patience = Patience {
        keepalive: Duration::from_millis(200),
        unanswered: 2,
        ..Patience::for_running(10.0)
    };
    let guest = enter_with(&fake, &patience).await;
    let finished = run(&guest, shell("true")).await;
    assert_eq!(
        finished.outcome,
        Outcome::Lost(GuestLost {
            cause: LossCause::Silent
        })
    );
}

#[tokio::test]
async fn a_refused_command_is_an_error() {
    let (_fake, guest) = guest_with(Script {
        ending: Ending::Refused,
        ..Script::default()
    })
    .await;
    let error = guest
        .exec(shell("true"), plenty(), &Cancel::new())
        .await
        .unwrap_err();
    assert!(matches!(error, ExecError::Refused { .. }), "{error:?}");
}

/// A shell line that leaves a process in a session of its own and says its number.
const LEAVES_A_DAEMON: &str = "setsid sleep 1000 & echo $!; echo started; wait";

fn first_pid(finished: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(finished).ok()?;
    let (pid, rest) = text.split_once('\n')?;
    (rest.contains("started")).then(|| pid.parse().unwrap())
}

fn is_running(pid: u32) -> bool {
    labctl::supervise::ProcessRecord::of(pid).is_some()
}

#[tokio::test]
async fn at_the_deadline_the_command_and_its_offspring_are_killed() {
    let (_fake, guest) = guest().await;
    let running = guest
        .spawn(shell(LEAVES_A_DAEMON), plenty(), &Cancel::new())
        .await
        .unwrap();
    let pid = running
        .wait_for_output(Stream::Stdout, first_pid, plenty(), &Cancel::new())
        .await
        .unwrap();
    assert!(is_running(pid));
    let finished = running
        .finish(Deadline::after(Duration::ZERO), &Cancel::new())
        .await
        .unwrap();
    assert_eq!(finished.outcome, Outcome::TimedOut);
    assert_eq!(first_pid(&finished.stdout.bytes), Some(pid));
    assert!(!is_running(pid));
    // The connection has survived.
    assert_eq!(run(&guest, shell("true")).await.outcome, Outcome::Exited(0));
}

#[tokio::test]
async fn a_request_to_stop_kills_the_command() {
    let (_fake, guest) = guest().await;
    let cancel = Cancel::new();
    let running = guest
        .spawn(shell(LEAVES_A_DAEMON), plenty(), &cancel)
        .await
        .unwrap();
    let pid = running
        .wait_for_output(Stream::Stdout, first_pid, plenty(), &cancel)
        .await
        .unwrap();
    cancel.request();
    let finished = running.finish(plenty(), &cancel).await.unwrap();
    assert_eq!(finished.outcome, Outcome::Cancelled);
    assert!(!is_running(pid));
}

#[tokio::test]
async fn dropping_the_handle_kills_the_command() {
    let (_fake, guest) = guest().await;
    let running = guest
        .spawn(shell(LEAVES_A_DAEMON), plenty(), &Cancel::new())
        .await
        .unwrap();
    let pid = running
        .wait_for_output(Stream::Stdout, first_pid, plenty(), &Cancel::new())
        .await
        .unwrap();
    drop(running);
    tokio::time::timeout(plenty().remaining(), async {
        while is_running(pid) {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_reader_that_takes_nothing_does_not_outlive_the_deadline() {
    let (_fake, guest) = guest().await;
    let (writer, _reader) = tokio::io::duplex(16);
    let exec = Exec::new(shell("yes")).stdout(Sink::write(writer));
    let finished = guest
        .exec(exec, Deadline::after(Duration::from_millis(200)), &Cancel::new())
        .await
        .unwrap();
    assert_eq!(finished.outcome, Outcome::TimedOut);
    assert_eq!(run(&guest, shell("true")).await.outcome, Outcome::Exited(0));
}

#[tokio::test]
async fn a_reader_that_goes_away_is_an_error_and_ends_the_command() {
    let (_fake, guest) = guest().await;
    let (writer, reader) = tokio::io::duplex(16);
    drop(reader);
    let exec = Exec::new(shell("yes")).stdout(Sink::write(writer));
    let error = guest.exec(exec, plenty(), &Cancel::new()).await.unwrap_err();
    let ExecError::Stream { stream, source } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(*stream, Stream::Stdout);
    assert_eq!(source.kind(), std::io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn a_signal_reaches_the_program_itself() {
    let (_fake, guest) = guest().await;
    let script = "trap 'echo got it; exit 5' TERM; echo ready; while :; do sleep 0.01; done";
    let running = guest
        .spawn(
            Command::program(["sh", "-c", script]).unwrap(),
            plenty(),
            &Cancel::new(),
        )
        .await
        .unwrap();
    let ready = |bytes: &[u8]| bytes.starts_with(b"ready\n").then_some(());
    running
        .wait_for_output(Stream::Stdout, ready, plenty(), &Cancel::new())
        .await
        .unwrap();
    running.signal("TERM");
    let finished = running.finish(plenty(), &Cancel::new()).await.unwrap();
    assert_eq!(finished.outcome, Outcome::Exited(5));
    assert_eq!(finished.stdout.text(), "ready\ngot it\n");
}

#[tokio::test]
async fn input_can_be_given_piece_by_piece() {
    let (_fake, guest) = guest().await;
    let (pieces, input) = tokio::sync::mpsc::channel(1);
    let running = guest
        .spawn(
            Exec::new(shell("cat")).stdin(Input::Pieces(input)),
            plenty(),
            &Cancel::new(),
        )
        .await
        .unwrap();
    for piece in ["one\n", "two\n"] {
        pieces.send(piece.as_bytes().to_vec()).await.unwrap();
        running
            .wait_for_output(
                Stream::Stdout,
                |bytes| bytes.ends_with(piece.as_bytes()).then_some(()),
                plenty(),
                &Cancel::new(),
            )
            .await
            .unwrap();
    }
    assert_eq!(running.outcome(), None);
    drop(pieces);
    assert_eq!(running.wait().await, Outcome::Exited(0));
}

#[tokio::test]
async fn a_descriptor_that_never_ends_does_not_hold_up_the_command() {
    let (_fake, guest) = guest().await;
    let (reader, mut writer) = std::io::pipe().unwrap();
    std::io::Write::write_all(&mut writer, b"one line\n").unwrap();
    let exec = Exec::new(shell("head -n 1")).stdin(Input::Descriptor(reader.into()));
    let finished = guest.run(exec, plenty(), &Cancel::new()).await.unwrap();
    assert_eq!(finished.stdout.text(), "one line\n");
    // The reading end is closed with the thread that had it.
    tokio::time::timeout(plenty().remaining(), async {
        while std::io::Write::write_all(&mut writer, b"x").is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_wait_for_output_that_cannot_come_ends() {
    let (_fake, guest) = guest().await;
    let cancel = Cancel::new();
    let never = |_: &[u8]| None::<()>;

    let running = guest
        .spawn(shell("echo no; exit 9"), plenty(), &cancel)
        .await
        .unwrap();
    let error = running
        .wait_for_output(Stream::Stdout, never, plenty(), &cancel)
        .await
        .unwrap_err();
    assert_eq!(error, WaitError::Ended(Outcome::Exited(9)));

    let running = guest.spawn(shell("sleep 1000"), plenty(), &cancel).await.unwrap();
    let error = running
        .wait_for_output(Stream::Stdout, never, Deadline::after(Duration::ZERO), &cancel)
        .await
        .unwrap_err();
    assert_eq!(error, WaitError::TimedOut);
    running.kill().await.unwrap();
}

#[tokio::test]
async fn many_commands_share_one_connection() {
    let (fake, guest) = guest().await;
    let cancel = Cancel::new();
    let runs = (0..20).map(|n| guest.exec(shell_echo(n), plenty(), &cancel));
    let finished = futures::future::join_all(runs).await;
    for (n, finished) in finished.into_iter().enumerate() {
        assert_eq!(finished.unwrap().stdout.text(), format!("{n}\n"));
    }
    assert_eq!(fake.connections(), 1);
}

fn shell_echo(n: usize) -> Command {
    Command::program(["echo".to_owned(), n.to_string()]).unwrap()
}

#[tokio::test]
async fn closing_ends_what_runs_and_says_so() {
    let (_fake, guest) = guest().await;
    let running = guest
        .spawn(shell("sleep 1000"), plenty(), &Cancel::new())
        .await
        .unwrap();
    guest.close().await;
    assert!(matches!(running.wait().await, Outcome::Lost(_)));
    assert!(guest.is_lost());
}
