//! `sender [PORT [MESSAGE [SIZE…]]]` sends the message as one UDP datagram to 127.0.0.1 and says from which address.
//!
//! With sizes it sends a datagram of each of them, in their order: the message, repeated until the datagram is full.
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
    let sizes = arguments
        .map(|text| {
            text.to_str()
                .and_then(|t| t.parse().ok())
                .with_context(|| format!("`{}` is not a size", text.display()))
        })
        .collect::<anyhow::Result<Vec<usize>>>()?;
    let sizes = if sizes.is_empty() {
        vec![message.len()]
    } else {
        ensure!(!message.is_empty(), "an empty message fills no datagram");
        sizes
    };
    let largest = sizes.iter().copied().max().unwrap_or(0);
    ensure!(
        largest <= MAX_DATAGRAM,
        "a datagram holds at most {MAX_DATAGRAM} bytes"
    );

    // On the stack, like the lesson's `char msg[]`: the address shown is one that the student expects.
    let mut buffer = [0; MAX_DATAGRAM];
    let buffer = &mut buffer[..largest];
    for (to, from) in buffer.iter_mut().zip(message.iter().cycle()) {
        *to = *from;
    }

    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).context("cannot make a socket")?;
    let mut out = io::stdout().lock();
    writeln!(out, "Sending from buffer at {:p}", buffer.as_ptr())?;
    out.flush()?;
    for size in sizes {
        let sent = socket
            .send_to(&buffer[..size], (Ipv4Addr::LOCALHOST, port))
            .context("cannot send")?;
        ensure!(sent == size, "sent {sent} of {size} bytes");
    }
    Ok(())
}
