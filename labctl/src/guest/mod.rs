//! A running guest as seen over SSH: an address, keys, and what may be done with them. Nothing here knows of QEMU
//! or of labs.
//!
//! ```text
//! keys ──► ready (connect_until) ──► session (Guest) ──┬─► exec, running   commands
//!                                                      ├─► terminal        a person at the keyboard
//!                                                      └─► copy, tree      files in and out
//! ```

mod command;
mod copy;
mod escape;
mod exec;
mod greeting;
mod keyboard;
mod keys;
mod process;
mod pump;
mod ready;
mod session;
mod sink;
mod ssh_config;
mod terminal;
mod terminal_mode;
mod tree;
mod unpack;

pub use command::{Command, NulInCommand, quote};
pub use copy::{CopyError, PullLimits, PushFile, Transfer};
pub use exec::{CommandFailed, Exec, ExecError, Finished, Input, Outcome, RunError};
pub use greeting::is_whole_greeting;
pub use keyboard::Keyboard;
pub use keys::{Access, InstanceKeys, KeyError, KeyFiles, KnownAs};
pub use process::{Running, Stream, WaitError};
pub use ready::{AttemptError, ConnectError, Nudge, Patience, Refusal, connect_over, connect_until};
pub use session::{Guest, GuestLost, LossCause};
pub use sink::{Captured, Sink};
pub use ssh_config::{SshConfig, Unquotable};
pub use terminal::{HostTerminal, TerminalError};
pub use terminal_mode::TerminalMode;
pub use unpack::{Skipped, UnpackError, UnpackReport, unpack};
