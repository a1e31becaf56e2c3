//! Who a process is, in a way that survives the reuse of its number: needed to find, after a `kill -9` of
//! labctl, the QEMU that it left behind, and to be sure that it is that one.

use fs_err as fs;
use serde::{Deserialize, Serialize};

/// A process by number and start time (clock ticks since boot, field 22 of `/proc/PID/stat`, proc(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRecord {
    pub pid: u32,
    pub start_ticks: u64,
}

impl ProcessRecord {
    /// The record of a running process, or `None` when there is none of that number.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (state, start_ticks) = parse_stat(&stat)?;
        // A zombie has ended; only its parent has yet to say so.
        (!matches!(state, 'Z' | 'X')).then_some(Self { pid, start_ticks })
    }

    /// Whether this very process still runs.
    pub fn is_alive(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }

    /// Sends SIGKILL to the process group, if this very process still leads it.
    pub fn kill_group(&self) {
        if self.is_alive()
            && let Some(pid) = i32::try_from(self.pid)
                .ok()
                .and_then(rustix::process::Pid::from_raw)
        {
            // It may be gone by now, and then there is nothing left to do.
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
    }
}

fn parse_stat(stat: &str) -> Option<(char, u64)> {
    // The command name is in parentheses and may itself hold spaces and parentheses.
    let rest = &stat[stat.rfind(')')? + 2..];
    let mut fields = rest.split(' ');
    let state = fields.next()?.chars().next()?;
    let start_ticks = fields.nth(18)?.parse().ok()?;
    Some((state, start_ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_command_name_does_not_shift_the_fields() {
        let stat = "7 (a) R 1 (b)) S 1 7 7 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 4242 0 0 0";
        assert_eq!(parse_stat(stat), Some(('S', 4242)));
    }

    #[test]
    fn finds_itself_alive() {
        let me = ProcessRecord::of(std::process::id()).unwrap();
        assert!(me.is_alive());
        assert!(
            !ProcessRecord {
                start_ticks: me.start_ticks + 1,
                ..me
            }
            .is_alive()
        );
    }
}
