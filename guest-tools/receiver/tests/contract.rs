//! What the grader relies on: when the lines come, what they say, the exit status.
#![expect(clippy::disallowed_methods, reason = "the test runs the built program")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, UdpSocket};
use std::process::{Command, Stdio};

fn free_port() -> u16 {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Runs the receiver, sends it the message as soon as it says that it listens, and returns its two parts.
fn receive(message: &[u8]) -> (String, Vec<u8>) {
    receive_all(&[], &[message])
}

fn receive_all(arguments: &[&str], messages: &[&[u8]]) -> (String, Vec<u8>) {
    let port = free_port();
    let mut child = Command::new(env!("CARGO_BIN_EXE_receiver"))
        .arg(port.to_string())
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());

    // No retry: the first line promises that the port is bound, so a datagram sent now must arrive.
    let mut first = String::new();
    out.read_line(&mut first).unwrap();
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    for message in messages {
        socket.send_to(message, (Ipv4Addr::LOCALHOST, port)).unwrap();
    }

    let mut rest = Vec::new();
    out.read_to_end(&mut rest).unwrap();
    assert!(child.wait().unwrap().success());
    (first, rest)
}

#[test]
fn the_first_line_promises_a_bound_port_and_shows_a_user_address() {
    let (first, rest) = receive(b"HELLO_NETWORK");
    let address = first
        .strip_prefix("Receiving into buffer at 0x")
        .and_then(|t| t.strip_suffix('\n'));
    let address = u64::from_str_radix(address.unwrap_or_else(|| panic!("{first:?}")), 16).unwrap();
    assert!(
        address > 0 && address < 1 << 56,
        "{address:#x} is no user address"
    );
    assert_eq!(rest, b"Received 13 bytes: HELLO_NETWORK\n");
}

#[test]
fn with_a_count_it_receives_as_many_and_tells_their_sizes() {
    let (_, rest) = receive_all(&["2"], &[b"HELLO", b"HELLO_NETWORK"]);
    assert_eq!(rest, b"Received 5 bytes\nReceived 13 bytes\n");
}

#[test]
fn the_largest_and_the_empty_datagram_are_reported_whole() {
    let large = vec![b'x'; 65_507];
    let (_, rest) = receive(&large);
    assert_eq!(
        rest,
        [b"Received 65507 bytes: ".as_slice(), &large, b"\n"].concat()
    );
    let (_, rest) = receive(b"");
    assert_eq!(rest, b"Received 0 bytes: \n");
}

#[test]
fn a_port_in_use_is_an_error_before_any_line() {
    let taken = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_receiver"))
        .arg(&port)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(
        message.contains(&format!("cannot receive on port {port}")),
        "{message}"
    );
}
