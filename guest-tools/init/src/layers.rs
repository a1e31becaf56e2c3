//! The tool layers: read-only erofs images on virtio disks, laid over `/usr`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};

use crate::notify::{self, About, NotifyError};

const LIST: &str = "/etc/lab/layers";
const LAYERS: &str = "/layers";
/// A disk that the kernel has not shown by then is not attached.
const DISK_DEADLINE: Duration = Duration::from_secs(10);

/// A tool layer that could not be mounted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LayerError {
    /// The list is there but cannot be read.
    #[error("cannot read `{LIST}`")]
    List(#[source] io::Error),
    /// A line is not a device and a name.
    #[error("`{LIST}`: `{0}` is not `<device> <name>`")]
    Line(String),
    /// The disk did not appear.
    #[error("no disk `{0}`")]
    NoDisk(PathBuf),
    /// The kernel's device messages cannot be had.
    #[error("cannot wait for `{device}`")]
    Wait {
        /// The disk.
        device: PathBuf,
        #[source]
        source: NotifyError,
    },
    /// The mount point could not be made.
    #[error("cannot make `{at}`")]
    MountPoint {
        /// The mount point.
        at: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The kernel refused a mount.
    #[error("cannot mount {what} at `{at}`")]
    Mount {
        /// The disk or `overlay`.
        what: String,
        /// The mount point.
        at: PathBuf,
        #[source]
        source: Errno,
    },
}

#[derive(Debug, PartialEq, Eq)]
struct Layer {
    device: PathBuf,
    root: PathBuf,
}

/// Mounts what `/etc/lab/layers` lists; an image without tools has no such file.
pub(crate) fn mount_listed() -> Result<(), LayerError> {
    let list = match fs::read_to_string(LIST) {
        Ok(list) => list,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(LayerError::List(e)),
    };
    let layers = parse(&list)?;
    layers.iter().try_for_each(mount_one)?;
    match lower_dirs(&layers, |usr| usr.is_dir()) {
        None => Ok(()),
        Some(lower) => overlay_usr(&lower),
    }
}

fn parse(list: &str) -> Result<Vec<Layer>, LayerError> {
    list.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(parse_line)
        .collect()
}

fn parse_line(line: &str) -> Result<Layer, LayerError> {
    // The name becomes part of a path and of an overlay option, where `/`, `:` and `,` mean something.
    let is_name = |name: &str| {
        !name.starts_with('.')
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    match line.split_whitespace().collect::<Vec<_>>()[..] {
        [device, name] if device.starts_with("/dev/") && is_name(name) => Ok(Layer {
            device: PathBuf::from(device),
            root: Path::new(LAYERS).join(name),
        }),
        _ => Err(LayerError::Line(line.to_owned())),
    }
}

fn mount_one(layer: &Layer) -> Result<(), LayerError> {
    let Layer { device, root } = layer;
    let appeared =
        notify::wait_until(About::Devices, DISK_DEADLINE, || device.exists()).map_err(|source| {
            LayerError::Wait {
                device: device.clone(),
                source,
            }
        })?;
    if !appeared {
        return Err(LayerError::NoDisk(device.clone()));
    }
    fs::create_dir_all(root).map_err(|source| LayerError::MountPoint {
        at: root.clone(),
        source,
    })?;
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NODEV | MsFlags::MS_NOSUID;
    mount(Some(device), root, Some("erofs"), flags, None::<&str>).map_err(|source| LayerError::Mount {
        what: device.display().to_string(),
        at: root.clone(),
        source,
    })
}

/// The overlay's layers, the first on top: the tools over the base. `None` if no layer has a `/usr`.
fn lower_dirs(layers: &[Layer], is_dir: impl Fn(&Path) -> bool) -> Option<String> {
    let tools: Vec<_> = layers
        .iter()
        .map(|layer| layer.root.join("usr"))
        .filter(|usr| is_dir(usr))
        .map(|usr| usr.display().to_string())
        .collect();
    (!tools.is_empty()).then(|| format!("{}:/usr", tools.join(":")))
}

fn overlay_usr(lower: &str) -> Result<(), LayerError> {
    let options = format!("lowerdir={lower}");
    mount(
        Some("overlay"),
        "/usr",
        Some("overlay"),
        MsFlags::MS_RDONLY,
        Some(options.as_str()),
    )
    .map_err(|source| LayerError::Mount {
        what: "overlay".to_owned(),
        at: PathBuf::from("/usr"),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(device: &str, root: &str) -> Layer {
        Layer {
            device: PathBuf::from(device),
            root: PathBuf::from(root),
        }
    }

    #[test]
    fn lines_are_devices_and_names() {
        let layers = parse("/dev/vda tools\n\n/dev/vdb perf-6.12\n").unwrap();
        assert_eq!(
            layers,
            [
                layer("/dev/vda", "/layers/tools"),
                layer("/dev/vdb", "/layers/perf-6.12")
            ]
        );
    }

    #[test]
    fn anything_else_is_refused_and_quoted() {
        for line in [
            "/dev/vda",
            "vda tools",
            "/dev/vda a b",
            "/dev/vda ../etc",
            "/dev/vda a:b",
            "/dev/vda a,b",
        ] {
            assert_eq!(
                parse(line).unwrap_err().to_string(),
                format!("`{LIST}`: `{line}` is not `<device> <name>`")
            );
        }
    }

    #[test]
    fn the_base_lies_below_every_layer() {
        let layers = [
            layer("/dev/vda", "/layers/a"),
            layer("/dev/vdb", "/layers/b"),
            layer("/dev/vdc", "/layers/c"),
        ];
        let lower = lower_dirs(&layers, |usr| usr != Path::new("/layers/b/usr"));
        assert_eq!(lower.as_deref(), Some("/layers/a/usr:/layers/c/usr:/usr"));
        assert_eq!(lower_dirs(&layers, |_| false), None);
    }
}
