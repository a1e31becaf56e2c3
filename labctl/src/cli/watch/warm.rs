//! The guest that waits while the student edits.

use futures::FutureExt as _;
use futures::future::LocalBoxFuture;

use crate::cli::check::Arriving;
use crate::session::Lab;
use crate::supervise::Cancel;

/// At most one guest, in whatever state it is.
pub(super) struct Warm<'a> {
    slot: Slot<'a>,
    cancel: Cancel,
}

enum Slot<'a> {
    Empty,
    Starting(Arriving<'a>),
    Waiting(Box<Lab>),
    Ending(LocalBoxFuture<'a, ()>),
}

/// What has become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It waits.
    Ready,
    /// It did not come up. The next check will say why, if it does not for that one either.
    Failed,
    /// It died while it waited, and has been cleared away.
    Died,
}

impl<'a> Warm<'a> {
    pub(super) fn nobody(cancel: Cancel) -> Self {
        Self {
            slot: Slot::Empty,
            cancel,
        }
    }

    pub(super) fn starting(guest: Arriving<'a>, cancel: Cancel) -> Self {
        Self {
            slot: Slot::Starting(guest),
            cancel,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self.slot, Slot::Empty)
    }

    /// Completes with the next change; may be given up at any time.
    pub(super) async fn turn(&mut self) -> Turn {
        loop {
            match &mut self.slot {
                Slot::Empty => std::future::pending().await,
                Slot::Starting(guest) => match guest.await {
                    Ok(lab) => {
                        self.slot = Slot::Waiting(Box::new(lab));
                        return Turn::Ready;
                    }
                    Err(_) => {
                        self.slot = Slot::Empty;
                        return Turn::Failed;
                    }
                },
                Slot::Waiting(lab) => {
                    tokio::select! {
                        _ = lab.vm().ended() => {}
                        _ = lab.guest().lost() => {}
                    }
                    if let Slot::Waiting(lab) = std::mem::replace(&mut self.slot, Slot::Empty) {
                        self.slot = Slot::Ending(end(*lab, self.cancel.clone()).boxed_local());
                    }
                }
                Slot::Ending(end) => {
                    end.await;
                    self.slot = Slot::Empty;
                    return Turn::Died;
                }
            }
        }
    }

    /// Hands over the guest that waits, or is on its way; `None` when there is none that could be used.
    pub(super) fn take(&mut self) -> Option<Arriving<'a>> {
        match std::mem::replace(&mut self.slot, Slot::Empty) {
            Slot::Starting(guest) => Some(guest),
            Slot::Waiting(lab) if !lab.guest().is_lost() && !lab.vm().state().is_over() => {
                Some(std::future::ready(Ok(*lab)).boxed_local())
            }
            other => {
                self.slot = other;
                None
            }
        }
    }

    /// Ends it. Whoever calls has raised the request to stop, so that a boot does not go on.
    pub(super) async fn end(self) {
        match self.slot {
            Slot::Empty => {}
            Slot::Starting(guest) => {
                if let Ok(lab) = guest.await {
                    end(lab, self.cancel).await;
                }
            }
            Slot::Waiting(lab) => end(*lab, self.cancel).await,
            Slot::Ending(end) => end.await,
        }
    }
}

async fn end(lab: Lab, cancel: Cancel) {
    lab.end(&cancel, |_| {}).await;
}
