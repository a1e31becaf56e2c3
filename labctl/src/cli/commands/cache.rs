//! `labctl cache`: what is on the disk, and making room.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::carry;
use crate::cli::args::{CacheCommand, Format, Part};
use crate::cli::cache::{
    Fate, Item, Thing, age, census, counted, fate, known_to_course, name, parts_or_all, size, table,
};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::{lab, output};
use crate::event::{Stage, Unit};
use crate::session::Needs;
use crate::store::{Removal, Store, StoreError};
use crate::supervise::{Cancel, words_of_processes};

/// What an older labctl left half made has no lock. It may still be at work on what it touched within this time.
const UNLOCKED: Duration = Duration::from_secs(60 * 60);

/// One thing, as JSON tells it.
#[derive(Serialize)]
struct Told {
    part: &'static str,
    id: String,
    what: String,
    /// On the disk.
    bytes: u64,
    /// Seconds since 1970.
    last_used: u64,
    /// Whether this course's locks name it.
    needed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    fate: Option<Fate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    damage: Option<String>,
}

impl Told {
    fn of(item: &Item) -> Self {
        let since_epoch = item.last_used().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            part: name(item.part),
            id: item.id().to_owned(),
            what: item.what.clone(),
            bytes: item.bytes(),
            last_used: since_epoch.map_or(0, |span| span.as_secs()),
            needed: item.needed,
            fate: None,
            damage: None,
        }
    }
}

pub(super) async fn run(context: &Context, command: CacheCommand) -> Result<Exit, Failure> {
    match command {
        CacheCommand::Ls { parts, format } => list(context, &parts, format).await,
        CacheCommand::Gc {
            older_than,
            parts,
            dry_run,
            format,
        } => gc(context, older_than, &parts, dry_run, format).await,
        CacheCommand::Export(args) => carry::export(context, args).await,
        CacheCommand::Import(args) => carry::import(context, args).await,
        CacheCommand::Digest(args) => carry::digest(context, args).await,
        CacheCommand::Verify {
            parts,
            repair,
            format,
        } => verify(context, &parts, repair, format).await,
    }
}

/// What is in the named parts, or everywhere.
async fn items(context: &Context, parts: &[Part]) -> Result<(Store, Vec<Item>), Failure> {
    let store = context.store()?;
    let needs: Needs = known_to_course(context, &store);
    let (parts, looked) = (parts_or_all(parts), store.clone());
    let items = lab::blocking(move || Ok(census(&looked, &parts, &needs)?)).await?;
    Ok((store, items))
}

async fn list(context: &Context, parts: &[Part], format: Format) -> Result<Exit, Failure> {
    let (store, items) = items(context, parts).await?;
    let text = match format {
        Format::Human => {
            let mut text = format!("{}\n", store.root().display());
            text.push_str(&table(
                &parts_or_all(parts),
                &items,
                !parts.is_empty(),
                SystemTime::now(),
            ));
            text
        }
        Format::Json => {
            let entries: Vec<Told> = items.iter().map(Told::of).collect();
            json(&serde_json::json!({
                "schema": "labctl/cache/v1", "store": store.root(), "entries": entries
            }))?
        }
    };
    context.ui.clear();
    output::result(&text)?;
    Ok(Exit::Done)
}

async fn gc(
    context: &Context,
    older_than: Duration,
    parts: &[Part],
    dry_run: bool,
    format: Format,
) -> Result<Exit, Failure> {
    // A guest of a labctl that was killed uses nothing that anybody wants.
    context.reap()?;
    let now = SystemTime::now();
    let cutoff = now.checked_sub(older_than).unwrap_or(SystemTime::UNIX_EPOCH);
    let (store, items) = items(context, parts).await?;
    let cancel = context.cancel.clone();
    let judged = lab::blocking(move || {
        let mut judged = Vec::new();
        for item in items {
            let fate = dispose(&store, &item, cutoff, now, dry_run, &cancel)?;
            judged.push((item, fate));
        }
        Ok(judged)
    })
    .await?;
    let text = match format {
        Format::Human => removals(&judged, now, dry_run),
        Format::Json => {
            let freed: u64 = gone(&judged).map(Item::bytes).sum();
            let entries: Vec<Told> = judged
                .iter()
                .map(|(item, fate)| Told {
                    fate: Some(*fate),
                    ..Told::of(item)
                })
                .collect();
            json(&serde_json::json!({
                "schema": "labctl/cache-gc/v1", "dry_run": dry_run, "freed": freed, "entries": entries
            }))?
        }
    };
    context.ui.clear();
    output::result(&text)?;
    Ok(Exit::Done)
}

/// Decides about one thing, and does it.
fn dispose(
    store: &Store,
    item: &Item,
    cutoff: SystemTime,
    now: SystemTime,
    dry_run: bool,
    cancel: &Cancel,
) -> Result<Fate, Failure> {
    cancel.check()?;
    if matches!(&item.thing, Thing::Unfinished(left) if left.busy) {
        return Ok(Fate::InUse);
    }
    // What has neither a lock nor an owner any more is not worth its age.
    let cutoff = match &item.thing {
        Thing::Unfinished(left) if left.resumable.is_none() => now - UNLOCKED,
        _ => cutoff,
    };
    // Asked for each: a guest may have been started a moment ago by a labctl that has ended since.
    let decided = match fate(
        item.id(),
        item.needed,
        item.last_used(),
        &Default::default(),
        cutoff,
    ) {
        Fate::Removed => {
            let words = words_of_processes();
            fate(item.id(), item.needed, item.last_used(), &words, cutoff)
        }
        other => other,
    };
    if decided != Fate::Removed {
        return Ok(decided);
    }
    let removal = match &item.thing {
        Thing::Finished(stored) => store.remove(stored, cutoff, dry_run)?,
        Thing::Unfinished(left) => store.discard(left, cutoff, dry_run)?,
    };
    Ok(match removal {
        Removal::Removed => Fate::Removed,
        Removal::InUse => Fate::InUse,
    })
}

fn gone(judged: &[(Item, Fate)]) -> impl Iterator<Item = &Item> {
    judged
        .iter()
        .filter(|(_, fate)| *fate == Fate::Removed)
        .map(|(item, _)| item)
}

fn removals(judged: &[(Item, Fate)], now: SystemTime, dry_run: bool) -> String {
    let mut text = String::new();
    for item in gone(judged) {
        let id: String = item.id().chars().take(12).collect();
        let line = format!(
            "{:<10} {id:<13} {:>10}  {:<15} {}",
            name(item.part),
            size(item.bytes()),
            age(now, item.last_used()),
            item.what
        );
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let mut kept: BTreeMap<Fate, usize> = BTreeMap::new();
    for (_, fate) in judged {
        *kept.entry(*fate).or_default() += 1;
    }
    let count = |fate| kept.get(&fate).copied().unwrap_or_default();
    let _ = writeln!(
        text,
        "{} {} by removing {} of {}; kept {} that this course needs, {} in use and {} used lately",
        if dry_run { "would free" } else { "freed" },
        size(gone(judged).map(Item::bytes).sum()),
        count(Fate::Removed),
        judged.len(),
        count(Fate::Needed),
        count(Fate::InUse),
        count(Fate::Recent),
    );
    text
}

async fn verify(context: &Context, parts: &[Part], repair: bool, format: Format) -> Result<Exit, Failure> {
    let (store, items) = items(context, parts).await?;
    let (events, cancel) = (context.events.clone(), context.cancel.clone());
    let checked = lab::blocking(move || {
        let total = items.iter().map(Item::bytes).sum();
        let mut done = 0;
        let mut checked = Vec::new();
        events.started(Stage::Store, "reading everything again");
        for item in items {
            cancel.check()?;
            events.progress(Stage::Store, done, Some(total), Unit::Bytes, item.what.clone());
            done += item.bytes();
            if let Thing::Finished(stored) = &item.thing {
                match store.verify(stored) {
                    Ok(()) => checked.push((item, None)),
                    Err(StoreError::Damaged { what, .. }) => {
                        let removal = if repair {
                            // Whoever has it in use works with damaged files; what it holds open stays with it.
                            Some(store.remove(stored, SystemTime::now(), false)?)
                        } else {
                            None
                        };
                        checked.push((item, Some((what, removal))));
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        events.finished(Stage::Store, format!("{} read", counted(checked.len())));
        Ok(checked)
    })
    .await?;
    let left = checked
        .iter()
        .filter(|(_, damage)| matches!(damage, Some((_, removal)) if *removal != Some(Removal::Removed)))
        .count();
    let text = match format {
        Format::Human => damages(&checked),
        Format::Json => {
            let entries: Vec<Told> = checked
                .iter()
                .map(|(item, damage)| Told {
                    fate: damage.as_ref().and_then(|(_, removal)| told_removal(*removal)),
                    damage: damage.as_ref().map(|(what, _)| what.clone()),
                    ..Told::of(item)
                })
                .filter(|told| told.damage.is_some())
                .collect();
            json(&serde_json::json!({
                "schema": "labctl/cache-verify/v1", "checked": checked.len(), "damaged": entries
            }))?
        }
    };
    context.ui.clear();
    output::result(&text)?;
    Ok(if left == 0 { Exit::Done } else { Exit::NotPassed })
}

type Damage = Option<(String, Option<Removal>)>;

fn told_removal(removal: Option<Removal>) -> Option<Fate> {
    removal.map(|removal| match removal {
        Removal::Removed => Fate::Removed,
        Removal::InUse => Fate::InUse,
    })
}

fn damages(checked: &[(Item, Damage)]) -> String {
    let mut text = String::new();
    let mut count = 0;
    for (item, damage) in checked {
        let Some((what, removal)) = damage else { continue };
        count += 1;
        let done = match removal {
            None => "",
            Some(Removal::Removed) => "; removed",
            Some(Removal::InUse) => "; in use, not removed",
        };
        // Writing to a `String` cannot fail.
        let words = if item.what.is_empty() {
            String::new()
        } else {
            format!(" ({})", item.what)
        };
        let _ = writeln!(text, "{}/{}{words}: {what}{done}", name(item.part), item.id());
    }
    let total = counted(checked.len());
    let _ = if count == 0 {
        writeln!(text, "{total}, all as they were made")
    } else {
        writeln!(text, "{total}, {count} damaged")
    };
    if checked
        .iter()
        .any(|(_, damage)| matches!(damage, Some((_, None))))
    {
        let _ = writeln!(
            text,
            "`labctl cache verify --repair` removes them; they are made again when needed"
        );
    }
    text
}

fn json(value: &serde_json::Value) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}
