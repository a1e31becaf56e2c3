//! A small HTTP/1.1 server whose answers a test chooses.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) path: String,
    /// `100` of `Range: bytes=100-`.
    pub(super) offset: Option<u64>,
}

/// What to answer.
pub(super) enum Answer {
    /// The file, ranges honoured.
    File(Vec<u8>),
    /// The file from its beginning, whatever was asked.
    WithoutRanges(Vec<u8>),
    Status(u16),
    /// All that is asked for is announced, and only so many bytes are sent.
    CutAfter(Vec<u8>, usize),
    /// As `CutAfter`, but the connection stays open and silent.
    SilentAfter(Vec<u8>, usize),
}

pub(super) struct Server {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// Dropped with the server, which ends the silence of all connections.
    _hold: Sender<()>,
}

type Choose = dyn Fn(&Asked, usize) -> Answer + Send + Sync;

/// Serves until the test ends. `choose` gets the question and how often its path was asked before.
pub(super) fn serve(choose: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/debian", listener.local_addr().unwrap());
    let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
    let (hold, held) = channel::<()>();
    let held = Arc::new(Mutex::new(held));
    let choose: Arc<Choose> = Arc::new(choose);
    let log = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (choose, log, held) = (Arc::clone(&choose), Arc::clone(&log), Arc::clone(&held));
            std::thread::spawn(move || drop(answer(stream.unwrap(), &*choose, &log, &held)));
        }
    });
    Server {
        url,
        asked,
        _hold: hold,
    }
}

/// Serves the files below `root`.
pub(super) fn serve_folder(root: PathBuf) -> Server {
    serve(move |asked, _| file_or_404(&root, &asked.path))
}

pub(super) fn file_or_404(root: &Path, path: &str) -> Answer {
    fs_err::read(root.join(path)).map_or(Answer::Status(404), Answer::File)
}

impl Server {
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(
    stream: TcpStream,
    choose: &Choose,
    log: &Mutex<Vec<Asked>>,
    held: &Mutex<Receiver<()>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut stream = stream;
    let first = lines.next().unwrap_or(Ok(String::new()))?;
    let path = first
        .split(' ')
        .nth(1)
        .unwrap_or_default()
        .trim_start_matches("/debian/")
        .to_owned();
    let mut offset = None;
    for line in lines {
        let line = line?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(range) = line.strip_prefix("range: bytes=") {
            offset = range.trim_end_matches('-').parse().ok();
        }
    }
    let asked = Asked { path, offset };
    let before = {
        let mut log = log.lock().unwrap();
        log.push(asked.clone());
        log.iter().filter(|other| other.path == asked.path).count() - 1
    };
    let from = asked.offset.unwrap_or(0) as usize;
    match choose(&asked, before) {
        Answer::Status(status) => {
            write!(
                stream,
                "HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )?;
        }
        Answer::File(bytes) if asked.offset.is_some() && from >= bytes.len() => {
            write!(
                stream,
                "HTTP/1.1 416 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )?;
        }
        Answer::File(bytes) => send(&mut stream, &bytes, from, bytes.len())?,
        Answer::WithoutRanges(bytes) => send(&mut stream, &bytes, 0, bytes.len())?,
        Answer::CutAfter(bytes, count) => send(&mut stream, &bytes, from, from + count)?,
        Answer::SilentAfter(bytes, count) => {
            send(&mut stream, &bytes, from, from + count)?;
            // Ends when the server is dropped: nothing is ever sent.
            let _ended = held.lock().unwrap().recv();
        }
    }
    Ok(())
}

fn send(stream: &mut TcpStream, bytes: &[u8], from: usize, to: usize) -> std::io::Result<()> {
    let (total, length) = (bytes.len(), bytes.len() - from);
    if from > 0 {
        write!(
            stream,
            "HTTP/1.1 206 Some\r\nContent-Range: bytes {from}-{}/{total}\r\n",
            total - 1
        )?;
    } else {
        write!(stream, "HTTP/1.1 200 All\r\n")?;
    }
    write!(stream, "Content-Length: {length}\r\nConnection: close\r\n\r\n")?;
    stream.write_all(&bytes[from..to.min(total)])?;
    stream.flush()
}
