//! `receiver [PORT]` receives one UDP datagram and says into which address.
//!
//! The first line is printed after the port is bound: who reads it may send.
#![forbid(unsafe_code)]

use std::env;
use std::io::{self, Write};
use std::net::{Ipv4Addr, UdpSocket};

use anyhow::{Context, ensure};
use lab_proto::datagram::port;

/// Holds any UDP datagram.
const BUFFER_BYTES: usize = 65_536;

fn main() -> anyhow::Result<()> {
    let mut arguments = env::args_os().skip(1);
    let port = port(arguments.next())?;
    ensure!(arguments.next().is_none(), "usage: receiver [PORT]");

    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))
        .with_context(|| format!("cannot receive on port {port}"))?;
    // On the stack, like the lesson's `char buf[64]`: the address shown is one that the student expects.
    let mut buffer = [0; BUFFER_BYTES];
    let mut out = io::stdout().lock();
    writeln!(out, "Receiving into buffer at {:p}", buffer.as_ptr())?;
    out.flush()?;
    let received = socket.recv(&mut buffer).context("cannot receive")?;
    write!(out, "Received {received} bytes: ")?;
    out.write_all(&buffer[..received])?;
    writeln!(out)?;
    out.flush()?;
    Ok(())
}
