//! The guest's network: the loopback, and the one ethernet device behind which QEMU's user network lives.
//! The addresses are that network's defaults (QEMU's documentation, "Using the user mode network stack"); they
//! never change, so nobody needs to be asked for them.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

use crate::netlink::{Request, acknowledged};
use crate::notify::{self, About, NotifyError};

const DEVICES: &str = "/sys/class/net";
const LOOPBACK: &str = "lo";
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
const PREFIX: u8 = 24;
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
/// `ARPHRD_ETHER` of `include/uapi/linux/if_arp.h`.
const ETHERNET: u32 = 1;
/// A device that the kernel has not shown by then is not attached or has no driver; a link that is not up by
/// then will not come up.
const DEADLINE: Duration = Duration::from_secs(10);

/// The network could not be brought up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NetError {
    /// sysfs does not say which devices there are.
    #[error("cannot read `{DEVICES}`")]
    Devices(#[source] io::Error),
    /// The kernel's device messages cannot be had.
    #[error("cannot wait for the ethernet device")]
    Wait(#[from] NotifyError),
    /// The device stays without a link.
    #[error("the ethernet device has no link")]
    NoLink,
    /// No ethernet device appeared.
    #[error("no ethernet device")]
    NoDevice,
    /// The routing socket cannot be opened.
    #[error("cannot talk to the kernel's routing")]
    Socket(#[source] Errno),
    /// A request could not be sent or its answer not be read.
    #[error("cannot {what}")]
    Exchange {
        /// What was asked for.
        what: &'static str,
        #[source]
        source: io::Error,
    },
    /// The kernel refused a request.
    #[error("cannot {what}")]
    Refused {
        /// What was asked for.
        what: &'static str,
        #[source]
        source: Errno,
    },
}

/// Brings the loopback and the ethernet device up.
pub(crate) fn up() -> Result<(), NetError> {
    let mut routing = Routing::open()?;
    let devices = Path::new(DEVICES);
    let loopback = read_number(&devices.join(LOOPBACK).join("ifindex")).map_err(NetError::Devices)?;
    routing.ask("set the loopback up", &Request::link_up(loopback))?;

    if !notify::wait_until(About::Devices, DEADLINE, || {
        first_ethernet(devices).is_ok_and(|d| d.is_some())
    })? {
        return Err(NetError::NoDevice);
    }
    let ethernet = first_ethernet(devices)
        .map_err(NetError::Devices)?
        .ok_or(NetError::NoDevice)?;
    routing.ask(
        "give the ethernet device its address",
        &Request::address(ethernet.index, ADDRESS, PREFIX),
    )?;
    routing.ask("set the ethernet device up", &Request::link_up(ethernet.index))?;
    routing.ask(
        "set the default route",
        &Request::default_route(ethernet.index, GATEWAY),
    )?;

    // The kernel starts to send a moment after the device is up. What is answered before is lost, and the host's
    // side repeats a lost connection request only after seconds.
    if !notify::wait_until(About::Links, DEADLINE, || is_operational(&ethernet.at))? {
        return Err(NetError::NoLink);
    }
    Ok(())
}

/// A network device as sysfs shows it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Device {
    index: u32,
    at: PathBuf,
}

/// The ethernet device that the kernel found first. Devices without hardware behind them, such as `dummy0`,
/// call themselves ethernet too.
fn first_ethernet(devices: &Path) -> io::Result<Option<Device>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(devices)? {
        let at = entry?.path();
        if at.join("device").exists() && read_number(&at.join("type"))? == ETHERNET {
            found.push(Device {
                index: read_number(&at.join("ifindex"))?,
                at,
            });
        }
    }
    Ok(found.into_iter().min())
}

/// Whether the device can send (RFC 2863; `unknown` is a driver that does not watch its link).
fn is_operational(device: &Path) -> bool {
    let state = fs::read_to_string(device.join("operstate"));
    state.is_ok_and(|state| matches!(state.trim(), "up" | "unknown"))
}

fn read_number(path: &Path) -> io::Result<u32> {
    let text = fs::read_to_string(path)?;
    text.trim()
        .parse()
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, path.display().to_string()))
}

/// The kernel's routing socket. Unconnected, it talks to the kernel.
struct Routing(File);

impl Routing {
    fn open() -> Result<Self, NetError> {
        let (family, protocol) = (AddressFamily::Netlink, SockProtocol::NetlinkRoute);
        let fd = socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol).map_err(NetError::Socket)?;
        Ok(Self(File::from(fd)))
    }

    fn ask(&mut self, what: &'static str, request: &Request) -> Result<(), NetError> {
        let exchange = |source| NetError::Exchange { what, source };
        self.0.write_all(&request.bytes()).map_err(exchange)?;
        let mut answer = [0; 4096];
        loop {
            let bytes = self.0.read(&mut answer).map_err(exchange)?;
            match acknowledged(&answer[..bytes]) {
                // Already so: a start is allowed to find the network up (the kernel's `ip=`).
                Some(Ok(()) | Err(Errno::EEXIST)) => return Ok(()),
                Some(Err(source)) => return Err(NetError::Refused { what, source }),
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(root: &Path, name: &str, index: u32, kind: u32, is_hardware: bool) {
        let device = root.join(name);
        fs::create_dir_all(&device).unwrap();
        fs::write(device.join("ifindex"), format!("{index}\n")).unwrap();
        fs::write(device.join("type"), format!("{kind}\n")).unwrap();
        if is_hardware {
            fs::create_dir(device.join("device")).unwrap();
        }
    }

    #[test]
    fn the_first_ethernet_device_with_hardware_is_taken() {
        let root = tempfile::tempdir().unwrap();
        add(root.path(), "lo", 1, 772, false);
        add(root.path(), "dummy0", 2, 1, false);
        add(root.path(), "eth1", 4, 1, true);
        add(root.path(), "eth0", 3, 1, true);
        let expected = Device {
            index: 3,
            at: root.path().join("eth0"),
        };
        assert_eq!(first_ethernet(root.path()).unwrap(), Some(expected));
    }

    #[test]
    fn a_machine_without_one_has_none() {
        let root = tempfile::tempdir().unwrap();
        add(root.path(), "lo", 1, 772, false);
        assert_eq!(first_ethernet(root.path()).unwrap(), None);
    }

    #[test]
    fn a_link_is_operational_when_it_is_up_or_not_watched() {
        let root = tempfile::tempdir().unwrap();
        for (state, expected) in [
            ("up", true),
            ("unknown", true),
            ("down", false),
            ("lowerlayerdown", false),
            ("dormant", false),
        ] {
            fs::write(root.path().join("operstate"), format!("{state}\n")).unwrap();
            assert_eq!(is_operational(root.path()), expected, "{state}");
        }
        assert!(!is_operational(&root.path().join("missing")));
    }
}
