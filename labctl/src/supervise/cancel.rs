//! The request to stop, as a value that is passed down. Ctrl-C once asks for an orderly stop; twice, for a kill.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio_util::sync::CancellationToken;

/// Why work is being stopped. Ordered: a later reason outranks an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// SIGINT, SIGTERM or SIGHUP, once: stop in order, keep the evidence.
    Interrupted,
    /// A second signal: kill what runs, skip what is slow.
    Killed,
}

/// Work ended because it was asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Cancelled;

/// A shared flag that can be awaited and polled. Clones are the same flag.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    orderly: CancellationToken,
    hard: CancellationToken,
    level: Arc<AtomicU8>,
}

impl Cancel {
    /// A flag that only [`Cancel::request`] can raise.
    pub fn new() -> Self {
        Self::default()
    }

    /// A flag of its own that this one raises, too: for work that may be given up alone.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            orderly: self.orderly.child_token(),
            hard: self.hard.child_token(),
            level: Arc::default(),
        }
    }

    /// Raises the flag by one level, as one more signal does, and returns the level it now stands at.
    pub fn request(&self) -> Reason {
        if self.level.fetch_add(1, Ordering::SeqCst) == 0 {
            self.orderly.cancel();
            Reason::Interrupted
        } else {
            self.hard.cancel();
            Reason::Killed
        }
    }

    pub fn is_requested(&self) -> bool {
        self.orderly.is_cancelled()
    }

    /// For loops on blocking threads.
    ///
    /// # Errors
    /// [`Cancelled`] once a stop was asked for.
    pub fn check(&self) -> Result<(), Cancelled> {
        if self.is_requested() {
            Err(Cancelled)
        } else {
            Ok(())
        }
    }

    /// `inner` until a stop is asked for, and then an error: what takes long because it reads much is ended by it.
    pub fn reader<R: Read>(&self, inner: R) -> CancellableReader<R> {
        CancellableReader {
            inner,
            cancel: self.clone(),
        }
    }

    /// Completes when a stop is asked for.
    pub async fn requested(&self) {
        self.orderly.cancelled().await;
    }

    /// Completes when a kill is asked for.
    pub async fn killed(&self) {
        self.hard.cancelled().await;
    }
}

/// A reader that a request to stop ends.
#[derive(Debug)]
pub struct CancellableReader<R> {
    inner: R,
    cancel: Cancel,
}

impl<R: Read> Read for CancellableReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.cancel.check().map_err(io::Error::other)?;
        self.inner.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_ends_with_the_request() {
        let cancel = Cancel::new();
        let mut reader = cancel.reader(&b"ab"[..]);
        let mut byte = [0];
        assert_eq!(reader.read(&mut byte).unwrap(), 1);
        cancel.request();
        let error = reader.read(&mut byte).unwrap_err();
        assert!(error.get_ref().unwrap().is::<Cancelled>());
    }

    #[test]
    fn a_child_ends_alone_or_with_its_parent() {
        let parent = Cancel::new();
        let (one, other) = (parent.child(), parent.child());
        one.request();
        assert_eq!((one.check(), parent.check()), (Err(Cancelled), Ok(())));
        assert_eq!(other.check(), Ok(()));
        parent.request();
        assert_eq!(other.check(), Err(Cancelled));
        // What was given up already can still be killed with everything else.
        assert!(!one.hard.is_cancelled());
        parent.request();
        assert!(one.hard.is_cancelled() && other.hard.is_cancelled());
    }

    #[tokio::test]
    async fn the_second_request_outranks_the_first() {
        let cancel = Cancel::new();
        assert_eq!(cancel.check(), Ok(()));
        assert_eq!(cancel.request(), Reason::Interrupted);
        cancel.requested().await;
        assert_eq!(cancel.check(), Err(Cancelled));
        assert_eq!(cancel.clone().request(), Reason::Killed);
        cancel.killed().await;
    }
}
