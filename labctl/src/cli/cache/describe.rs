//! What an entry is, in a few words: by the course's locks, else by a glance at its files.

use std::io::Read as _;
use std::path::Path;

use fs_err as fs;
use lab_kmsg::sanitize::line as sanitize;

use crate::cli::context::Context;
use crate::cli::course;
use crate::session::Needs;
use crate::store::{Bucket, Store, Stored, Unfinished};

/// What the course at hand needs of `store`. A course that cannot be read needs nothing, and that is said.
pub(crate) fn known_to_course(context: &Context, store: &Store) -> Needs {
    match course::load(context) {
        Ok(loaded) => Needs::of(&loaded.course, &loaded.files, store),
        Err(failure) => {
            let why = failure.headline();
            context
                .events
                .warn(format!("what the course needs is not known: {why}"));
            Needs::default()
        }
    }
}

pub(super) fn stored(stored: &Stored, needed: Option<&str>) -> String {
    let path = &stored.path;
    let seen = match stored.bucket {
        Bucket::Kernels => json_text(&path.join("kernel.json"), "release"),
        Bucket::Templates => template(path),
        Bucket::Artefacts if needed.is_none() => file_names(path),
        Bucket::Images if needed.is_none() => Some(image(path)),
        Bucket::Artefacts | Bucket::Images | Bucket::Debs | Bucket::Roots => None,
    };
    let words: Vec<&str> = needed.into_iter().chain(seen.as_deref()).collect();
    sanitize(words.join(", ").as_bytes(), 100)
}

pub(super) fn unfinished(unfinished: &Unfinished) -> String {
    match &unfinished.resumable {
        Some(_) if unfinished.busy => "being made".to_owned(),
        Some(_) => "interrupted, can be resumed".to_owned(),
        None if unfinished.busy => "being made".to_owned(),
        None => "left by an older labctl".to_owned(),
    }
}

fn json_text(file: &Path, key: &str) -> Option<String> {
    let json: serde_json::Value = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    Some(json[key].as_str()?.to_owned())
}

fn image(path: &Path) -> String {
    let is_layer = path.join("layer.erofs").exists();
    if is_layer { "a layer" } else { "an initramfs" }.to_owned()
}

/// `384 MiB, Linux 6.12.107-lab`.
fn template(path: &Path) -> Option<String> {
    let memory = fs::metadata(path.join("memory")).ok()?.len() >> 20;
    // The kernel's first line is its version.
    let start = fs::File::open(path.join("kmsg.log")).and_then(|log| {
        let mut start = Vec::new();
        log.take(4096).read_to_end(&mut start).map(|_| start)
    });
    let start = String::from_utf8_lossy(&start.unwrap_or_default()).into_owned();
    let release = release(&start).map_or_else(String::new, |release| format!(", Linux {release}"));
    Some(format!("a guest of {memory} MiB{release}"))
}

fn release(log: &str) -> Option<&str> {
    log.split_once("Linux version ")?
        .1
        .split_ascii_whitespace()
        .next()
}

/// `send_trace.ko, recv_trace.ko`.
fn file_names(path: &Path) -> Option<String> {
    let mut names: Vec<String> = fs::read_dir(path)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| !name.ends_with(".json") && !name.contains(".debug"))
        .collect();
    names.sort();
    (!names.is_empty()).then(|| names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_its_release_first() {
        let log = "5,0,0,-;Linux version 6.12.107-lab (labctl@labctl) (gcc 14) #1\n6,1,0,-;Command line: x\n";
        assert_eq!(release(log), Some("6.12.107-lab"));
        assert_eq!(release("nothing"), None);
    }
}
