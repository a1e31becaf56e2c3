//! `receiver [PORT [COUNT]]` receives one UDP datagram and says into which address.
//!
//! With a count it receives as many, into the same address, and tells their sizes without their text.
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
    let count: Option<u32> = arguments
        .next()
        .map(|text| {
            text.to_str()
                .and_then(|t| t.parse().ok())
                .with_context(|| format!("`{}` is not a number of datagrams", text.display()))
        })
        .transpose()?;
    ensure!(arguments.next().is_none(), "usage: receiver [PORT [COUNT]]");

    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))
        .with_context(|| format!("cannot receive on port {port}"))?;
    // On the stack, like the lesson's `char buf[64]`: the address shown is one that the student expects.
    let mut buffer = [0; BUFFER_BYTES];
    let mut out = io::stdout().lock();
    writeln!(out, "Receiving into buffer at {:p}", buffer.as_ptr())?;
    out.flush()?;
    let Some(count) = count else {
        let received = socket.recv(&mut buffer).context("cannot receive")?;
        write!(out, "Received {received} bytes: ")?;
        out.write_all(&buffer[..received])?;
        writeln!(out)?;
        out.flush()?;
        return Ok(());
    };
    // Told at the end: printing makes copies, too, and takes time while the next datagram waits.
    let mut sizes = Vec::new();
    for _ in 0..count {
        sizes.push(socket.recv(&mut buffer).context("cannot receive")?);
    }
    for size in sizes {
        writeln!(out, "Received {size} bytes")?;
    }
    out.flush()?;
    Ok(())
}
