//! Virtio ports by name. udev would make links of their names; the guest has none.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::notify::{self, About};

const PORTS: &str = "/sys/class/virtio-ports";

/// The device of the port `name`, once it is there; `None` when it has not come within `patience`: a guest without it is
/// allowed.
pub(crate) fn find(name: &str, patience: Duration) -> io::Result<Option<PathBuf>> {
    let look = || {
        device_of_port(Path::new(PORTS), name)
            .ok()
            .flatten()
            .filter(|device| device.exists())
    };
    let appeared =
        notify::wait_until(About::Devices, patience, || look().is_some()).map_err(io::Error::other)?;
    Ok(if appeared { look() } else { None })
}

fn device_of_port(ports: &Path, wanted: &str) -> io::Result<Option<PathBuf>> {
    for entry in fs::read_dir(ports)? {
        let entry = entry?;
        if fs::read_to_string(entry.path().join("name")).is_ok_and(|name| name.trim() == wanted) {
            return Ok(Some(Path::new("/dev").join(entry.file_name())));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_found_by_its_name() {
        let ports = tempfile::tempdir().unwrap();
        for (device, name) in [
            ("vport1p1", "com.redhat.spice.0"),
            ("vport1p2", "org.labctl.kmsg"),
        ] {
            fs::create_dir(ports.path().join(device)).unwrap();
            fs::write(ports.path().join(device).join("name"), format!("{name}\n")).unwrap();
        }
        assert_eq!(
            device_of_port(ports.path(), "org.labctl.kmsg").unwrap(),
            Some(PathBuf::from("/dev/vport1p2"))
        );
        assert_eq!(device_of_port(ports.path(), "org.labctl.host").unwrap(), None);
    }
}
