//! QMP on the wire: lines of JSON, in both directions. No input or output here.
//!
//! The types of commands, answers and events are qapi's. Its stream is not used: one event that its schema does not
//! know (a newer QEMU's) ends that for good, and so does a command whose future is dropped.

use qapi::qmp::{Event, QapiCapabilities, ShutdownCause};
use qapi::{Any, Command, Execute};

use super::qemu::Version;

/// A line longer than this is no QMP of ours: QEMU's longest answer to what is asked here has a few kilobytes.
const LINE_MAX: usize = 4 << 20;

/// What QEMU reports by itself, as far as a machine's state depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QmpEvent {
    /// The machine is ending.
    Shutdown {
        by_guest: bool,
        reset: bool,
    },
    /// A panic that the guest itself reported to a device (pvpanic).
    GuestPanicked,
    Stopped,
    Resumed,
    /// The guest has closed the virtio port behind the device.
    PortClosed {
        device: String,
    },
    /// Any other, known or not.
    Other(String),
}

/// One message from QEMU.
#[derive(Debug)]
pub(super) enum Incoming {
    Greeting(Version),
    Reply {
        id: u64,
        result: Result<Any, qapi::Error>,
    },
    Event(QmpEvent),
    /// Not understood. Never a reason to stop listening.
    Noise,
}

/// Encodes `command` under `id`, with the newline.
pub(super) fn encode<C: Command>(command: C, id: u64) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(&Execute::with_id(command, id))?;
    line.push(b'\n');
    Ok(line)
}

/// Understands one line.
pub(super) fn decode(line: &[u8]) -> Incoming {
    let Ok(value) = serde_json::from_slice::<Any>(line) else {
        return Incoming::Noise;
    };
    if value.get("QMP").is_some() {
        return serde_json::from_value::<QapiCapabilities>(value).map_or(Incoming::Noise, |greeting| {
            let qemu = greeting.QMP.version.qemu;
            let part = |number: i64| u32::try_from(number).unwrap_or(0);
            Incoming::Greeting(Version {
                major: part(qemu.major),
                minor: part(qemu.minor),
                micro: part(qemu.micro),
            })
        });
    }
    if let Some(name) = value.get("event").and_then(Any::as_str) {
        let name = name.to_owned();
        return Incoming::Event(event(name, value));
    }
    let Some(id) = value.get("id").and_then(Any::as_u64) else {
        return Incoming::Noise;
    };
    match serde_json::from_value::<qapi_response::Reply>(value) {
        Ok(reply) => Incoming::Reply {
            id,
            result: reply.result(),
        },
        Err(_) => Incoming::Noise,
    }
}

/// qapi has the shape of a reply (`qapi_spec::Response`) but does not export it.
mod qapi_response {
    use qapi::{Any, ErrorClass};
    use serde::Deserialize;

    #[derive(Deserialize)]
    pub(super) struct Reply {
        #[serde(rename = "return")]
        value: Option<Any>,
        error: Option<Refusal>,
    }

    #[derive(Deserialize)]
    struct Refusal {
        class: ErrorClass,
        desc: String,
    }

    impl Reply {
        pub(super) fn result(self) -> Result<Any, qapi::Error> {
            match self.error {
                Some(Refusal { class, desc }) => Err(qapi::Error {
                    class,
                    desc,
                    id: None,
                }),
                None => Ok(self.value.unwrap_or_default()),
            }
        }
    }
}

fn event(name: String, value: Any) -> QmpEvent {
    match serde_json::from_value::<Event>(value) {
        Ok(Event::SHUTDOWN { data, .. }) => QmpEvent::Shutdown {
            by_guest: data.guest,
            reset: data.reason == ShutdownCause::guest_reset,
        },
        Ok(Event::GUEST_PANICKED { .. }) => QmpEvent::GuestPanicked,
        Ok(Event::STOP { .. }) => QmpEvent::Stopped,
        Ok(Event::RESUME { .. }) => QmpEvent::Resumed,
        Ok(Event::VSERPORT_CHANGE { data, .. }) if !data.open => QmpEvent::PortClosed { device: data.id },
        _ => QmpEvent::Other(name),
    }
}

/// Cuts a stream of bytes into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pending: Vec<u8>,
    scanned: usize,
}

impl Lines {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The next whole line, without its end. A line beyond the limit is dropped as it grows.
    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        let found = self.pending[self.scanned..]
            .iter()
            .position(|&byte| byte == b'\n');
        let Some(offset) = found else {
            self.scanned = self.pending.len();
            if self.scanned > LINE_MAX {
                self.pending.clear();
                self.scanned = 0;
            }
            return None;
        };
        let rest = self.pending.split_off(self.scanned + offset + 1);
        let mut line = std::mem::replace(&mut self.pending, rest);
        self.scanned = 0;
        while line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
            line.pop();
        }
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn understands_what_qemu_says() {
        let greeting = br#"{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian"}, "capabilities": ["oob", "x"]}}"#;
        assert!(matches!(decode(greeting), Incoming::Greeting(v) if v.to_string() == "7.2.22"));
        let reply = decode(br#"{"return": {"enabled": false, "present": true}, "id": 3}"#);
        assert!(matches!(reply, Incoming::Reply { id: 3, result: Ok(value) } if value["present"] == true));
        let refusal = decode(br#"{"id": 4, "error": {"class": "CommandNotFound", "desc": "no"}}"#);
        assert!(matches!(refusal, Incoming::Reply { id: 4, result: Err(error) } if error.desc == "no"));
    }

    #[test]
    fn a_shutdown_says_who_did_it() {
        let line = br#"{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-reset"}}"#;
        let want = QmpEvent::Shutdown {
            by_guest: true,
            reset: true,
        };
        assert!(matches!(decode(line), Incoming::Event(event) if event == want));
    }

    #[test]
    fn an_event_of_a_later_qemu_is_only_another_event() {
        let line = br#"{"event": "FROM_THE_FUTURE", "data": {"x": [1]}}"#;
        assert!(matches!(decode(line), Incoming::Event(QmpEvent::Other(name)) if name == "FROM_THE_FUTURE"));
    }

    #[test]
    fn a_port_that_the_guest_closes_is_told_by_its_device() {
        let change = |open: bool| {
            let time = r#""timestamp":{"seconds":1,"microseconds":2}"#;
            format!(r#"{{"event":"VSERPORT_CHANGE","data":{{"id":"ssh0","open":{open}}},{time}}}"#)
        };
        assert!(matches!(
            decode(change(false).as_bytes()),
            Incoming::Event(QmpEvent::PortClosed { device }) if device == "ssh0"
        ));
        assert!(matches!(
            decode(change(true).as_bytes()),
            Incoming::Event(QmpEvent::Other(_))
        ));
    }

    #[test]
    fn a_command_carries_its_name_and_id() {
        let line = encode(qapi::qmp::query_status {}, 7).unwrap();
        let value: Any = serde_json::from_slice(&line).unwrap();
        assert_eq!(value["execute"], "query-status");
        assert_eq!(value["id"], 7);
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_how_the_bytes_arrive(
            lines in prop::collection::vec("[a-z]{0,9}", 0..8),
            cuts in prop::collection::vec(1usize..7, 1..40),
        ) {
            let stream: Vec<u8> = lines.iter().flat_map(|line| format!("{line}\r\n").into_bytes()).collect();
            let mut splitter = Lines::default();
            let mut got = Vec::new();
            let mut rest = &stream[..];
            let mut cuts = cuts.into_iter().cycle();
            while !rest.is_empty() {
                let (head, tail) = rest.split_at(cuts.next().unwrap().min(rest.len()));
                splitter.push(head);
                got.extend(std::iter::from_fn(|| splitter.next()));
                rest = tail;
            }
            let want: Vec<Vec<u8>> = lines.into_iter().map(String::into_bytes).collect();
            prop_assert_eq!(got, want);
        }

        #[test]
        fn no_line_makes_it_panic(line in prop::collection::vec(any::<u8>(), 0..200)) {
            decode(&line);
        }
    }
}
