//! Why a host does not let an ordinary user make a sandbox, told apart so that each can be answered with its fix.

use std::fmt;

use fs_err as fs;

/// What was read from the host. Kept apart from the judgement, so that every case can be tested anywhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostFacts {
    pub is_root: bool,
    /// `kernel.apparmor_restrict_unprivileged_userns` (Ubuntu 23.10 and later).
    pub apparmor_restricts: bool,
    /// `kernel.unprivileged_userns_clone` is there and 0 (Debian's own switch).
    pub userns_clone_off: bool,
    /// `user.max_user_namespaces` is 0.
    pub max_namespaces_zero: bool,
    /// A container's mark was found (`/.dockerenv`, `/run/.containerenv`, `/run/systemd/container`).
    pub in_container: bool,
}

impl HostFacts {
    /// Reads this host's switches; what cannot be read counts as not set.
    pub fn read() -> Self {
        let sysctl = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
        let is = |path: &str, value: &str| sysctl(path).as_deref() == Some(value);
        Self {
            is_root: rustix::process::geteuid().is_root(),
            apparmor_restricts: is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"),
            userns_clone_off: is("/proc/sys/kernel/unprivileged_userns_clone", "0"),
            max_namespaces_zero: is("/proc/sys/user/max_user_namespaces", "0"),
            in_container: ["/.dockerenv", "/run/.containerenv", "/run/systemd/container"]
                .iter()
                .any(|mark| fs::symlink_metadata(mark).is_ok()),
        }
    }
}

/// What forbids the sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    AppArmor,
    UsernsCloneOff,
    MaxNamespacesZero,
    Container { message: String },
    Unknown { message: String },
}

impl Obstacle {
    /// Judges bubblewrap's complaint in the light of the host's switches. `None` when the complaint is not about
    /// permissions at all.
    pub fn diagnose(facts: &HostFacts, message: &str) -> Option<Self> {
        const PERMISSION: [&str; 6] = [
            "No permissions to creat",
            "Operation not permitted",
            "Permission denied",
            "No space left on device",
            "user namespaces are not",
            "doesn't allow unprivileged",
        ];
        if !PERMISSION.iter().any(|part| message.contains(part)) {
            return None;
        }
        // ENOSPC from clone(2) means that `user.max_user_namespaces` is exhausted, and binds root as well.
        if facts.max_namespaces_zero {
            return Some(Self::MaxNamespacesZero);
        }
        if !facts.is_root && facts.userns_clone_off {
            return Some(Self::UsernsCloneOff);
        }
        if !facts.is_root && facts.apparmor_restricts {
            return Some(Self::AppArmor);
        }
        let message = message.trim().to_owned();
        if facts.in_container {
            return Some(Self::Container { message });
        }
        Some(Self::Unknown { message })
    }

    /// What to do, as commands where commands can do it.
    pub fn fix(&self) -> String {
        match self {
            Self::AppArmor => "allow bubblewrap in AppArmor: sudo tee /etc/apparmor.d/bwrap <<<'abi <abi/4.0>, include \
                               <tunables/global> profile bwrap /usr/bin/bwrap flags=(unconfined) { userns, }' && sudo \
                               apparmor_parser -r /etc/apparmor.d/bwrap; or for all programs, until the next boot: \
                               sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
                .to_owned(),
            Self::UsernsCloneOff => "sudo sysctl -w kernel.unprivileged_userns_clone=1 (to keep it: echo \
                                     kernel.unprivileged_userns_clone=1 | sudo tee /etc/sysctl.d/60-userns.conf)"
                .to_owned(),
            Self::MaxNamespacesZero => "sudo sysctl -w user.max_user_namespaces=15000 (to keep it: echo \
                                        user.max_user_namespaces=15000 | sudo tee /etc/sysctl.d/60-userns.conf)"
                .to_owned(),
            Self::Container { .. } => "let the container make namespaces: docker run --security-opt seccomp=unconfined \
                                       --security-opt apparmor=unconfined --security-opt systempaths=unconfined …; or \
                                       run labctl on the host itself"
                .to_owned(),
            Self::Unknown { .. } => "run `bwrap --unshare-all --ro-bind / / true` to see the complaint alone, and allow \
                                     unprivileged user namespaces on this host"
                .to_owned(),
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AppArmor => f.write_str(
                "AppArmor forbids unprivileged user namespaces on this host \
                 (kernel.apparmor_restrict_unprivileged_userns=1)",
            ),
            Self::UsernsCloneOff => f.write_str(
                "unprivileged user namespaces are switched off (kernel.unprivileged_userns_clone=0)",
            ),
            Self::MaxNamespacesZero => {
                f.write_str("user namespaces are switched off (user.max_user_namespaces=0)")
            }
            Self::Container { message } => {
                write!(
                    f,
                    "the container that labctl runs in forbids nested namespaces: {message}"
                )
            }
            Self::Unknown { message } => write!(f, "this host forbids the sandbox: {message}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(facts: HostFacts, message: &str, expected: Option<Obstacle>) {
        let got = Obstacle::diagnose(&facts, message);
        assert_eq!(got, expected, "{facts:?} {message}");
        assert!(got.is_none_or(|obstacle| !obstacle.fix().is_empty()));
    }

    #[test]
    fn each_switch_is_named() {
        let user = HostFacts::default;
        let uid_map = "bwrap: setting up uid map: Permission denied";
        let clone = "bwrap: No permissions to creating new namespace, likely because the kernel does not allow \
                     non-privileged user namespaces.";
        check(
            HostFacts {
                apparmor_restricts: true,
                ..user()
            },
            uid_map,
            Some(Obstacle::AppArmor),
        );
        check(
            HostFacts {
                userns_clone_off: true,
                ..user()
            },
            clone,
            Some(Obstacle::UsernsCloneOff),
        );
        let enospc = "bwrap: Creating new namespace failed: nesting depth or /proc/sys/user/max_*_namespaces exceeded \
                      (ENOSPC): No space left on device";
        check(
            HostFacts {
                max_namespaces_zero: true,
                is_root: true,
                ..user()
            },
            enospc,
            Some(Obstacle::MaxNamespacesZero),
        );
    }

    #[test]
    fn a_container_is_told_from_a_host() {
        let message = "bwrap: Can't mount proc on /newroot/proc: Operation not permitted";
        let container = Obstacle::Container {
            message: message.to_owned(),
        };
        check(
            HostFacts {
                in_container: true,
                is_root: true,
                ..HostFacts::default()
            },
            message,
            Some(container),
        );
        let unknown = Obstacle::Unknown {
            message: message.to_owned(),
        };
        check(
            HostFacts {
                is_root: true,
                ..HostFacts::default()
            },
            message,
            Some(unknown),
        );
    }

    #[test]
    fn root_is_not_sent_to_switches_that_do_not_bind_it() {
        let facts = HostFacts {
            is_root: true,
            apparmor_restricts: true,
            ..HostFacts::default()
        };
        let message = "bwrap: Creating new namespace failed: Operation not permitted".to_owned();
        check(
            facts,
            &message,
            Some(Obstacle::Unknown {
                message: message.clone(),
            }),
        );
    }

    #[test]
    fn another_complaint_is_not_an_obstacle() {
        check(
            HostFacts::default(),
            "bwrap: Can't find source path /x: No such file or directory",
            None,
        );
    }
}
