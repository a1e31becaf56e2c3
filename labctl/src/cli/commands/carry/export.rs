//! From the store into a bundle, or into a folder of substitutes.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::pack::pack;
use super::tally::Tally;
use super::told::{Told, json, row, told};
use crate::bundle::{self, Manifest, Written};
use crate::cli::args::{self, Format};
use crate::cli::cache::{counted, size};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::{lab, output};
use crate::session::Preparation;
use crate::store::Bucket;
use crate::substitute::{Record, file_names};

pub(in crate::cli::commands) async fn export(context: &Context, args: args::Export) -> Result<Exit, Failure> {
    if let Some(folder) = &args.folder {
        return publish(context, &args, &context.settings.absolute(folder)).await;
    }
    let path = context
        .settings
        .absolute(&args.bundle.clone().unwrap_or_default());
    let folder = writable_folder(&path)?;
    let packed = pack(context, &args.luggage, args.with_packages, |_| true).await?;
    let to = path.clone();
    let (manifest, written) = lab::blocking(move || {
        let written = save(&packed.manifest, &packed.preparation, &folder, &to)?;
        Ok((packed.manifest, written))
    })
    .await?;
    let text = match args.format {
        Format::Human => exported(&manifest, &written, &path),
        Format::Json => {
            let entries: Vec<Told> = manifest.entries.iter().map(|entry| told(entry, None)).collect();
            json(&serde_json::json!({
                "schema": "labctl/cache-export/v1", "bundle": path, "sha256": written.sha256,
                "bytes": written.size, "unpacked": manifest.bytes(), "entries": entries
            }))?
        }
    };
    context.ui.clear();
    output::result(&text)?;
    Ok(Exit::Done)
}

/// Writes a bundle beside its place, and renames it when it is whole.
fn save(
    manifest: &Manifest,
    preparation: &Preparation,
    folder: &Path,
    to: &Path,
) -> Result<Written, Failure> {
    use std::os::unix::fs::PermissionsExt as _;

    let staged = tempfile::NamedTempFile::new_in(folder)?;
    let tally = Tally::new(&preparation.events, "packing", manifest.bytes());
    let written = bundle::write(
        manifest,
        &preparation.store,
        staged.as_file(),
        &|bytes| tally.add(bytes),
        &preparation.cancel,
    )?;
    tally.end(&format!("{} packed", counted(manifest.entries.len())));
    // As public as the user's other files.
    staged
        .as_file()
        .set_permissions(std::fs::Permissions::from_mode(0o644))?;
    staged.as_file().sync_all()?;
    staged.persist(to).map_err(|error| error.error)?;
    Ok(written)
}

/// Writes each entry as a substitute. Packages are not among them: mirrors have those, and they prove themselves.
async fn publish(context: &Context, args: &args::Export, folder: &Path) -> Result<Exit, Failure> {
    let packed = pack(context, &args.luggage, false, |portable| {
        portable.bucket != Bucket::Debs
    })
    .await?;
    let to = folder.to_owned();
    let records = lab::blocking(move || {
        fs::create_dir_all(&to)?;
        let mut records = Vec::new();
        for listed in packed.manifest.entries {
            let [record_name, _, bundle_name] = file_names(listed.id);
            let alone = Manifest::new(vec![listed.clone()])?;
            let written = save(&alone, &packed.preparation, &to, &to.join(bundle_name))?;
            let record = Record::new(&listed, &written);
            // Last, so that whoever finds it finds the other.
            fs::write(to.join(record_name), record.to_bytes()?)?;
            records.push(record);
        }
        Ok(records)
    })
    .await?;
    let text = match args.format {
        Format::Human => records.iter().fold(String::new(), |mut text, record| {
            let bytes = size(record.file.size);
            // Writing to a `String` cannot fail.
            let _ = writeln!(
                text,
                "{:<8} {} {bytes:>10}  {}",
                record.bucket, record.id, record.what
            );
            text
        }),
        Format::Json => json(&serde_json::json!({
            "schema": "labctl/cache-substitutes/v1", "folder": folder, "entries": records
        }))?,
    };
    context.ui.clear();
    output::result(&text)?;
    Ok(Exit::Done)
}

/// The folder of a file that is to be written.
fn writable_folder(path: &Path) -> Result<PathBuf, Failure> {
    let wrong = |what: String| Err(Failure::new(Exit::Usage, what));
    if path.is_dir() {
        return wrong(format!("`{}` is a folder; name a file in it", path.display()));
    }
    match path.parent() {
        Some(folder) if folder.is_dir() => Ok(folder.to_owned()),
        _ => wrong(format!("there is no folder for `{}`", path.display())),
    }
}

fn exported(manifest: &Manifest, written: &Written, path: &Path) -> String {
    let mut text = String::new();
    for entry in &manifest.entries {
        row(&mut text, "", entry);
    }
    // Writing to a `String` cannot fail.
    let _ = writeln!(
        text,
        "{}: {} in {}, {} unpacked\nsha256 {}\nthere: labctl cache import --sha256 {} {}",
        path.display(),
        counted(manifest.entries.len()),
        size(written.size),
        size(manifest.bytes()),
        written.sha256,
        written.sha256,
        path.file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
    );
    text
}
