//! A kernel out of its distribution's packages: nothing is compiled.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use fs_err as fs;
use lab_deb::archive::{DebArchive, DebError, EntryKind, ReadOptions, VisitError};
use object::{Object as _, ObjectSection as _};

use super::bzimage::{Compression, payload};
use super::entry::{CONFIG, IMAGE, MODULES, Record, TREE};
use super::error::KernelError;
use super::modules::{depends, load_order, name_of};
use super::spec::Packaged;
use super::tree::{debian_headers, debian_link};
use crate::event::{Events, Stage};
use crate::supervise::Cancel;
use crate::toolchain::PackageFile;

/// Where the headers know themselves to be: their makefiles name each other by absolute paths.
const HEADERS: &str = "/usr/src";

/// What a visitor of a package's entries may run into.
#[derive(Debug, thiserror::Error)]
enum EntryFailure {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Deb(#[from] DebError),
}

/// Unpacks `kernel` and `headers` packages into `staging`.
pub(super) fn unpack(
    packaged: &Packaged,
    kernel: &[PackageFile],
    headers: &[PackageFile],
    staging: &Path,
    events: &Events,
    cancel: &Cancel,
) -> Result<(), KernelError> {
    events.started(Stage::Kernel, format!("unpacking {}", packaged.image));
    let mut found = Found::default();
    for package in kernel {
        cancel.check()?;
        visit(package, cancel, |path, entry| {
            if let EntryKind::File(content) = entry {
                found.take(path, content.into_vec()?);
            }
            Ok(())
        })?;
    }
    let (release, image) = found.image.ok_or_else(|| missing("boot/vmlinuz-*"))?;
    let config = found.config.ok_or_else(|| missing("boot/config-*"))?;
    fs::write(staging.join(IMAGE), elf(&image)?).map_err(KernelError::io("write the kernel"))?;
    fs::write(staging.join(CONFIG), config).map_err(KernelError::io("write the kernel's config"))?;
    let modules = modules(&packaged.modules, &found.modules, &staging.join(MODULES))?;
    cancel.check()?;
    let tree = staging.join(TREE);
    for package in headers {
        cancel.check()?;
        unpack_headers(package, &tree, cancel)?;
    }
    let flavour = format!("linux-headers-{release}");
    if !tree.join(&flavour).join("Makefile").is_file() {
        return Err(missing(&flavour));
    }
    let record = Record {
        build_dir: format!("{HEADERS}/{flavour}"),
        mount: HEADERS.to_owned(),
        // The headers' makefile would ask dpkg for it.
        env: [("DEB_BUILD_ARCH".to_owned(), "amd64".to_owned())]
            .into_iter()
            .chain(super::plan::environment())
            .collect(),
        release,
        modules,
    };
    record.write(staging)?;
    events.finished(Stage::Kernel, record.release);
    Ok(())
}

fn missing(what: &str) -> KernelError {
    KernelError::Incomplete {
        what: what.to_owned(),
    }
}

/// What is taken from the image packages.
#[derive(Default)]
struct Found {
    /// Release and bzImage.
    image: Option<(String, Vec<u8>)>,
    config: Option<Vec<u8>>,
    /// Name -> file name and bytes, as packaged (normally xz).
    modules: BTreeMap<String, (String, Vec<u8>)>,
}

impl Found {
    fn take(&mut self, path: &str, bytes: Vec<u8>) {
        if let Some(release) = path.strip_prefix("boot/vmlinuz-") {
            self.image = Some((release.to_owned(), bytes));
        } else if path.starts_with("boot/config-") {
            self.config = Some(bytes);
        } else if path.contains("lib/modules/") && path.contains(".ko") {
            let file = path.rsplit('/').next().unwrap_or(path).to_owned();
            self.modules.insert(name_of(path), (file, bytes));
        }
    }
}

fn visit(
    package: &PackageFile,
    cancel: &Cancel,
    mut visitor: impl FnMut(&str, EntryKind<'_>) -> Result<(), EntryFailure>,
) -> Result<(), KernelError> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| KernelError::Package {
        package: package.name.clone(),
        source,
    };
    let file = fs::File::open(&package.path).map_err(KernelError::io("open a package"))?;
    let archive = DebArchive::open(std::io::BufReader::new(cancel.reader(file)))
        .map_err(|error| failed(Box::new(error)))?;
    archive
        .for_each_entry(&ReadOptions::default(), |entry| {
            visitor(entry.path.as_str(), entry.kind)
        })
        .map(drop)
        .map_err(|error: VisitError<EntryFailure>| failed(Box::new(error)))
}

/// The ELF kernel inside a bzImage.
fn elf(image: &[u8]) -> Result<Vec<u8>, KernelError> {
    let payload = payload(image)?;
    let unpack = KernelError::io("decompress the packaged kernel");
    match payload.compression {
        Compression::None => Ok(payload.bytes.to_vec()),
        Compression::Zstd => {
            let mut elf = Vec::new();
            let decoder = zstd::Decoder::new(payload.bytes);
            decoder
                .and_then(|decoder| decoder.single_frame().read_to_end(&mut elf))
                .map_err(unpack)?;
            Ok(elf)
        }
        Compression::Xz => unxz(payload.bytes).map_err(unpack),
        Compression::Gzip => {
            let mut elf = Vec::new();
            flate2::read::GzDecoder::new(payload.bytes)
                .read_to_end(&mut elf)
                .map_err(unpack)?;
            Ok(elf)
        }
        // QEMU boots a bzImage as well, only more slowly.
        Compression::Lz4Legacy => Ok(image.to_vec()),
    }
}

fn unxz(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut unpacked = Vec::new();
    liblzma::read::XzDecoder::new(bytes).read_to_end(&mut unpacked)?;
    Ok(unpacked)
}

/// Writes `wanted` and what they depend on, uncompressed, and returns their file names in load order.
fn modules(
    wanted: &[String],
    packaged: &BTreeMap<String, (String, Vec<u8>)>,
    dir: &Path,
) -> Result<Vec<String>, KernelError> {
    let mut bytes_of: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut needs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut queue: Vec<String> = wanted.iter().map(|name| name_of(name)).collect();
    while let Some(name) = queue.pop() {
        let Some((file, bytes)) = packaged.get(&name).filter(|_| !needs.contains_key(&name)) else {
            continue;
        };
        let unpacked = if file.ends_with(".xz") {
            unxz(bytes).map_err(KernelError::io("decompress a kernel module"))?
        } else if file.ends_with(".zst") {
            zstd::decode_all(bytes.as_slice()).map_err(KernelError::io("decompress a kernel module"))?
        } else {
            bytes.clone()
        };
        let unreadable = |source| KernelError::Module {
            name: name.clone(),
            source,
        };
        let elf = object::File::parse(unpacked.as_slice()).map_err(unreadable)?;
        let modinfo = match elf.section_by_name(".modinfo") {
            Some(section) => section.data().map_err(unreadable)?,
            None => &[],
        };
        let depends = depends(modinfo);
        queue.extend(depends.iter().cloned());
        needs.insert(name.clone(), depends);
        bytes_of.insert(name, unpacked);
    }
    fs::create_dir_all(dir).map_err(KernelError::io("write a kernel module"))?;
    let order = load_order(wanted, &needs)?;
    order
        .into_iter()
        .map(|name| {
            let file = format!("{name}.ko");
            let bytes = bytes_of.get(&name).map_or(&[][..], Vec::as_slice);
            fs::write(dir.join(&file), bytes).map_err(KernelError::io("write a kernel module"))?;
            Ok(file)
        })
        .collect()
}

fn unpack_headers(package: &PackageFile, tree: &Path, cancel: &Cancel) -> Result<(), KernelError> {
    use std::os::unix::fs::PermissionsExt as _;

    visit(package, cancel, |path, entry| {
        let Some(inside) = debian_headers(path).map(|inside| tree.join(inside)) else {
            return Ok(());
        };
        let parent: PathBuf = inside.parent().unwrap_or(tree).to_owned();
        match entry {
            EntryKind::Directory => fs::create_dir_all(&inside)?,
            EntryKind::File(mut content) => {
                fs::create_dir_all(parent)?;
                let mut file = fs::File::create(&inside)?;
                std::io::copy(&mut content, &mut file)?;
                // Scripts and programs; nobody but this user runs them, and only in the sandbox.
                let executable = path.contains("/scripts/") || path.contains("/tools/");
                let mode = if executable { 0o755 } else { 0o644 };
                fs::set_permissions(&inside, std::fs::Permissions::from_mode(mode))?;
            }
            EntryKind::Symlink { target } => {
                fs::create_dir_all(parent)?;
                fs::os::unix::fs::symlink(debian_link(&target), &inside)?;
            }
            EntryKind::HardLink { target } => {
                if let Some(target) = debian_headers(target.as_str()) {
                    fs::hard_link(tree.join(target), &inside)?;
                }
            }
        }
        Ok(())
    })
}
