//! What is needed to boot, gathered from kernel, image and host.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::template::Templates;
use super::tools::Tools;
use crate::accel::Accel;
use crate::guest::InstanceKeys;
use crate::image::{InstanceFiles, instance_initrd};
use crate::vm::{AccelKind, Disk, InstanceDir, Origin, Qemu, VmConfig};

/// The host's side: the same for every guest of one command.
#[derive(Debug, Clone)]
pub struct Host {
    pub qemu: Qemu,
    pub accel: Accel,
    /// Where instance folders live.
    pub instances: PathBuf,
    /// Absent when every guest is to be booted.
    pub templates: Option<Templates>,
}

impl Host {
    /// How much slower than under KVM things are here; deadlines are multiplied by it. The figure is generous: TCG
    /// on a shared two-core runner was seen to boot ten times slower than KVM on the same machine.
    pub fn slowness(&self) -> f64 {
        match self.accel.kind {
            AccelKind::Kvm => 1.0,
            AccelKind::Tcg => 10.0,
        }
    }

    /// `span` as it would be under KVM, scaled to this host.
    pub fn scaled(&self, span: Duration) -> Duration {
        span.mul_f64(self.slowness())
    }
}

/// The guest's side: everything that a boot needs and a store holds.
#[derive(Debug, Clone)]
pub struct Bootable {
    /// `lab-6.12`.
    pub kernel_name: String,
    /// `uname -r`.
    pub kernel_release: String,
    pub kernel_id: String,
    pub image_id: String,
    /// An ELF with a PVH entry, or a bzImage.
    pub kernel: PathBuf,
    /// Without the instance's keys.
    pub initrd: PathBuf,
    /// Words of the kernel command line.
    pub cmdline: Vec<String>,
    /// Tool layers, in the order in which the image names them.
    pub layers: Vec<Disk>,
    pub cpus: u32,
    /// MiB.
    pub memory: u32,
    /// In the guest from its first moment.
    pub tools: Tools,
    /// The module whose lab this is.
    pub module: String,
}

impl Bootable {
    /// The initramfs with what is one guest's own, in its folder.
    pub(super) fn write_initrd(&self, keys: &InstanceKeys, dir: &InstanceDir) -> io::Result<PathBuf> {
        let path = dir.file("initrd");
        let files = InstanceFiles {
            host_key: keys.dropbear_host_key().map_err(io::Error::other)?,
            authorized_keys: keys.authorized_keys().map_err(io::Error::other)?,
            shadow: keys.shadow(),
            hostname: self.module.clone(),
            tools: self.tools.read()?,
        };
        instance_initrd(&self.initrd, &files, &path)?;
        Ok(path)
    }

    pub(super) fn config(
        &self,
        host: &Host,
        name: &str,
        initrd: Option<PathBuf>,
        origin: Origin,
    ) -> VmConfig {
        use super::names::labels;

        let labels = [
            (labels::MODULE, &self.module),
            (labels::KERNEL, &self.kernel_name),
            (labels::KERNEL_RELEASE, &self.kernel_release),
            (labels::KERNEL_ID, &self.kernel_id),
            (labels::IMAGE_ID, &self.image_id),
        ];
        VmConfig {
            name: name.to_owned(),
            kernel: self.kernel.clone(),
            initrd,
            cmdline: self.cmdline.clone(),
            cpus: self.cpus,
            memory: self.memory,
            origin,
            disks: self.layers.clone(),
            accel: host.accel.kind,
            accel_reason: host.accel.reason.clone(),
            sandbox: true,
            labels: labels
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value.clone()))
                .collect(),
        }
    }
}
