//! What has become of a machine, as a pure function of what was observed.
//!
//! ```text
//! Booting ──ready──► Running ──console says panic──► Alarmed
//!    │                  │                               │ shutdown
//!    ├── panic ─────────┼───────────────────────────────┴──► Panicked ──┐
//!    ├── shutdown ──────┴──────────────────────────────────► PoweredOff─┤     PoweredOff ──panic──► Panicked
//!    └── QEMU ended ────────────────────────────────────────────────────┴──► Gone
//! ```
//!
//! Observations come from two sources (QMP and the console) in no fixed order, so that a machine only ever moves to
//! the right, and a panic outranks the power-off that it led to.
//!
//! Until init is ready nobody but the kernel and init writes to the console. After that any program or module of the
//! guest may print `Kernel panic`: those words count once the machine resets, as a panicked one does at once.

use lab_kmsg::scan::Event as Sighting;

use super::process::Exit;
use super::wire::QmpEvent;

/// The stage after which the guest's init has nothing left to do.
const LAST_STAGE: &str = "ready";

/// Something that happened to a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    Sighted(Sighting),
    Qmp(QmpEvent),
    Exited(Exit),
}

/// Why the guest's software gave up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PanicInfo {
    Kernel {
        reason: String,
    },
    /// The guest's init, in this stage.
    Init {
        stage: String,
        why: String,
    },
    /// The guest reported it to a device; its console has not said more yet.
    Reported,
}

/// Who ended the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerCause {
    /// The guest powered off.
    Guest,
    /// The guest rebooted, which ends it as well.
    GuestReset,
    /// It was told to, by us or by a signal.
    Host,
}

/// The state of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunState {
    Booting,
    Running,
    /// Its console tells of a panic, and nothing else does yet.
    Alarmed(PanicInfo),
    PoweredOff(PowerCause),
    Panicked(PanicInfo),
    /// QEMU has ended; what is known of why.
    Gone {
        exit: Exit,
        panic: Option<PanicInfo>,
        power: Option<PowerCause>,
    },
}

/// A stage of the guest's boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageMark {
    pub name: String,
    /// The guest's uptime at that moment, in microseconds.
    pub uptime_us: u64,
}

impl RunState {
    /// The state after `seen`.
    #[must_use]
    pub fn next(self, seen: &Observation) -> Self {
        match (self, seen) {
            (gone @ Self::Gone { .. }, _) => gone,
            (state, Observation::Exited(exit)) => state.gone(*exit),
            (state, Observation::Sighted(sighting)) => state.sighted(sighting),
            (state, Observation::Qmp(event)) => state.reported(event),
        }
    }

    fn gone(self, exit: Exit) -> Self {
        let (panic, power) = match self {
            Self::Panicked(panic) | Self::Alarmed(panic) => (Some(panic), None),
            Self::PoweredOff(power) => (None, Some(power)),
            _ => (None, None),
        };
        Self::Gone { exit, panic, power }
    }

    fn sighted(self, sighting: &Sighting) -> Self {
        let panic = match sighting {
            Sighting::Panic { reason, .. } => PanicInfo::Kernel {
                reason: reason.clone(),
            },
            Sighting::Fatal { stage, why } => PanicInfo::Init {
                stage: stage.clone(),
                why: why.clone(),
            },
            Sighting::Stage { name, .. } if name == LAST_STAGE && self == Self::Booting => {
                return Self::Running;
            }
            _ => return self,
        };
        match self {
            Self::Panicked(known) if known != PanicInfo::Reported => Self::Panicked(known),
            Self::Running => Self::Alarmed(panic),
            Self::Alarmed(first) => Self::Alarmed(first),
            _ => Self::Panicked(panic),
        }
    }

    fn reported(self, event: &QmpEvent) -> Self {
        match (self, event) {
            (Self::Panicked(known), _) => Self::Panicked(known),
            (Self::Alarmed(panic), QmpEvent::GuestPanicked | QmpEvent::Shutdown { .. }) => {
                Self::Panicked(panic)
            }
            (_, QmpEvent::GuestPanicked) => Self::Panicked(PanicInfo::Reported),
            (Self::Booting | Self::Running, QmpEvent::Shutdown { by_guest, reset }) => {
                Self::PoweredOff(match (by_guest, reset) {
                    (false, _) => PowerCause::Host,
                    (true, true) => PowerCause::GuestReset,
                    (true, false) => PowerCause::Guest,
                })
            }
            (state, _) => state,
        }
    }

    /// Whether nothing more is to be expected of the guest.
    pub fn is_over(&self) -> bool {
        !matches!(self, Self::Booting | Self::Running | Self::Alarmed(_))
    }

    pub fn panic(&self) -> Option<&PanicInfo> {
        match self {
            Self::Panicked(panic) => Some(panic),
            Self::Gone { panic, .. } => panic.as_ref(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stage(name: &str) -> Observation {
        Observation::Sighted(Sighting::Stage {
            name: name.to_owned(),
            uptime_us: 1,
        })
    }

    fn panic(reason: &str) -> Observation {
        Observation::Sighted(Sighting::Panic {
            kind: lab_kmsg::SplatKind::Panic,
            reason: reason.to_owned(),
        })
    }

    fn shutdown(by_guest: bool, reset: bool) -> Observation {
        Observation::Qmp(QmpEvent::Shutdown { by_guest, reset })
    }

    fn run(seen: &[Observation]) -> RunState {
        seen.iter().fold(RunState::Booting, |state, one| state.next(one))
    }

    #[test]
    fn every_story_ends_as_it_should() {
        let exited = Observation::Exited(Exit::Code(0));
        let kernel = |reason: &str| PanicInfo::Kernel {
            reason: reason.to_owned(),
        };
        let gone = |panic, power| RunState::Gone {
            exit: Exit::Code(0),
            panic,
            power,
        };
        for (seen, want) in [
            (vec![], RunState::Booting),
            (vec![stage("sshd")], RunState::Booting),
            (vec![stage("ready")], RunState::Running),
            (vec![panic("a"), panic("b")], RunState::Panicked(kernel("a"))),
            // Anybody can print these words; a kernel that means them resets.
            (
                vec![stage("ready"), panic("a"), panic("b")],
                RunState::Alarmed(kernel("a")),
            ),
            (
                vec![stage("ready"), panic("a"), panic("b"), shutdown(true, true)],
                RunState::Panicked(kernel("a")),
            ),
            // A panic with `panic=-1` reboots at once, and QMP may say so before the console was read.
            (
                vec![shutdown(true, true), panic("a"), exited.clone()],
                gone(Some(kernel("a")), None),
            ),
            (
                vec![Observation::Qmp(QmpEvent::GuestPanicked), panic("a")],
                RunState::Panicked(kernel("a")),
            ),
            (
                vec![shutdown(true, false), stage("ready")],
                RunState::PoweredOff(PowerCause::Guest),
            ),
            (
                vec![shutdown(false, false), exited.clone()],
                gone(None, Some(PowerCause::Host)),
            ),
            (
                vec![exited.clone(), panic("late"), stage("ready")],
                gone(None, None),
            ),
        ] {
            assert_eq!(run(&seen), want, "{seen:?}");
        }
    }

    fn observation() -> impl Strategy<Value = Observation> {
        prop_oneof![
            prop_oneof![Just("start"), Just("sshd"), Just("ready")].prop_map(stage),
            prop_oneof![Just("a"), Just("b")].prop_map(panic),
            (any::<bool>(), any::<bool>()).prop_map(|(guest, reset)| shutdown(guest, reset)),
            Just(Observation::Qmp(QmpEvent::GuestPanicked)),
            Just(Observation::Qmp(QmpEvent::Stopped)),
            Just(Observation::Sighted(Sighting::PanicEnd)),
            (0..3).prop_map(|code| Observation::Exited(Exit::Code(code))),
        ]
    }

    fn rank(state: &RunState) -> u8 {
        match state {
            RunState::Booting => 0,
            RunState::Running => 1,
            RunState::Alarmed(_) => 2,
            RunState::PoweredOff(_) => 3,
            RunState::Panicked(_) => 4,
            RunState::Gone { .. } => 5,
        }
    }

    proptest! {
        #[test]
        fn it_never_moves_back(seen in prop::collection::vec(observation(), 0..20)) {
            let mut state = RunState::Booting;
            for one in &seen {
                let next = state.clone().next(one);
                prop_assert!(rank(&next) >= rank(&state), "{:?} -> {:?}", state, next);
                state = next;
            }
        }

        #[test]
        fn a_panic_before_the_end_is_never_forgotten(
            before in prop::collection::vec(observation(), 0..10),
            after in prop::collection::vec(observation(), 0..10),
        ) {
            let lives = before.iter().all(|one| !matches!(one, Observation::Exited(_)));
            let end = Observation::Exited(Exit::Code(0));
            let all: Vec<_> = before.into_iter().chain([panic("a")]).chain(after).chain([end]).collect();
            prop_assert!(!lives || run(&all).panic().is_some());
        }
    }
}
