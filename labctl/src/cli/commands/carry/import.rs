//! From a bundle into the store, once every byte of it was compared.

use std::fmt::Write as _;
use std::io::BufReader;
use std::path::Path;

use fs_err as fs;

use super::tally::Tally;
use super::told::{Told, json, row, told, word};
use crate::bundle::{self, Bundle, BundleError, Fate, Manifest};
use crate::cli::args::{self, Format};
use crate::cli::cache::counted;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::{course, lab, output};
use crate::digest::Digest;
use crate::event::{Events, Stage};
use crate::session::all_committed;
use crate::store::{Bucket, Store};
use crate::substitute::Committed;
use crate::supervise::Cancel;

pub(in crate::cli::commands) async fn import(context: &Context, args: args::Import) -> Result<Exit, Failure> {
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
