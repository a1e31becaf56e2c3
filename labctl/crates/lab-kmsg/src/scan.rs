//! A console watched while a machine boots.
//!
//! The machine's init announces its stages on the console (`labctl-init: stage NAME MICROSECONDS`); the kernel announces
//! its own end. [`ConsoleScanner`] takes the bytes as they come, in pieces of any size.

use crate::console::Splitter;
use crate::line::{LogLine, Origin};
use crate::sanitize;
use crate::splat::{self, Severity, SplatKind};
use crate::text::decimal;

/// How much of a guest's words is repeated.
const WORDS_MAX: usize = 400;

/// Something that whoever waits for the machine wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The kernel has begun to talk. A second one is a reboot.
    Kernel { release: String },
    /// Init has finished a stage, so many microseconds after boot.
    Stage { name: String, uptime_us: u64 },
    /// Init cannot go on and powers the machine off.
    Fatal { stage: String, why: String },
    /// The SSH server ended and is started again.
    SshdExited { status: String },
    /// Kernel code died. A panic may follow.
    Oops { kind: SplatKind, title: String },
    /// The machine is lost.
    Panic { kind: SplatKind, reason: String },
    /// The kernel has said all it has to say about its panic.
    PanicEnd,
    /// The kernel has trouble with the initramfs or its `/init`. A panic may follow.
    BootTrouble { title: String },
}

/// Finds [`Event`]s in a console.
#[derive(Clone, Debug, Default)]
pub struct ConsoleScanner {
    splitter: Splitter,
    timed: bool,
    /// An oops has been reported whose `Oops: … [#1]` line is still to come.
    announced: bool,
}

impl ConsoleScanner {
    /// Takes the next bytes, returns what the lines that they complete say.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Event> {
        let lines = self.splitter.push(bytes);
        lines.iter().filter_map(|line| self.event(line)).collect()
    }

    /// What an unfinished last line says, when nothing more will come.
    pub fn finish(&mut self) -> Vec<Event> {
        let lines = self.splitter.finish();
        lines.iter().filter_map(|line| self.event(line)).collect()
    }

    fn event(&mut self, line: &LogLine) -> Option<Event> {
        self.timed |= line.origin == Origin::Console;
        // Init writes to the console itself, so its lines have no time stamp; the kernel's have one, unless the kernel
        // was told otherwise. Neither can speak with the other's voice.
        match line.origin {
            Origin::Untimed => {
                init_event(line).or_else(|| if self.timed { None } else { self.kernel_event(line) })
            }
            _ => self.kernel_event(line),
        }
    }

    fn kernel_event(&mut self, line: &LogLine) -> Option<Event> {
        if let Some(rest) = line.text.strip_prefix("Linux version ") {
            let release = rest.split(' ').next().unwrap_or_default();
            return Some(Event::Kernel {
                release: shown(release),
            });
        }
        if line.text.starts_with("---[ end Kernel panic") {
            return Some(Event::PanicEnd);
        }
        let opening = splat::opening(&line.text)?;
        if opening.goes_on() && std::mem::take(&mut self.announced) {
            return None;
        }
        let kind = opening.kind;
        let title = shown(&line.text);
        match kind.severity() {
            Severity::Panic => {
                let reason = title
                    .strip_prefix("Kernel panic - not syncing: ")
                    .unwrap_or(&title);
                Some(Event::Panic {
                    kind,
                    reason: reason.to_owned(),
                })
            }
            Severity::Oops => {
                self.announced = kind.is_announced();
                Some(Event::Oops { kind, title })
            }
            _ if kind == SplatKind::BootTrouble => Some(Event::BootTrouble { title }),
            _ => None,
        }
    }
}

fn init_event(line: &LogLine) -> Option<Event> {
    let says = line.text.strip_prefix("labctl-init: ")?;
    if let Some(stage) = says.strip_prefix("stage ") {
        // A torn number would be a wrong one.
        let (name, uptime) = stage.split_once(' ')?;
        let uptime_us = decimal(uptime).filter(|_| !line.torn)?;
        return is_stage_name(name).then(|| Event::Stage {
            name: name.to_owned(),
            uptime_us,
        });
    }
    if let Some(status) = says.strip_prefix("sshd-exited ") {
        return Some(Event::SshdExited {
            status: shown(status),
        });
    }
    let (stage, why) = says.strip_prefix("fatal: ")?.split_once(": ")?;
    is_stage_name(stage).then(|| Event::Fatal {
        stage: stage.to_owned(),
        why: shown(why),
    })
}

fn shown(text: &str) -> String {
    sanitize::line(text, WORDS_MAX)
}

fn is_stage_name(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOOT: &[u8] =
        b"\x1b[2JSeaBIOS\r\nBooting from ROM..[    0.000000] Linux version 6.12.107-lab (x@y) #1\r\n\
        [    0.900000] Run /init as init process\r\n\
        labctl-init: stage start 910000\r\n\
        labctl-init: stage mou[    0.920000] virtio_blk virtio1: [vda]\r\nnts 925000\r\n\
        [    0.930000] Initramfs unpacking failed: junk\r\n\
        labctl-init: fatal: layers: cannot mount `/dev/vda`: EIO\r\n\
        labctl-init: sshd-exited 127\r\n\
        [    1.000000] BUG: kernel NULL pointer dereference, address: 0000000000000000\r\n\
        [    1.000050] Oops: Oops: 0002 [#1] PREEMPT SMP NOPTI\r\n\
        [    1.000100] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100\r\n\
        [    1.000200] ---[ end Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100 ]---\r\n";

    fn expected() -> Vec<Event> {
        vec![
            Event::Kernel {
                release: "6.12.107-lab".into(),
            },
            Event::Stage {
                name: "start".into(),
                uptime_us: 910_000,
            },
            Event::Stage {
                name: "mounts".into(),
                uptime_us: 925_000,
            },
            Event::BootTrouble {
                title: "Initramfs unpacking failed: junk".into(),
            },
            Event::Fatal {
                stage: "layers".into(),
                why: "cannot mount `/dev/vda`: EIO".into(),
            },
            Event::SshdExited { status: "127".into() },
            Event::Oops {
                kind: SplatKind::NullDereference,
                title: "BUG: kernel NULL pointer dereference, address: 0000000000000000".into(),
            },
            Event::Panic {
                kind: SplatKind::BootFailure,
                reason: "Attempted to kill init! exitcode=0x00000100".into(),
            },
            Event::PanicEnd,
        ]
    }

    #[test]
    fn a_boot_is_followed_to_its_end() {
        assert_eq!(ConsoleScanner::default().push(BOOT), expected());
    }

    #[test]
    fn a_panic_without_its_line_end_still_counts() {
        let mut scanner = ConsoleScanner::default();
        assert!(
            scanner
                .push(b"[    1.000000] Kernel panic - not syncing: VFS: Unable")
                .is_empty()
        );
        assert_eq!(scanner.finish().len(), 1);
    }

    #[test]
    fn a_stage_without_its_line_end_does_not() {
        let mut scanner = ConsoleScanner::default();
        assert!(scanner.push(b"labctl-init: stage ready 12").is_empty());
        assert!(scanner.finish().is_empty());
    }

    #[test]
    fn the_kernel_cannot_speak_for_init_nor_a_program_for_the_kernel() {
        let mut scanner = ConsoleScanner::default();
        let forged = b"[    1.000000] labctl-init: stage ready 1\r\nKernel panic - not syncing: hi\r\n\
            hello labctl-init: stage ready 1\r\nlabctl-init: stage re ady 1\r\nlabctl-init: stage ready -1\r\n";
        assert!(scanner.push(forged).is_empty());
    }

    proptest! {
        #[test]
        fn chunks_make_no_difference(mut cuts in prop::collection::vec(0usize..BOOT.len(), 0..12)) {
            cuts.extend([0, BOOT.len()]);
            cuts.sort_unstable();
            let mut scanner = ConsoleScanner::default();
            let mut events = Vec::new();
            for pair in cuts.windows(2) {
                events.extend(scanner.push(&BOOT[pair[0]..pair[1]]));
            }
            events.extend(scanner.finish());
            prop_assert_eq!(events, expected());
        }

        #[test]
        fn arbitrary_bytes_do_no_harm(input: Vec<u8>) {
            let mut scanner = ConsoleScanner::default();
            let mut events = scanner.push(&input);
            events.extend(scanner.finish());
            prop_assert!(events.len() <= input.len());
        }
    }
}
