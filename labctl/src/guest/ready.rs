//! From an address to a [`Guest`]. A guest is ready when an SSH handshake has finished, and by nothing less: QEMU's
//! user network accepts connections to a forwarded port long before anything in the guest listens.
//!
//! ```text
//!            nudge, or nobody nudged in time
//!                       │
//!   ┌──────────────► knock ──── refused, or no banner in time ────┐
//!   │                   │ first byte                              │
//!   │                   ▼                                         │
//!   │              handshake ── time-out, hang-up ──┐             │
//!   │                   │                           ▼             ▼
//!   │                   │                   short pause, cut short by a nudge
//!   │                   │                           │
//!   └───────────────────┼───────────────────────────┘
//!                       ▼
//!        Guest, or an error that no retry can mend (wrong host key, refused key)
//! ```

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use russh::client;
use russh::keys::{Algorithm, PrivateKeyWithHashAlg};
use russh::{Preferred, cipher, compression, kex, mac};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::keys::Access;
use super::session::{Guest, HandlerError, PinnedHost, Severs};
use crate::deadline::Deadline;
use crate::supervise::{Cancel, Cancelled};

/// A word to [`connect_until`] that now is a good time to try: the guest has said that its SSH server starts.
/// Clones are the same; a word that came early is kept.
#[derive(Debug, Clone, Default)]
pub struct Nudge(Arc<Notify>);

impl Nudge {
    pub fn new() -> Self {
        Self::default()
    }

    /// Try now.
    pub fn now(&self) {
        self.0.notify_one();
    }

    async fn given(&self) {
        self.0.notified().await;
    }
}

/// How long each step of a connection may take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Patience {
    /// How long to wait for a nudge before knocking without one. Knocking at a guest that still boots makes it
    /// answer stale connections at the very moment when it should start.
    pub nudge: Duration,
    /// From the TCP connection to the server's first byte.
    pub banner: Duration,
    /// From there to being let in.
    pub handshake: Duration,
    /// Silence after which the guest is asked whether it is there.
    pub keepalive: Duration,
    /// How many such questions may stay unanswered.
    pub unanswered: usize,
}

impl Patience {
    /// For a guest that has yet to boot. `slowness` is 1.0 under KVM and more under emulation.
    pub fn for_boot(slowness: f64) -> Self {
        Self {
            nudge: scaled(2_000, slowness),
            ..Self::for_running(slowness)
        }
    }

    /// For a guest that runs already: knocks at once.
    pub fn for_running(slowness: f64) -> Self {
        Self {
            nudge: Duration::ZERO,
            banner: scaled(500, slowness),
            handshake: scaled(3_000, slowness),
            // A guest that is slow still answers within seconds; a factor of eight would only delay the news
            // of one that hangs.
            keepalive: scaled(4_000, slowness.clamp(1.0, 3.0)),
            unanswered: 3,
        }
    }
}

fn scaled(milliseconds: u64, slowness: f64) -> Duration {
    let slowness = if slowness.is_finite() {
        slowness.clamp(0.01, 1000.0)
    } else {
        1.0
    };
    Duration::from_millis(milliseconds).mul_f64(slowness)
}

/// Why nobody was let in.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Something else answers at the address. Never retried.
    #[error("the SSH server at {address} has the host key {got}, but the guest's is {expected}")]
    HostKeyMismatch {
        address: SocketAddr,
        expected: String,
        got: String,
    },
    /// The guest knows neither our password nor our key. Never retried.
    #[error("the guest at {address} refused labctl's password and its key")]
    AuthRefused { address: SocketAddr },
    /// The two sides share no algorithm. Never retried.
    #[error("the SSH server at {address} offers no algorithm that labctl accepts")]
    Incompatible {
        address: SocketAddr,
        #[source]
        source: russh::Error,
    },
    #[error("no SSH server answered at {address} within {}", humantime::format_duration(round(*.waited)))]
    NotReady {
        address: SocketAddr,
        waited: Duration,
        attempts: u32,
        /// What the last attempt ran into; absent when there was none.
        #[source]
        last: Option<AttemptError>,
    },
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

fn round(span: Duration) -> Duration {
    Duration::from_millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

/// Why one attempt failed that may go better the next time.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    #[error("cannot connect")]
    Connect(#[source] std::io::Error),
    #[error("the connection was accepted and closed: nothing listens in the guest yet")]
    HungUp,
    #[error("the connection was accepted, but nothing was said")]
    NoBanner,
    #[error("the handshake was begun, but not finished in time")]
    HandshakeTimedOut,
    #[error("the handshake failed")]
    Handshake(#[source] russh::Error),
    #[error("the connection ended while the key was being checked")]
    LostInAuth,
}

enum Failure {
    Retry(AttemptError),
    Final(ConnectError),
}

#[derive(Default)]
struct Attempts {
    count: u32,
    last: Option<AttemptError>,
}

/// Connects to `address` as soon as the guest lets it, and pins its host key.
///
/// # Errors
/// [`ConnectError::NotReady`] at the deadline, with what the last attempt ran into; the others at once.
pub async fn connect_until(
    address: SocketAddr,
    access: &Access,
    patience: &Patience,
    deadline: Deadline,
    cancel: &Cancel,
    nudge: &Nudge,
) -> Result<Guest, ConnectError> {
    let started = Instant::now();
    let mut attempts = Attempts::default();
    tokio::select! {
        biased;
        () = cancel.requested() => return Err(Cancelled.into()),
        result = knock_until_open(address, access, patience, nudge, &mut attempts) => return result,
        () = tokio::time::sleep_until(deadline.instant().into()) => {}
    }
    Err(ConnectError::NotReady {
        address,
        waited: started.elapsed(),
        attempts: attempts.count,
        last: attempts.last,
    })
}

/// The first pause after a failed attempt, and the longest. A guest whose server is about to listen refuses at
/// once, so that without a pause this would spin.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

async fn knock_until_open(
    address: SocketAddr,
    access: &Access,
    patience: &Patience,
    nudge: &Nudge,
    attempts: &mut Attempts,
) -> Result<Guest, ConnectError> {
    let config = Arc::new(client_config(patience));
    let mut pause = FIRST_PAUSE;
    wait_or_nudge(patience.nudge, nudge).await;
    loop {
        attempts.count += 1;
        match attempt(address, access, patience, &config, nudge).await {
            Ok(guest) => return Ok(guest),
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::Retry(error)) => {
                attempts.last = Some(error);
                if wait_or_nudge(pause, nudge).await {
                    pause = FIRST_PAUSE;
                } else {
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }
}

/// Whether a nudge came before `span` had passed.
async fn wait_or_nudge(span: Duration, nudge: &Nudge) -> bool {
    tokio::time::timeout(span, nudge.given()).await.is_ok()
}

async fn attempt(
    address: SocketAddr,
    access: &Access,
    patience: &Patience,
    config: &Arc<client::Config>,
    nudge: &Nudge,
) -> Result<Guest, Failure> {
    let stream = knock_twice(address, patience.banner, nudge)
        .await
        .map_err(Failure::Retry)?;
    match tokio::time::timeout(
        patience.handshake,
        shake_hands(stream, address, access, Arc::clone(config)),
    )
    .await
    {
        Ok(result) => result,
        Err(_) => Err(Failure::Retry(AttemptError::HandshakeTimedOut)),
    }
}

/// A connection that was accepted too early can stay mute in QEMU's user network for seconds after the server has
/// started, hence a nudge makes a second one. The first is kept: the nudge may have come while it was being served.
async fn knock_twice(
    address: SocketAddr,
    patience: Duration,
    nudge: &Nudge,
) -> Result<TcpStream, AttemptError> {
    let mute = |_| AttemptError::NoBanner;
    let mut first = std::pin::pin!(knock(address));
    tokio::select! {
        biased;
        stream = tokio::time::timeout(patience, &mut first) => return stream.map_err(mute)?,
        () = nudge.given() => {}
    }
    tokio::time::timeout(patience, async {
        let mut second = std::pin::pin!(knock(address));
        tokio::select! {
            biased;
            stream = &mut first => match stream {
                Ok(stream) => Ok(stream),
                Err(_) => second.await,
            },
            stream = &mut second => stream,
        }
    })
    .await
    .map_err(mute)?
}

/// A connection on which the other side has begun to speak.
async fn knock(address: SocketAddr) -> Result<TcpStream, AttemptError> {
    let stream = TcpStream::connect(address).await.map_err(AttemptError::Connect)?;
    stream.set_nodelay(true).map_err(AttemptError::Connect)?;
    match stream.peek(&mut [0]).await {
        Ok(0) => Err(AttemptError::HungUp),
        Ok(_) => Ok(stream),
        Err(error) => Err(AttemptError::Connect(error)),
    }
}

async fn shake_hands(
    stream: TcpStream,
    address: SocketAddr,
    access: &Access,
    config: Arc<client::Config>,
) -> Result<Guest, Failure> {
    let retry_io = |error| Failure::Retry(AttemptError::Connect(error));
    let stream = stream.into_std().map_err(retry_io)?;
    let severs = Severs::Network(stream.try_clone().map_err(retry_io)?);
    let stream = TcpStream::from_std(stream).map_err(retry_io)?;
    be_let_in(stream, severs, access, config)
        .await
        .map_err(|refusal| match refusal {
            Refusal::Attempt(error) => Failure::Retry(error),
            Refusal::HostKey { expected, got } => Failure::Final(ConnectError::HostKeyMismatch {
                address,
                expected,
                got,
            }),
            Refusal::Incompatible(source) => Failure::Final(ConnectError::Incompatible { address, source }),
            Refusal::Auth => Failure::Final(ConnectError::AuthRefused { address }),
        })
}

/// Why a server that answers lets nobody in.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    Attempt(#[from] AttemptError),
    #[error("its host key is {got}, not {expected}")]
    HostKey { expected: String, got: String },
    #[error("it offers no algorithm that labctl accepts")]
    Incompatible(#[source] russh::Error),
    #[error("it refused labctl's password and its key")]
    Auth,
}

/// One attempt on a stream at whose other end a server is known to be. `carrier` is the task that carries the stream's
/// bytes, and ends with the session.
///
/// # Errors
/// Why it failed; nothing is tried again.
pub async fn connect_over(
    stream: DuplexStream,
    carrier: AbortHandle,
    access: &Access,
    patience: &Patience,
) -> Result<Guest, Refusal> {
    let config = Arc::new(client_config(patience));
    let attempt = be_let_in(stream, Severs::Line(carrier), access, config);
    tokio::time::timeout(patience.handshake, attempt)
        .await
        .map_err(|_| AttemptError::HandshakeTimedOut)?
}

async fn be_let_in(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    severs: Severs,
    access: &Access,
    config: Arc<client::Config>,
) -> Result<Guest, Refusal> {
    let (host, lost) = PinnedHost::new(access.host.clone());
    let mut handle = client::connect_stream(config, stream, host)
        .await
        .map_err(|error| match error {
            HandlerError::HostKey { expected, got } => Refusal::HostKey { expected, got },
            HandlerError::Ssh(source @ russh::Error::NoCommonAlgo { .. }) => Refusal::Incompatible(source),
            HandlerError::Ssh(error) => AttemptError::Handshake(error).into(),
        })?;
    let broken = AttemptError::Handshake;
    let mut answer = handle
        .authenticate_password("root", access.password.reveal())
        .await
        .map_err(broken)?;
    if !answer.success() && !handle.is_closed() {
        // Whoever works in the guest has changed the password. The key is another way in.
        let key = PrivateKeyWithHashAlg::new(Arc::clone(&access.client), None);
        answer = handle.authenticate_publickey("root", key).await.map_err(broken)?;
    }
    match answer {
        client::AuthResult::Success => Ok(Guest::new(handle, lost, severs)),
        // The library reports a connection that ended as a refusal that leaves no method.
        client::AuthResult::Failure {
            remaining_methods, ..
        } if remaining_methods.is_empty() && handle.is_closed() => Err(AttemptError::LostInAuth.into()),
        client::AuthResult::Failure { .. } => Err(Refusal::Auth),
    }
}

fn client_config(patience: &Patience) -> client::Config {
    client::Config {
        keepalive_interval: Some(patience.keepalive),
        keepalive_max: patience.unanswered,
        preferred: Preferred {
            kex: Cow::Borrowed(&[
                kex::CURVE25519,
                kex::CURVE25519_PRE_RFC_8731,
                kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
            ]),
            key: Cow::Borrowed(&[Algorithm::Ed25519]),
            // Measured under emulation: ChaCha20 takes the guest's dropbear less than half of the time that AES
            // in counter mode takes, and curve25519 is the cheapest key exchange that it has.
            cipher: Cow::Borrowed(&[
                cipher::CHACHA20_POLY1305,
                cipher::AES_128_CTR,
                cipher::AES_256_CTR,
            ]),
            mac: Cow::Borrowed(&[mac::HMAC_SHA256, mac::HMAC_SHA256_ETM, mac::HMAC_SHA512]),
            // Compression would cost the guest's emulated processor more than loopback gains.
            compression: Cow::Borrowed(&[compression::NONE]),
            ..Preferred::DEFAULT
        },
        ..client::Config::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_grows_with_slowness_and_survives_nonsense() {
        assert!(Patience::for_boot(8.0).handshake > Patience::for_boot(1.0).handshake);
        for nonsense in [f64::NAN, f64::INFINITY, -1.0, 0.0, f64::MAX] {
            let patience = Patience::for_running(nonsense);
            assert!(patience.handshake > Duration::ZERO, "{nonsense}");
        }
    }
}
