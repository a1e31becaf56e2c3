//! The few lines of the serial console that decide what becomes of a machine. Everything else in it is evidence for
//! others to read.

/// A longer line is cut: the lines looked for are short.
const LINE_MAX: usize = 4096;
/// Before each line of the guest's own init.
const INIT: &str = "labctl-init: ";

/// Something the console told about the machine itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sighting {
    /// The guest's init reached a stage, at this many microseconds of the guest's uptime.
    Stage { name: String, uptime_us: u64 },
    /// The guest's SSH server ended, and is being started again.
    SshdExited { status: String },
    /// The guest's init gave up.
    InitFailed { stage: String, why: String },
    /// The kernel panicked: what it gave as the reason.
    Panic { reason: String },
    /// The kernel has printed all it has to say about its panic.
    PanicEnd,
}

/// What `line` tells, if it is one of those lines.
pub fn sighting(line: &str) -> Option<Sighting> {
    // `panic()` and `vpanic()` in kernel/panic.c.
    if let Some((_, rest)) = line.split_once("Kernel panic - not syncing: ") {
        return Some(if line.contains("---[ end Kernel panic") {
            Sighting::PanicEnd
        } else {
            Sighting::Panic { reason: shown(rest) }
        });
    }
    // Anywhere in the line: the kernel may have begun one of its own before.
    let rest = line.split_once(INIT)?.1;
    if let Some(rest) = rest.strip_prefix("stage ") {
        let (name, rest) = rest.split_once(' ')?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        return Some(Sighting::Stage {
            name: word(name)?,
            uptime_us: rest[..digits].parse().ok()?,
        });
    }
    if let Some(rest) = rest.strip_prefix("fatal: ") {
        let (stage, why) = rest.split_once(": ")?;
        return Some(Sighting::InitFailed {
            stage: word(stage)?,
            why: shown(why),
        });
    }
    rest.strip_prefix("sshd-exited ")
        .map(|status| Sighting::SshdExited {
            status: shown(status),
        })
}

fn word(text: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (!text.is_empty() && text.len() <= 32 && text.bytes().all(plain)).then(|| text.to_owned())
}

/// Safe to print: a guest may write anything to its console.
fn shown(text: &str) -> String {
    text.trim_end()
        .chars()
        .take(300)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// Cuts a console's bytes into lines as they arrive.
#[derive(Debug, Default)]
pub struct ConsoleSplitter {
    partial: Vec<u8>,
}

impl ConsoleSplitter {
    /// Takes the next bytes and returns the lines they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let room = LINE_MAX.saturating_sub(self.partial.len());
            self.partial.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.partial);
                lines.push(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_the_lines_that_matter_and_no_others() {
        let stage = |name: &str, uptime_us| {
            Some(Sighting::Stage {
                name: name.to_owned(),
                uptime_us,
            })
        };
        for (line, want) in [
            ("labctl-init: stage sshd 1234567", stage("sshd", 1_234_567)),
            // The kernel printed into the line.
            (
                "[    0.9] virtlabctl-init: stage start 99[    1.0] net",
                stage("start", 99),
            ),
            ("labctl-init: stage sshd", None),
            ("labctl-init: stage \u{1b}[2J 5", None),
            ("labctl-init: hello", None),
            ("[    1.000000] Run /init as init process", None),
            (
                "labctl-init: fatal: layers: /dev/vda: no such device",
                Some(Sighting::InitFailed {
                    stage: "layers".to_owned(),
                    why: "/dev/vda: no such device".to_owned(),
                }),
            ),
            (
                "labctl-init: sshd-exited 139",
                Some(Sighting::SshdExited {
                    status: "139".to_owned(),
                }),
            ),
            (
                "[    2.3] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b",
                Some(Sighting::Panic {
                    reason: "Attempted to kill init! exitcode=0x0000000b".to_owned(),
                }),
            ),
            (
                "[    2.4] ---[ end Kernel panic - not syncing: Attempted to kill init! ]---",
                Some(Sighting::PanicEnd),
            ),
        ] {
            assert_eq!(sighting(line), want, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_console_makes_it_panic_or_grow(bytes in prop::collection::vec(any::<u8>(), 0..6000)) {
            let mut splitter = ConsoleSplitter::default();
            for line in splitter.push(&bytes) {
                sighting(&line);
            }
            prop_assert!(splitter.partial.len() <= LINE_MAX);
        }
    }
}
