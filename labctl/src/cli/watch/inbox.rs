//! Everything that may happen from outside while a workspace is watched, one at a time.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::debounce::Debounce;
use super::folder::Folder;
use super::keys::{Key, keys};
use crate::cli::context::Context;
use crate::cli::course::Found;
use crate::cli::failure::Failure;
use crate::event::{Event, Events};
use crate::guest::{Keyboard, TerminalMode};
use crate::supervise::Cancel;

/// An editor's save is over in less; nobody notices so much.
const QUIET: Duration = Duration::from_millis(60);
/// A folder that is never quiet is looked at so often.
const BUSY: Duration = Duration::from_secs(1);

/// Something from outside.
pub(super) enum News {
    /// labctl was asked to end.
    Stop,
    Key(Key),
    /// Files may have changed, the last of them at this time.
    Saved(Instant),
    /// Something is told about the work at hand.
    Told(Event),
    /// What is on the screen has to be drawn again.
    Screen,
}

/// Where it all comes together.
pub(super) struct Inbox {
    cancel: Cancel,
    folder: Folder,
    pokes: UnboundedReceiver<std::path::PathBuf>,
    debounce: Debounce,
    keyboard: Option<(Keyboard, TerminalMode)>,
    typed: VecDeque<Key>,
    told: (UnboundedSender<Event>, UnboundedReceiver<Event>),
    resized: Signal,
    continued: Signal,
}

impl Inbox {
    /// Begins to listen; with `keys`, to the terminal on standard input as well.
    pub(super) fn open(context: &Context, found: &Found, poll: bool, keys: bool) -> Result<Self, Failure> {
        let (poke, pokes) = unbounded_channel();
        // `SIGCONT`, which has no name of its own in tokio.
        let continued = SignalKind::from_raw(rustix::process::Signal::CONT.as_raw());
        Ok(Self {
            cancel: context.cancel.clone(),
            folder: Folder::watch(&found.dir, poll, &poke)?,
            pokes,
            debounce: Debounce::new(QUIET, BUSY),
            keyboard: if keys { Some(listen_to_keys()?) } else { None },
            typed: VecDeque::new(),
            told: unbounded_channel(),
            resized: signal(SignalKind::window_change())?,
            continued: signal(continued)?,
        })
    }

    /// Why the files are looked at again and again; absent where the kernel tells.
    pub(super) fn polled(&self) -> Option<&str> {
        self.folder.polled.as_deref()
    }

    /// A sink whose events come back as news.
    pub(super) fn events(&self) -> Events {
        let told = self.told.0.clone();
        Events::new(move |event| {
            // Nobody listens any more at the end.
            told.send(event).ok();
        })
    }

    /// The next piece of news. May be given up at any time; nothing is lost.
    pub(super) async fn next(&mut self) -> News {
        loop {
            if let Some(key) = self.typed.pop_front() {
                return News::Key(key);
            }
            let due = self.debounce.due();
            let settled = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            let typed = async {
                match &mut self.keyboard {
                    Some((keyboard, _)) => keyboard.read().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.cancel.requested() => return News::Stop,
                piece = typed => match piece {
                    Ok(piece) if !piece.is_empty() => self.typed.extend(keys(&piece)),
                    // The terminal is gone; a signal says so, too, where that means the end.
                    _ => self.keyboard = None,
                },
                Some(_) = self.pokes.recv() => self.debounce.poke(Instant::now()),
                () = settled => {
                    if let Some(last) = self.debounce.take(Instant::now()) {
                        self.folder.attend();
                        return News::Saved(last);
                    }
                }
                Some(event) = self.told.1.recv() => return News::Told(event),
                Some(()) = self.resized.recv() => return News::Screen,
                Some(()) = self.continued.recv() => {
                    if let Some((_, mode)) = &self.keyboard {
                        // A terminal that is gone says so when it is read.
                        mode.again().ok();
                    }
                    return News::Screen;
                }
            }
        }
    }
}

fn listen_to_keys() -> io::Result<(Keyboard, TerminalMode)> {
    let input = io::stdin();
    let mode = TerminalMode::keys(&input)?;
    Ok((Keyboard::new(input.as_fd().try_clone_to_owned()?)?, mode))
}
