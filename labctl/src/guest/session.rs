//! One SSH connection to a guest, shared by everything that is done there. Commands, copies and terminals are
//! channels of it; when it ends, all of them end.

use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use russh::client::{self, DisconnectReason};
use russh::keys::{HashAlg, PublicKey, PublicKeyOrCertificate};
use russh::{Channel, ChannelOpenFailure, Disconnect};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::exec::ExecError;

/// Why nothing more can be learnt from a guest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the guest was lost: {cause}")]
pub struct GuestLost {
    pub cause: LossCause,
}

/// How a guest was lost.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LossCause {
    /// The SSH server said good-bye.
    #[error("its SSH server hung up ({message})")]
    Disconnected { message: String },
    /// The connection broke or carried nonsense.
    #[error("the connection broke ({what})")]
    Transport { what: String },
    /// Nothing was heard for as long as [`super::Patience`] allows.
    #[error("it no longer answers")]
    Silent,
    /// A command's channel closed and nobody said how the command ended.
    #[error("a command ended without an exit status")]
    NoExitStatus,
    /// This side closed the connection.
    #[error("the connection was closed by labctl")]
    Closed,
}

impl From<LossCause> for GuestLost {
    fn from(cause: LossCause) -> Self {
        Self { cause }
    }
}

/// What goes wrong inside a connection, as its handler sees it.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandlerError {
    #[error("the guest's host key is {got}, not {expected}")]
    HostKey { expected: String, got: String },
    #[error(transparent)]
    Ssh(#[from] russh::Error),
}

/// Lets in one host key only, and remembers how the connection ended.
pub(super) struct PinnedHost {
    expected: PublicKey,
    loss: watch::Sender<Option<LossCause>>,
}

impl PinnedHost {
    pub(super) fn new(expected: PublicKey) -> (Self, watch::Receiver<Option<LossCause>>) {
        let (loss, lost) = watch::channel(None);
        (Self { expected, loss }, lost)
    }
}

impl client::Handler for PinnedHost {
    type Error = HandlerError;

    async fn check_server_key(&mut self, offered: &PublicKeyOrCertificate) -> Result<bool, HandlerError> {
        let got = offered.public_key();
        if offered.certificate().is_none() && got.key_data() == self.expected.key_data() {
            return Ok(true);
        }
        Err(HandlerError::HostKey {
            expected: self.expected.fingerprint(HashAlg::Sha256).to_string(),
            got: got.fingerprint(HashAlg::Sha256).to_string(),
        })
    }

    async fn disconnected(&mut self, reason: DisconnectReason<HandlerError>) -> Result<(), HandlerError> {
        let cause = match &reason {
            DisconnectReason::ReceivedDisconnect(said) => LossCause::Disconnected {
                message: said.message.clone(),
            },
            DisconnectReason::Error(HandlerError::Ssh(russh::Error::KeepaliveTimeout)) => LossCause::Silent,
            DisconnectReason::Error(HandlerError::Ssh(russh::Error::IO(error)))
                if error.kind() == std::io::ErrorKind::UnexpectedEof =>
            {
                LossCause::Transport {
                    what: "it was closed from the other side".to_owned(),
                }
            }
            DisconnectReason::Error(error) => LossCause::Transport {
                what: error.to_string(),
            },
        };
        // The first cause is the true one: what follows a deliberate close is only its echo.
        self.loss.send_if_modified(|slot| {
            let first = slot.is_none();
            if first {
                *slot = Some(cause);
            }
            first
        });
        match reason {
            DisconnectReason::ReceivedDisconnect(_) => Ok(()),
            DisconnectReason::Error(error) => Err(error),
        }
    }
}

/// Cuts the connection when dropped. The task that serves the connection outlives its handles while it is in the middle
/// of a key exchange, so dropping those alone would leave a socket behind.
#[derive(Debug)]
pub(super) enum Severs {
    Network(std::net::TcpStream),
    /// The task that carries the bytes.
    Line(AbortHandle),
}

impl Drop for Severs {
    fn drop(&mut self) {
        match self {
            // It may be closed already, which is what is wanted.
            Self::Network(stream) => drop(stream.shutdown(Shutdown::Both)),
            Self::Line(carrier) => carrier.abort(),
        }
    }
}

/// A guest that has let us in. Clones share the one connection, which is cut when the last of them is dropped.
#[derive(Clone)]
pub struct Guest {
    inner: Arc<Inner>,
}

struct Inner {
    handle: client::Handle<PinnedHost>,
    lost: watch::Receiver<Option<LossCause>>,
    _severs: Severs,
}

impl std::fmt::Debug for Guest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guest").finish_non_exhaustive()
    }
}

impl Guest {
    pub(super) fn new(
        handle: client::Handle<PinnedHost>,
        lost: watch::Receiver<Option<LossCause>>,
        severs: Severs,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                handle,
                lost,
                _severs: severs,
            }),
        }
    }

    /// Completes when the connection has ended, with the cause.
    pub async fn lost(&self) -> GuestLost {
        let mut lost = self.inner.lost.clone();
        let cause = match lost.wait_for(Option::is_some).await {
            Ok(cause) => cause.clone(),
            // The task that served the connection is gone without a word.
            Err(_) => None,
        };
        cause
            .unwrap_or_else(|| LossCause::Transport {
                what: "it ended".to_owned(),
            })
            .into()
    }

    /// Whether the connection has ended.
    pub fn is_lost(&self) -> bool {
        self.inner.handle.is_closed()
    }

    /// Says good-bye and waits, for at most a second, until the guest has hung up.
    pub async fn close(&self) {
        let said = self
            .inner
            .handle
            .disconnect(Disconnect::ByApplication, "done", "en")
            .await;
        if said.is_ok() {
            // Nobody is owed an answer: the connection is cut in any case.
            tokio::time::timeout(Duration::from_secs(1), self.lost())
                .await
                .ok();
        }
    }

    pub(super) async fn open_channel(&self) -> Result<Channel<client::Msg>, ExecError> {
        match self.inner.handle.channel_open_session().await {
            Ok(channel) => Ok(channel),
            Err(russh::Error::ChannelOpenFailure(why)) => Err(ExecError::Refused {
                what: match why {
                    ChannelOpenFailure::ResourceShortage => "another channel (too many are open)",
                    _ => "a channel",
                },
            }),
            Err(_) => Err(ExecError::Lost(self.lost().await)),
        }
    }
}
