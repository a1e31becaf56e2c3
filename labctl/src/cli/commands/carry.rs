//! `labctl cache export` and `labctl cache import`: a course on hosts without a network.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use fs_err as fs;
use lab_kmsg::sanitize::line as sanitize;
use serde::Serialize;

use crate::bundle::{self, Bundle, BundleError, Fate, Manifest, Written};
use crate::cli::args::{self, Format};
use crate::cli::cache::{counted, size};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::{course, lab, output};
use crate::digest::Digest;
use crate::event::{Events, Stage, Unit};
use crate::session::{COMMITTED, Luggage, Portable, Preparation, all_committed};
use crate::store::{Bucket, Store};
use crate::substitute::{Committed, Record, file_names};
use crate::supervise::Cancel;

/// One entry, as JSON tells it.
#[derive(Serialize)]
struct Told {
    part: String,
    id: String,
    what: String,
    content: Digest,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    fate: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    differs_in: Option<String>,
}

/// What of a module is packed or told.
struct Packed {
    preparation: Preparation,
    portable: Vec<Portable>,
    manifest: Manifest,
}

/// Finds or makes what `asked` names, and reads all of it that `wanted` wants.
async fn pack(
    context: &Context,
    asked: &args::Luggage,
    packages: bool,
    wanted: fn(&Portable) -> bool,
) -> Result<Packed, Failure> {
    let loaded = course::load(context)?;
    let module = course::choose_module(context, &loaded.course, Some(&asked.module))?.clone();
    let mut kernels = Vec::new();
    for name in &asked.kernels {
        kernels.push(lab::choose_kernel(&module, Some(name))?.to_owned());
    }
    if kernels.is_empty() {
        kernels.push(module.kernel.clone());
    }
    let preparation = lab::preparation(context)?;
    lab::blocking(move || {
        let luggage = Luggage {
            module: &module,
            files: &loaded.files,
            kernels: &kernels,
            packages,
        };
        let mut portable = preparation.portable(&luggage)?;
        portable.retain(wanted);
        let manifest = list(&preparation, &portable)?;
        Ok(Packed {
            preparation,
            portable,
            manifest,
        })
    })
    .await
}

pub(super) async fn export(context: &Context, args: args::Export) -> Result<Exit, Failure> {
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

/// `labctl cache digest`.
pub(super) async fn digest(context: &Context, args: args::DigestOf) -> Result<Exit, Failure> {
    let dir = course::load_modules(context, None)?.dir;
    let dir = match (args.write, dir) {
        (true, None) => {
            return Err(Failure::new(
                Exit::Usage,
                "the course is the one built in; there is nothing to write to",
            )
            .hint("run it in a course's folder, or name one with --course DIR"));
        }
        (write, dir) => dir.filter(|_| write),
    };
    let packed = pack(context, &args.luggage, false, |portable| {
        !portable.locked_by.is_empty()
    })
    .await?;
    let content: BTreeMap<Digest, Digest> = packed
        .manifest
        .entries
        .iter()
        .map(|listed| (listed.id, listed.content))
        .collect();
    let mut files: BTreeMap<&str, Vec<(Digest, Digest)>> = BTreeMap::new();
    for portable in &packed.portable {
        for folder in &portable.locked_by {
            let pair = content.get(&portable.id).map(|content| (portable.id, *content));
            files.entry(folder).or_default().extend(pair);
        }
    }
    let mut text = String::new();
    for (folder, entries) in files {
        let file = format!("{folder}/{COMMITTED}");
        let committed = Committed::new(entries).to_text();
        // Writing to a `String` cannot fail.
        let _ = match &dir {
            Some(dir) => {
                fs::write(dir.join(&file), committed)?;
                writeln!(text, "written   {file}")
            }
            None => writeln!(text, "# {file}\n{committed}"),
        };
    }
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

/// Reads every entry that is to be packed.
fn list(preparation: &Preparation, portable: &[Portable]) -> Result<Manifest, Failure> {
    let (store, cancel) = (&preparation.store, &preparation.cancel);
    let events = &preparation.events;
    events.started(Stage::Store, format!("reading {}", counted(portable.len())));
    let mut listed = Vec::new();
    for one in portable {
        let gone = || BundleError::Unfit {
            entry: format!("{}/{}", one.bucket, one.id),
            what: "it is not in the store any more".to_owned(),
        };
        let entry = store.get(one.bucket, &one.id.to_string())?.ok_or_else(gone)?;
        listed.push(bundle::describe(
            one.bucket,
            one.id,
            &one.what,
            &entry,
            &|_| {},
            cancel,
        )?);
    }
    Ok(Manifest::new(listed)?)
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

pub(super) async fn import(context: &Context, args: args::Import) -> Result<Exit, Failure> {
    let path = context.settings.absolute(&args.bundle);
    if path.is_dir() {
        let what = format!("`{}` is a folder; a bundle is one file", path.display());
        return Err(Failure::new(Exit::Usage, what));
    }
    let store = context.store()?;
    let (events, cancel) = (context.events.clone(), context.cancel.clone());
    let pin = args.sha256;
    let committed = committed_by_course(context)?;
    let known = committed.clone();
    let (manifest, sha256, fates) =
        lab::blocking(move || take(&path, pin, &known, &store, &events, &cancel)).await?;
    for (entry, fate) in manifest.entries.iter().zip(&fates) {
        if let Fate::Differs(path) = fate {
            context.events.warn(format!(
                "{} ({}) differs from the one in the store, first in `{path}`; the store has kept its own",
                entry.name(),
                entry.what
            ));
        }
    }
    let text = match args.format {
        Format::Human => imported(&manifest, &fates, sha256, args.sha256.is_some(), &committed),
        Format::Json => {
            let pairs = manifest.entries.iter().zip(&fates);
            let entries: Vec<Told> = pairs.map(|(entry, fate)| told(entry, Some(fate))).collect();
            json(&serde_json::json!({
                "schema": "labctl/cache-import/v1", "sha256": sha256, "pinned": args.sha256.is_some(),
                "entries": entries
            }))?
        }
    };
    context.ui.clear();
    output::result(&text)?;
    Ok(Exit::Done)
}

/// Checks the bundle at `path`, and makes it part of the store.
fn take(
    path: &Path,
    pin: Option<Digest>,
    committed: &Committed,
    store: &Store,
    events: &Events,
    cancel: &Cancel,
) -> Result<(Manifest, Digest, Vec<Fate>), Failure> {
    let open = || -> Result<fs::File, Failure> {
        fs::File::open(path)
            .map_err(|error| Failure::new(Exit::Usage, "the bundle cannot be opened").because(&error))
    };
    if let Some(expected) = pin {
        events.started(Stage::Store, "comparing the bundle's digest");
        let got = Digest::of_reader(cancel.reader(open()?));
        cancel.check()?;
        let got = got.map_err(BundleError::Read)?;
        if got != expected {
            return Err(BundleError::Pin { expected, got }.into());
        }
    }
    let bundle = Bundle::open(BufReader::with_capacity(128 << 10, open()?), cancel)?;
    for entry in &bundle.manifest().entries {
        if let Some(content) = committed.get(entry.id)
            && content != entry.content
        {
            let what = format!(
                "{} ({}) is not what the course has committed",
                entry.name(),
                entry.what
            );
            return Err(Failure::new(Exit::Invalid, what).hint("nothing of the bundle was taken"));
        }
    }
    let tally = Tally::new(events, "unpacking", bundle.manifest().bytes());
    let unpacked = bundle.unpack(store, &|bytes| tally.add(bytes), cancel)?;
    let (manifest, sha256) = (unpacked.manifest().clone(), unpacked.sha256());
    // The file may be another one by now.
    if let Some(expected) = pin.filter(|expected| *expected != sha256) {
        return Err(BundleError::Pin {
            expected,
            got: sha256,
        }
        .into());
    }
    let fates = unpacked.commit(store, cancel)?;
    tally.end(&format!("{} checked", counted(fates.len())));
    Ok((manifest, sha256, fates))
}

/// The digests of the course at hand, if there is one that can be read: a store can be filled without.
fn committed_by_course(context: &Context) -> Result<Committed, Failure> {
    match course::load_modules(context, None) {
        Ok(loaded) => Ok(all_committed(&loaded.files)?),
        Err(_) => Ok(Committed::default()),
    }
}

fn imported(
    manifest: &Manifest,
    fates: &[Fate],
    sha256: Digest,
    pinned: bool,
    committed: &Committed,
) -> String {
    let mut text = String::new();
    for (entry, fate) in manifest.entries.iter().zip(fates) {
        row(&mut text, word(fate), entry);
    }
    let packages = |entry: &&bundle::Listed| entry.bucket == Bucket::Debs.name();
    let own = manifest.entries.iter().filter(packages).count();
    let known = |entry: &&bundle::Listed| committed.get(entry.id).is_some();
    let known = manifest.entries.iter().filter(known).count();
    let rest = fates.len() - own - known;
    // Writing to a `String` cannot fail.
    let _ = writeln!(
        text,
        "sha256 {sha256}{}",
        if pinned { ", as asked for" } else { "" }
    );
    if own > 0 {
        let _ = writeln!(text, "proved by their own digests: {own}");
    }
    if known > 0 {
        let _ = writeln!(text, "proved by digests that the course has committed: {known}");
    }
    if rest > 0 {
        let by = if pinned {
            "proved by the digest of the whole"
        } else {
            "as good as where this file came from; --sha256 holds it against what was printed when it was written"
        };
        let _ = writeln!(text, "{by}: {rest}");
    }
    text
}

fn row(text: &mut String, fate: &str, entry: &bundle::Listed) {
    let id: String = entry.id.to_string().chars().take(12).collect();
    let what = sanitize(entry.what.as_bytes(), 100);
    let bytes = size(entry.bytes);
    let line = if fate.is_empty() {
        format!("{:<8} {id} {bytes:>10}  {what}", entry.bucket)
    } else {
        format!("{fate:<8} {:<8} {id} {bytes:>10}  {what}", entry.bucket)
    };
    // Writing to a `String` cannot fail.
    let _ = writeln!(text, "{}", line.trim_end());
}

fn word(fate: &Fate) -> &'static str {
    match fate {
        Fate::Added => "added",
        Fate::Kept => "kept",
        Fate::Differs(_) => "differs",
    }
}

fn told(entry: &bundle::Listed, fate: Option<&Fate>) -> Told {
    Told {
        part: entry.bucket.clone(),
        id: entry.id.to_string(),
        what: entry.what.clone(),
        content: entry.content,
        bytes: entry.bytes,
        fate: fate.map(word),
        differs_in: match fate {
            Some(Fate::Differs(path)) => Some(path.clone()),
            _ => None,
        },
    }
}

/// Adds up what was read, and tells it.
struct Tally<'a> {
    events: &'a Events,
    doing: &'static str,
    done: AtomicU64,
    told: AtomicU64,
    total: u64,
}

impl<'a> Tally<'a> {
    /// How many bytes make a step worth telling.
    const STEP: u64 = 1 << 20;

    fn new(events: &'a Events, doing: &'static str, total: u64) -> Self {
        events.started(Stage::Store, format!("{doing} {}", size(total)));
        Self {
            events,
            doing,
            done: AtomicU64::new(0),
            told: AtomicU64::new(0),
            total,
        }
    }

    fn add(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if done - self.told.load(Ordering::Relaxed) >= Self::STEP || done == self.total {
            self.told.store(done, Ordering::Relaxed);
            self.events
                .progress(Stage::Store, done, Some(self.total), Unit::Bytes, self.doing);
        }
    }

    fn end(&self, what: &str) {
        self.events.finished(Stage::Store, what);
    }
}

fn json(value: &serde_json::Value) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}
