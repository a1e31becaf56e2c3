//! `sender [PORT [MESSAGE]]` sends the message as one UDP datagram to 127.0.0.1 and says from which address.
#![forbid(unsafe_code)]

use std::env;
use std::io::{self, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::ffi::OsStringExt;

use anyhow::{Context, ensure};
use lab_proto::datagram::port;

const DEFAULT_MESSAGE: &[u8] = b"HELLO_NETWORK";
/// The largest payload of a UDP datagram over IPv4 (RFC 768, RFC 791).
const MAX_DATAGRAM: usize = 65_507;

fn main() -> anyhow::Result<()> {
    let mut arguments = env::args_os().skip(1);
    let port = port(arguments.next())?;
    let message = arguments
        .next()
        .map_or_else(|| DEFAULT_MESSAGE.to_vec(), OsStringExt::into_vec);
    ensure!(arguments.next().is_none(), "usage: sender [PORT [MESSAGE]]");
    ensure!(
        message.len() <= MAX_DATAGRAM,
        "a datagram holds at most {MAX_DATAGRAM} bytes"
    );

    // On the stack, like the lesson's `char msg[]`: the address shown is one that the student expects.
    let mut buffer = [0; MAX_DATAGRAM];
    let buffer = &mut buffer[..message.len()];
    buffer.copy_from_slice(&message);

    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).context("cannot make a socket")?;
    let mut out = io::stdout().lock();
    writeln!(out, "Sending from buffer at {:p}", buffer.as_ptr())?;
    out.flush()?;
    let sent = socket
        .send_to(buffer, (Ipv4Addr::LOCALHOST, port))
        .context("cannot send")?;
    ensure!(sent == buffer.len(), "sent {sent} of {} bytes", buffer.len());
    Ok(())
}
