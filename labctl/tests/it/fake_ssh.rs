//! A guest's SSH server without a guest: runs commands with the host's `sh`, and misbehaves on request.

use std::collections::BTreeMap;
use std::net::{Shutdown, SocketAddr};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use labctl::guest::{Access, InstanceKeys, KnownAs};
use labctl::supervise::{ProcessRecord, async_command};
use russh::keys::PrivateKey;
use russh::server::{self, Auth, Handle, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelMsg, Pty, Sig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What becomes of a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Greeting {
    /// A well-behaved SSH server.
    Normal,
    /// Accepted, then closed: QEMU's user network when nothing listens in the guest.
    HangUp,
    /// Accepted, then silence: QEMU's user network while the guest boots.
    Mute,
    /// The identification line, then silence.
    StallInHandshake,
}

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Normal,
    /// The channel is closed, and nobody says how the command ended.
    NoExitStatus,
    /// The connection is cut as soon as the command has written something.
    CutConnection,
    /// The request is refused.
    Refused,
    /// The server stops doing anything at all, with the connection open.
    Freeze,
}

/// The server's behaviour.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    /// For the first connections, in turn; later ones are greeted normally.
    pub(crate) greetings: Vec<Greeting>,
    pub(crate) wrong_host_key: bool,
    pub(crate) refuse_auth: bool,
    /// Only the key lets in, as where somebody has changed root's password.
    pub(crate) refuse_password: bool,
    pub(crate) ending: Ending,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            greetings: Vec::new(),
            wrong_host_key: false,
            refuse_auth: false,
            refuse_password: false,
            ending: Ending::Normal,
        }
    }
}

/// A running fake; stops listening when dropped.
pub(crate) struct FakeSsh {
    pub(crate) address: SocketAddr,
    pub(crate) access: Access,
    keys: InstanceKeys,
    connections: Arc<Mutex<u32>>,
    accepting: JoinHandle<()>,
}

impl Drop for FakeSsh {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl FakeSsh {
    pub(crate) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::start_on(listener, script)
    }

    pub(crate) fn start_on(listener: TcpListener, script: Script) -> Self {
        let keys = InstanceKeys::generate().unwrap();
        let other = InstanceKeys::generate().unwrap();
        let host_key = host_key_of(if script.wrong_host_key { &other } else { &keys });
        let config = Arc::new(server::Config {
            keys: vec![host_key],
            auth_rejection_time: Duration::ZERO,
            auth_rejection_time_initial: Some(Duration::ZERO),
            nodelay: true,
            // As small as dropbear's: with a large one, two peers that both send can wait for each other for ever.
            window_size: 32 << 10,
            // Small enough for the larger tests to see the keys change on the way.
            limits: russh::Limits {
                rekey_write_limit: 4 << 20,
                rekey_read_limit: 4 << 20,
                ..russh::Limits::default()
            },
            ..server::Config::default()
        });
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(Mutex::new(0));
        let counter = Arc::clone(&connections);
        let accepting = tokio::spawn(async move {
            // Connections that are never answered are kept open here.
            let mut held = Vec::new();
            let mut greetings = script.greetings.clone().into_iter();
            while let Ok((mut stream, _)) = listener.accept().await {
                *counter.lock().unwrap() += 1;
                match greetings.next().unwrap_or(Greeting::Normal) {
                    Greeting::HangUp => drop(stream),
                    Greeting::Mute => held.push(stream),
                    Greeting::StallInHandshake => {
                        stream.write_all(b"SSH-2.0-stalls\r\n").await.unwrap();
                        held.push(stream);
                    }
                    Greeting::Normal => {
                        tokio::spawn(serve(Arc::clone(&config), stream, script.clone()));
                    }
                }
            }
        });
        Self {
            address,
            access: keys.access(),
            keys,
            connections,
            accepting,
        }
    }

    /// Writes the files with which OpenSSH clients get in.
    pub(crate) fn save(&self, dir: &Path) {
        self.keys.save(dir, &known_as(self.address.port())).unwrap();
    }

    /// How many connections were accepted so far.
    pub(crate) fn connections(&self) -> u32 {
        *self.connections.lock().unwrap()
    }
}

/// The host key goes the way it goes in production: through dropbear's format.
fn host_key_of(keys: &InstanceKeys) -> PrivateKey {
    use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};

    let bytes = keys.dropbear_host_key().unwrap();
    let pair = Ed25519Keypair::from_bytes(bytes[19..].try_into().unwrap()).unwrap();
    PrivateKey::new(KeypairData::Ed25519(pair), "").unwrap()
}

pub(crate) fn known_as(port: u16) -> KnownAs {
    KnownAs {
        alias: "labctl-test".to_owned(),
        port: Some(port),
    }
}

async fn serve(config: Arc<server::Config>, stream: TcpStream, script: Script) {
    let stream = stream.into_std().unwrap();
    let twin = Arc::new(stream.try_clone().unwrap());
    let stream = TcpStream::from_std(stream).unwrap();
    let connection = Connection {
        script,
        twin,
        channels: BTreeMap::new(),
        sizes: BTreeMap::new(),
    };
    if let Ok(session) = server::run_stream(config, stream, connection).await {
        // How it ended is the client's business.
        drop(session.await);
    }
}

struct Connection {
    script: Script,
    twin: Arc<std::net::TcpStream>,
    channels: BTreeMap<u32, Channel<Msg>>,
    sizes: BTreeMap<u32, (String, u32, u32)>,
}

impl server::Handler for Connection {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, _: &str) -> Result<Auth, russh::Error> {
        let refused = self.script.refuse_auth || self.script.refuse_password || user != "root";
        Ok(if refused { Auth::reject() } else { Auth::Accept })
    }

    async fn auth_publickey(&mut self, user: &str, _: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        if self.script.refuse_auth || user != "root" {
            return Ok(Auth::reject());
        }
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: server::ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        self.channels.insert(channel.id().into(), channel);
        reply.accept().await;
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        term: &str,
        columns: u32,
        rows: u32,
        _: u32,
        _: u32,
        _: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        self.sizes
            .insert(channel.into(), (term.to_owned(), columns, rows));
        session.channel_success(channel)
    }

    async fn shell_request(&mut self, id: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
        let channel = self.channels.remove(&id.into()).unwrap();
        let size = self.sizes.remove(&id.into());
        session.channel_success(id)?;
        tokio::spawn(talk(channel, size, Arc::clone(&self.twin)));
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        line: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let channel = self.channels.remove(&id.into()).unwrap();
        if self.script.ending == Ending::Refused {
            return session.channel_failure(id);
        }
        if self.script.ending == Ending::Freeze {
            std::future::pending::<()>().await;
        }
        session.channel_success(id)?;
        let line = line.to_vec();
        let handle = session.handle();
        tokio::spawn(run(
            channel,
            handle,
            line,
            self.script.ending,
            Arc::clone(&self.twin),
        ));
        Ok(())
    }
}

/// Runs `line` as a guest's shell would, with the three streams on the channel.
async fn run(
    channel: Channel<Msg>,
    handle: Handle,
    line: Vec<u8>,
    ending: Ending,
    twin: Arc<std::net::TcpStream>,
) {
    use std::os::unix::ffi::OsStringExt as _;

    let id = channel.id();
    let (mut read, write) = channel.split();
    let mut child = async_command("/bin/sh")
        .arg("-c")
        .arg(std::ffi::OsString::from_vec(line))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id().unwrap();
    let record = ProcessRecord::of(pid);
    let mut stdin = child.stdin.take();
    let mut stdout = child.stdout.take().unwrap();
    let mut stderr = child.stderr.take().unwrap();

    let listening = async {
        while let Some(message) = read.wait().await {
            match message {
                ChannelMsg::Data { data } => {
                    if let Some(pipe) = &mut stdin
                        && pipe.write_all(&data).await.is_err()
                    {
                        stdin = None;
                    }
                }
                ChannelMsg::Eof => stdin = None,
                ChannelMsg::Signal { signal } => send_signal(pid, &signal),
                _ => {}
            }
        }
        // The client has closed the channel or is gone: like a real server, hang up on what still runs.
        if let Some(record) = record {
            record.kill_group();
        }
    };
    let speaking = async {
        let out = async {
            let mut buffer = vec![0; 16 << 10];
            while let Ok(count @ 1..) = stdout.read(&mut buffer).await {
                if write.data_bytes(buffer[..count].to_vec()).await.is_err() {
                    break;
                }
                if ending == Ending::CutConnection {
                    // Let what was written go out first: cutting also discards what is queued.
                    handle.data(id, Vec::new()).await.ok();
                    tokio::task::yield_now().await;
                    twin.shutdown(Shutdown::Both).ok();
                    break;
                }
            }
        };
        let err = async {
            let mut buffer = vec![0; 16 << 10];
            while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
                if write
                    .extended_data_bytes(1, buffer[..count].to_vec())
                    .await
                    .is_err()
                {
                    break;
                }
            }
        };
        tokio::join!(out, err);
        let status = child.wait().await.unwrap();
        write.eof().await.ok();
        if ending != Ending::NoExitStatus {
            match (status.code(), status.signal()) {
                (Some(code), _) => {
                    write.exit_status(u32::try_from(code).unwrap()).await.ok();
                }
                (None, signal) => {
                    let name = signal_name(signal.unwrap());
                    handle
                        .exit_signal_request(id, name, false, String::new(), String::new())
                        .await
                        .ok();
                }
            }
        }
        write.close().await.ok();
    };
    tokio::pin!(listening);
    tokio::select! {
        () = speaking => {}
        () = &mut listening => {}
    }
}

/// A shell for the terminal's tests: says what it is told, byte for byte.
async fn talk(channel: Channel<Msg>, size: Option<(String, u32, u32)>, twin: Arc<std::net::TcpStream>) {
    let (mut read, write) = channel.split();
    let hello = match size {
        Some((term, columns, rows)) => format!("pty {term} {columns}x{rows}\r\n"),
        None => "no pty\n".to_owned(),
    };
    write.data_bytes(hello.into_bytes()).await.ok();
    let mut typed = Vec::new();
    while let Some(message) = read.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                typed.extend_from_slice(&data);
                write
                    .data_bytes(format!("got {}\r\n", hex::encode(&data)).into_bytes())
                    .await
                    .ok();
                if typed.ends_with(b"cut\r") {
                    twin.shutdown(Shutdown::Both).ok();
                }
                if typed.ends_with(b"exit 7\r") {
                    write.exit_status(7).await.ok();
                    break;
                }
            }
            ChannelMsg::Eof => {
                write.exit_status(0).await.ok();
                break;
            }
            ChannelMsg::WindowChange {
                col_width,
                row_height,
                ..
            } => {
                write
                    .data_bytes(format!("resized {col_width}x{row_height}\r\n").into_bytes())
                    .await
                    .ok();
            }
            _ => {}
        }
    }
    write.close().await.ok();
}

fn send_signal(pid: u32, signal: &Sig) {
    use rustix::process::{Pid, Signal, kill_process};

    let signal = match signal {
        Sig::TERM => Signal::TERM,
        Sig::INT => Signal::INT,
        Sig::KILL => Signal::KILL,
        Sig::USR1 => Signal::USR1,
        other => panic!("the fake knows no {other:?}"),
    };
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).ok();
}

fn signal_name(number: i32) -> Sig {
    match number {
        2 => Sig::INT,
        6 => Sig::ABRT,
        9 => Sig::KILL,
        11 => Sig::SEGV,
        15 => Sig::TERM,
        31 => Sig::Custom("SYS".to_owned()),
        other => panic!("the fake has no name for signal {other}"),
    }
}
