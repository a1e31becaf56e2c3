//! What the grader relies on: the lines, the datagram, the exit status.
#![expect(clippy::disallowed_methods, reason = "the test runs the built program")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::{Ipv4Addr, UdpSocket};
use std::process::{Command, Output};
use std::time::Duration;

fn sender(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sender"))
        .args(arguments)
        .output()
        .unwrap()
}

/// A socket for the sender to send to. Its time-out only bounds a test that fails.
fn listener() -> (UdpSocket, String) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    (socket, port)
}

fn received(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 70_000];
    let bytes = socket.recv(&mut buffer).unwrap();
    buffer.truncate(bytes);
    buffer
}

#[test]
fn one_datagram_and_one_line_with_a_user_address() {
    let (socket, port) = listener();
    let output = sender(&[&port, "HELLO_NETWORK_4f2a"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(received(&socket), b"HELLO_NETWORK_4f2a");

    let text = String::from_utf8(output.stdout).unwrap();
    let address = text
        .strip_prefix("Sending from buffer at 0x")
        .and_then(|t| t.strip_suffix('\n'));
    let address = u64::from_str_radix(address.unwrap_or_else(|| panic!("{text:?}")), 16).unwrap();
    assert!(
        address > 0 && address < 1 << 56,
        "{address:#x} is no user address"
    );
}

#[test]
fn the_message_is_the_lessons_by_default() {
    let (socket, port) = listener();
    assert!(sender(&[&port]).status.success());
    assert_eq!(received(&socket), b"HELLO_NETWORK");
}

#[test]
fn the_largest_datagram_goes_through_and_a_larger_one_is_refused() {
    let (socket, port) = listener();
    assert!(sender(&[&port, &"x".repeat(65_507)]).status.success());
    assert_eq!(received(&socket).len(), 65_507);

    let output = sender(&[&port, &"x".repeat(65_508)]);
    assert!(!output.status.success());
    assert!(
        output.stdout.is_empty(),
        "nothing was sent, so nothing may be claimed"
    );
}

#[test]
fn each_size_is_a_datagram_filled_with_the_message() {
    let (socket, port) = listener();
    assert!(sender(&[&port, "abc", "7", "2"]).status.success());
    assert_eq!(received(&socket), b"abcabca");
    assert_eq!(received(&socket), b"ab");

    for sizes in [&["65508"][..], &["3", "x"]] {
        let output = sender(&[&[port.as_str(), "abc"], sizes].concat());
        assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    }
}

#[test]
fn a_bad_port_is_named_on_standard_error() {
    for port in ["", "port", "65536", "-1"] {
        let output = sender(&[port]);
        assert_eq!(output.status.code(), Some(1));
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.contains(&format!("`{port}` is not a port")), "{message}");
    }
}
