//! Where a command's output goes.

use std::io;

use tokio::io::{AsyncWrite, AsyncWriteExt as _};

/// The beginning of a stream, and how much of it there was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    /// The first bytes, up to the sink's limit.
    pub bytes: Vec<u8>,
    /// How many bytes came after them and were not kept.
    pub dropped: u64,
}

impl Captured {
    /// The bytes as text; what is not UTF-8 becomes U+FFFD.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub(super) fn push(&mut self, bytes: &[u8], limit: usize) {
        let room = limit.saturating_sub(self.bytes.len()).min(bytes.len());
        self.bytes.extend_from_slice(&bytes[..room]);
        self.dropped += (bytes.len() - room) as u64;
    }
}

type Tap = Box<dyn FnMut(&[u8]) + Send>;
type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// What to do with one output stream of a command.
#[derive(Default)]
pub struct Sink {
    pub(super) keep: usize,
    tap: Option<Tap>,
    writer: Option<Writer>,
}

impl Sink {
    /// Keeps the first `limit` bytes in memory and counts the rest.
    pub fn capture(limit: usize) -> Self {
        Self {
            keep: limit,
            ..Self::default()
        }
    }

    /// Only counts.
    pub fn discard() -> Self {
        Self::default()
    }

    /// Calls `tap` with each piece as it arrives. It must not block: every command of the guest waits for it.
    pub fn call(tap: impl FnMut(&[u8]) + Send + 'static) -> Self {
        Self::discard().and_call(tap)
    }

    /// Writes to `writer`. While it is slow, the guest's other commands wait too: all share one connection.
    pub fn write(writer: impl AsyncWrite + Send + Unpin + 'static) -> Self {
        Self {
            writer: Some(Box::new(writer)),
            ..Self::default()
        }
    }

    /// Also calls `tap`.
    #[must_use]
    pub fn and_call(mut self, tap: impl FnMut(&[u8]) + Send + 'static) -> Self {
        self.tap = Some(Box::new(tap));
        self
    }

    pub(super) async fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(tap) = &mut self.tap {
            tap(bytes);
        }
        if let Some(writer) = &mut self.writer {
            writer.write_all(bytes).await?;
            // What a user waits for must not sit in a buffer of ours.
            writer.flush().await?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sink")
            .field("keep", &self.keep)
            .field("tap", &self.tap.is_some())
            .field("writer", &self.writer.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_splits_a_piece() {
        let mut captured = Captured::default();
        captured.push(b"abc", 5);
        captured.push(b"defg", 5);
        captured.push(b"h", 5);
        assert_eq!(captured.text(), "abcde");
        assert_eq!(captured.dropped, 3);
    }
}
