//! One transfer: an HTTP response or a file, as a stream of chunks that can be given up at any moment.
//!
//! A blocking read cannot be interrupted, so it happens on a thread of its own, and what waits for its chunks can
//! notice a stop, or a mirror that has fallen silent, within a tenth of a second. A transfer that is given up leaves
//! its thread to notice on its next chunk or time-out that nobody listens.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use super::proxy::Proxies;
use crate::supervise::{Cancel, Cancelled};

/// How to reach mirrors.
#[derive(Debug, Clone)]
pub struct TransportConfig {
    /// Until a connection stands and the response begins.
    pub connect: Duration,
    /// Between two chunks.
    pub stall: Duration,
    /// None is used but these, whatever the environment says.
    pub proxies: Proxies,
    /// Tries of one transfer, the first included.
    pub attempts: u32,
    /// Before the second try; twice as long before each further one.
    pub backoff: Duration,
}

impl Default for TransportConfig {
    fn default() -> TransportConfig {
        TransportConfig {
            connect: Duration::from_secs(20),
            // A busy mirror pauses; one that is silent for this long will not come back by waiting.
            stall: Duration::from_secs(30),
            proxies: Proxies::default(),
            attempts: 5,
            backoff: Duration::from_millis(500),
        }
    }
}

/// A transfer that did not work out.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    #[error("`{url}` does not exist")]
    NotFound { url: String },
    #[error("`{url}` was answered with HTTP status {status}")]
    Status { url: String, status: u16 },
    #[error("cannot fetch `{url}`")]
    Failed {
        url: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("`{url}`: nothing arrived for {} seconds", silence.as_secs())]
    Stalled { url: String, silence: Duration },
    #[error("`{url}`: the transfer ended after {got} of {expected} bytes")]
    Truncated { url: String, got: u64, expected: u64 },
    #[error("`{proxy}` is not a proxy's address")]
    Proxy { proxy: String },
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl TransferError {
    /// Whether trying again may help.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            TransferError::Failed { .. }
            | TransferError::Stalled { .. }
            | TransferError::Truncated { .. } => true,
            TransferError::Status { status, .. } => *status >= 500 || matches!(status, 408 | 425 | 429),
            TransferError::NotFound { .. } | TransferError::Proxy { .. } | TransferError::Cancelled(_) => {
                false
            }
        }
    }
}

/// How a response begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// Where the bytes that follow belong: the wanted offset, or 0 from a server that does not know ranges.
    pub(super) start: u64,
    /// Of the whole file, in bytes, if the server says.
    pub(super) total: Option<u64>,
}

enum Message {
    Head(Head),
    Chunk(Vec<u8>),
    End,
    Failed(TransferError),
}

/// Clones share their connections.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    /// With no proxy, with that for `http:`, with that for `https:`.
    agents: [ureq::Agent; 3],
    config: TransportConfig,
}

impl Transport {
    pub(super) fn new(config: &TransportConfig) -> Result<Transport, TransferError> {
        let agent = |proxy: Option<&String>| -> Result<ureq::Agent, TransferError> {
            let proxy = proxy
                .filter(|proxy| !proxy.is_empty())
                .map(|proxy| {
                    ureq::Proxy::new(proxy).map_err(|_| TransferError::Proxy { proxy: proxy.clone() })
                })
                .transpose()?;
            let agent = ureq::Agent::config_builder()
                .http_status_as_error(false)
                // Set even when there is none: the library's default is to ask the environment.
                .proxy(proxy)
                .user_agent(concat!("labctl/", env!("CARGO_PKG_VERSION")))
                .timeout_connect(Some(config.connect))
                .timeout_recv_response(Some(config.connect))
                .timeout_per_read(Some(config.stall))
                .build()
                .new_agent();
            Ok(agent)
        };
        let proxies = &config.proxies;
        Ok(Transport {
            agents: [
                agent(None)?,
                agent(proxies.http.as_ref())?,
                agent(proxies.https.as_ref())?,
            ],
            config: config.clone(),
        })
    }

    fn agent(&self, url: &str) -> &ureq::Agent {
        let [direct, http, https] = &self.agents;
        match self.config.proxies.for_url(url) {
            None => direct,
            Some(_) if url.starts_with("https:") => https,
            Some(_) => http,
        }
    }

    pub(super) fn config(&self) -> &TransportConfig {
        &self.config
    }

    /// Begins to transfer `url` from `offset` on.
    pub(super) fn open(&self, url: &str, offset: u64) -> Transfer {
        // A few chunks ahead: enough to keep a fast line busy, little enough to forget.
        let (sender, receiver) = sync_channel(8);
        let (agent, thread_url) = (self.agent(url).clone(), url.to_owned());
        std::thread::spawn(move || {
            let outcome = match thread_url.strip_prefix("file://") {
                Some(path) => send_file(path, &thread_url, offset, &sender),
                None => send_response(&agent, &thread_url, offset, &sender),
            };
            let last = outcome.map_or_else(Message::Failed, |()| Message::End);
            // Nobody listening means that nobody wants to know.
            drop(sender.send(last));
        });
        Transfer {
            url: url.to_owned(),
            receiver,
            connect: self.config.connect,
            stall: self.config.stall,
        }
    }
}

const CHUNK: usize = 128 << 10;
/// How soon a stop is noticed.
const TICK: Duration = Duration::from_millis(100);

/// The receiving end.
pub(super) struct Transfer {
    url: String,
    receiver: Receiver<Message>,
    connect: Duration,
    stall: Duration,
}

impl Transfer {
    /// To be called once, first.
    pub(super) fn head(&self, cancel: &Cancel) -> Result<Head, TransferError> {
        // Looking up the name, connecting and the first byte each have that long; the transfer's own limits come
        // first and say more than this one.
        let patience = self.connect * 3 + TICK;
        match self.receive(patience, cancel)? {
            Message::Head(head) => Ok(head),
            Message::Failed(error) => Err(error),
            Message::Chunk(_) | Message::End => Err(self.failed("the transfer has no beginning")),
        }
    }

    /// The next bytes; `None` at the end.
    pub(super) fn chunk(&self, cancel: &Cancel) -> Result<Option<Vec<u8>>, TransferError> {
        match self.receive(self.stall, cancel)? {
            Message::Chunk(bytes) => Ok(Some(bytes)),
            Message::End => Ok(None),
            Message::Failed(error) => Err(error),
            Message::Head(_) => Err(self.failed("the transfer begins twice")),
        }
    }

    fn receive(&self, patience: Duration, cancel: &Cancel) -> Result<Message, TransferError> {
        let begun = Instant::now();
        loop {
            cancel.check()?;
            match self.receiver.recv_timeout(TICK.min(patience)) {
                Ok(message) => return Ok(message),
                Err(RecvTimeoutError::Timeout) if begun.elapsed() < patience => {}
                Err(RecvTimeoutError::Timeout) => {
                    return Err(TransferError::Stalled {
                        url: self.url.clone(),
                        silence: patience,
                    });
                }
                Err(RecvTimeoutError::Disconnected) => return Err(self.failed("the transfer broke off")),
            }
        }
    }

    fn failed(&self, why: &'static str) -> TransferError {
        TransferError::Failed {
            url: self.url.clone(),
            source: why.into(),
        }
    }
}

fn send_response(
    agent: &ureq::Agent,
    url: &str,
    offset: u64,
    sender: &SyncSender<Message>,
) -> Result<(), TransferError> {
    let failed = |error: ureq::Error| TransferError::Failed {
        url: url.to_owned(),
        source: error.into(),
    };
    let mut request = agent.get(url);
    if offset > 0 {
        request = request.header("range", format!("bytes={offset}-"));
    }
    let response = request.call().map_err(failed)?;
    let length = response.body().content_length();
    let head = match response.status().as_u16() {
        200 => Head {
            start: 0,
            total: length,
        },
        206 => {
            let range = response
                .headers()
                .get("content-range")
                .and_then(|value| value.to_str().ok());
            let malformed = || TransferError::Failed {
                url: url.to_owned(),
                source: "the server answered a range that was not asked for".into(),
            };
            let head = range.and_then(content_range).ok_or_else(malformed)?;
            if head.start != offset {
                return Err(malformed());
            }
            head
        }
        404 | 410 => return Err(TransferError::NotFound { url: url.to_owned() }),
        status => {
            return Err(TransferError::Status {
                url: url.to_owned(),
                status,
            });
        }
    };
    send_all(response.into_body().into_reader(), url, head, sender)
}

/// `bytes 100-199/200`, RFC 9110 §14.4.
fn content_range(value: &str) -> Option<Head> {
    let (range, total) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some(Head {
        start: start.parse().ok()?,
        total: total.parse().ok(),
    })
}

fn send_file(path: &str, url: &str, offset: u64, sender: &SyncSender<Message>) -> Result<(), TransferError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => TransferError::NotFound { url: url.to_owned() },
        _ => TransferError::Failed {
            url: url.to_owned(),
            source: error.into(),
        },
    };
    let mut file = fs_err::File::open(path).map_err(failed)?;
    let total = file.metadata().map_err(failed)?.len();
    let start = file.seek(SeekFrom::Start(offset.min(total))).map_err(failed)?;
    send_all(
        file,
        url,
        Head {
            start,
            total: Some(total),
        },
        sender,
    )
}

fn send_all(
    mut from: impl Read,
    url: &str,
    head: Head,
    sender: &SyncSender<Message>,
) -> Result<(), TransferError> {
    if sender.send(Message::Head(head)).is_err() {
        return Ok(());
    }
    let mut got = head.start;
    loop {
        let mut chunk = vec![0; CHUNK];
        match from.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => {
                got += count as u64;
                chunk.truncate(count);
                if sender.send(Message::Chunk(chunk)).is_err() {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => {
                return Err(TransferError::Failed {
                    url: url.to_owned(),
                    source: source.into(),
                });
            }
        }
    }
    match head.total {
        Some(expected) if got < expected => Err(TransferError::Truncated {
            url: url.to_owned(),
            got,
            expected,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_content_ranges() {
        assert_eq!(
            content_range("bytes 100-199/200"),
            Some(Head {
                start: 100,
                total: Some(200)
            })
        );
        assert_eq!(
            content_range("bytes 5-9/*"),
            Some(Head {
                start: 5,
                total: None
            })
        );
        for bad in ["bytes */200", "items 0-1/2", "bytes 0/2", ""] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_bad_proxy_is_named() {
        let config = TransportConfig {
            proxies: Proxies {
                http: Some("::::".into()),
                ..Proxies::default()
            },
            ..TransportConfig::default()
        };
        assert!(matches!(
            Transport::new(&config),
            Err(TransferError::Proxy { .. })
        ));
    }
}
