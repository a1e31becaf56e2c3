//! Places for substitutes that have the right thing, the wrong thing, half of it, or nothing.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fs_err as fs;
use labctl::apt::TransportConfig;
use labctl::bundle::{Listed, Manifest, describe, write};
use labctl::digest::Digest;
use labctl::event::{Event, Events};
use labctl::store::{Bucket, Store, StoreError};
use labctl::substitute::{
    Committed, Key, NAMESPACE, Place, RawCommitted, Record, Substitutes, Wanted, file_names,
};
use labctl::supervise::Cancel;
use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};
use russh::keys::ssh_key::{HashAlg, LineEnding, PrivateKey};

use crate::server::{Answer, Asked, Server, serve};

pub(crate) const WHAT: &str = "lab-small";

/// A key that is the same every time.
pub(crate) fn key(seed: u8) -> PrivateKey {
    let pair = Ed25519Keypair::from_seed(&[seed; 32]);
    PrivateKey::new(KeypairData::from(pair), "course").unwrap()
}

pub(crate) fn public(key: &PrivateKey) -> String {
    key.public_key().to_openssh().unwrap()
}

pub(crate) fn signature(key: &PrivateKey, namespace: &str, message: &[u8]) -> Vec<u8> {
    let signature = key.sign(namespace, HashAlg::Sha512, message).unwrap();
    signature.to_pem(LineEnding::LF).unwrap().into_bytes()
}

/// A kernel that was made elsewhere, as a place has it.
#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) listed: Listed,
    pub(crate) record: Record,
    pub(crate) json: Vec<u8>,
    pub(crate) bundle: Vec<u8>,
}

impl Made {
    pub(crate) fn new(id: Digest, config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let cancel = Cancel::new();
        let record = r#"{"release": "6.12.1-small", "mount": "/usr/src", "build_dir": "/usr/src", "env": {}, "modules": []}"#;
        let make = |dir: &Path| {
            let write = |name: &str, text: &str| fs::write(dir.join(name), text);
            write("kernel.json", record)
                .and_then(|()| write("vmlinux", &"ELF".repeat(100_000)))
                .and_then(|()| write("config", config))
                .map_err(StoreError::io("write"))
        };
        let entry = store
            .get_or_make::<StoreError>(Bucket::Kernels, &id.to_string(), &cancel, |_| {}, make)
            .unwrap();
        let listed = describe(Bucket::Kernels, id, WHAT, &entry, &|_| {}, &cancel).unwrap();
        let manifest = Manifest::new(vec![listed.clone()]).unwrap();
        let mut bundle = Vec::new();
        let written = write(&manifest, &store, &mut bundle, &|_| {}, &cancel).unwrap();
        let record = Record::new(&listed, &written);
        Self {
            json: record.to_bytes().unwrap(),
            listed,
            record,
            bundle,
        }
    }

    pub(crate) fn committed(&self) -> Committed {
        Committed::new([(self.listed.id, self.listed.content)])
    }

    /// With what `change` makes of the record.
    fn told(mut self, change: impl FnOnce(&mut Record)) -> Self {
        change(&mut self.record);
        self.json = self.record.to_bytes().unwrap();
        self
    }

    /// A place that has it, with a signature when there is one.
    pub(crate) fn serve(&self, signature: Option<Vec<u8>>) -> Server {
        let made = self.clone();
        serve(move |asked, _| made.answer(asked, signature.as_deref()))
    }

    fn answer(&self, asked: &Asked, signature: Option<&[u8]>) -> Answer {
        let [json, sig, bundle] = file_names(self.listed.id);
        match &asked.path {
            path if *path == json => Answer::File(self.json.clone()),
            path if *path == bundle => Answer::File(self.bundle.clone()),
            path if *path == sig => {
                signature.map_or(Answer::Status(404), |bytes| Answer::File(bytes.to_vec()))
            }
            _ => Answer::Status(404),
        }
    }
}

fn id() -> Digest {
    Digest::of(b"the inputs of a kernel")
}

pub(crate) fn made() -> Made {
    Made::new(id(), "CONFIG_NET=y\n")
}

pub(crate) struct Bench {
    store: Store,
    events: Events,
    heard: Arc<Mutex<Vec<String>>>,
    _folder: tempfile::TempDir,
}

pub(crate) fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&heard);
    let events = Events::new(move |event| match event {
        Event::Warning { text } | Event::Note { text } => sink.lock().unwrap().push(text),
        Event::Finished { detail, .. } => sink.lock().unwrap().push(detail),
        _ => {}
    });
    Bench {
        store: Store::open(folder.path()).unwrap(),
        events,
        heard,
        _folder: folder,
    }
}

fn transport() -> TransportConfig {
    TransportConfig {
        stall: Duration::from_millis(200),
        attempts: 3,
        backoff: Duration::ZERO,
        ..TransportConfig::default()
    }
}

pub(crate) fn from(urls: &[&str], keys: &[String]) -> Substitutes {
    let place = |url: &&str| Place::parse(url, "http://127.0.0.1:1", Path::new("/")).unwrap();
    let keys = keys.iter().map(|text| Key::parse(text).unwrap());
    Substitutes::new(urls.iter().map(place).collect(), keys.collect(), &transport())
}

impl Bench {
    pub(crate) fn get(&self, substitutes: &Substitutes, committed: &Committed) -> bool {
        let wanted = Wanted {
            bucket: Bucket::Kernels,
            id: id(),
            what: WHAT,
            committed,
        };
        let got = substitutes
            .get(&wanted, &self.store, &self.events, &Cancel::new())
            .unwrap();
        let there = self.store.get(Bucket::Kernels, &id().to_string()).unwrap();
        assert_eq!(there.is_some(), got);
        assert!(
            self.store
                .unfinished()
                .unwrap()
                .iter()
                .all(|left| left.resumable.is_some()),
            "something is half made"
        );
        got
    }

    fn heard(&self) -> String {
        self.heard.lock().unwrap().join("\n")
    }
}

fn paths(server: &Server) -> Vec<String> {
    let asked = server.asked().into_iter().map(|asked| asked.path);
    let id = id().to_string();
    asked.map(|path| path.replace(&id, "ID")).collect()
}

#[test]
fn a_committed_digest_is_enough() {
    let (bench, made) = (bench(), made());
    let server = made.serve(None);
    assert!(bench.get(&from(&[&server.url], &[]), &made.committed()));
    assert_eq!(paths(&server), ["ID.json", "ID.tar.zst"]);
    assert!(
        bench.heard().ends_with("as the course has committed it"),
        "{}",
        bench.heard()
    );
    assert_eq!(bench.store.unfinished().unwrap(), []);
}

#[test]
fn so_is_a_signature() {
    let (bench, made) = (bench(), made());
    let server = made.serve(Some(signature(&key(1), NAMESPACE, &made.json)));
    let keys = [public(&key(2)), public(&key(1))];
    assert!(bench.get(&from(&[&server.url], &keys), &Committed::default()));
    assert!(bench.heard().ends_with("signed by course"), "{}", bench.heard());
}

#[test]
fn a_folder_is_a_place_and_the_first_that_has_it_wins() {
    let (bench, made, dir) = (bench(), made(), tempfile::tempdir().unwrap());
    let [json, _, bundle] = file_names(id());
    fs::write(dir.path().join(json), &made.json).unwrap();
    fs::write(dir.path().join(bundle), &made.bundle).unwrap();
    let empty = serve(|_, _| Answer::Status(404));
    let never = made.serve(None);
    let places = [&*empty.url, dir.path().to_str().unwrap(), &*never.url];
    assert!(bench.get(&from(&places, &[]), &made.committed()));
    assert_eq!(paths(&empty), ["ID.json"]);
    assert_eq!(paths(&never), [""; 0]);
}

#[test]
fn what_nothing_proves_is_not_fetched_and_that_is_said_once() {
    let (bench, made) = (bench(), made());
    let server = made.serve(None);
    let substitutes = from(&[&server.url], &[]);
    for _ in 0..2 {
        assert!(!bench.get(&substitutes, &Committed::default()));
    }
    assert_eq!(paths(&server), ["ID.json", "ID.json"]);
    assert_eq!(bench.heard().matches("which is not used").count(), 1);
    let asked_for_a_signature = from(&[&server.url], &[public(&key(1))]);
    assert!(!bench.get(&asked_for_a_signature, &Committed::default()));
    assert_eq!(paths(&server)[2..], ["ID.json", "ID.json.sig"]);
}

#[test]
fn what_is_proved_wrong_is_not_stored() {
    let good = made();
    let signed_by = |seed, namespace, message: &[u8]| Some(signature(&key(seed), namespace, message));
    let other = Made::new(id(), "CONFIG_BACKDOOR=y\n");
    let evil = Made {
        // As good as signed: the record is the right one, the bytes are not.
        bundle: other.bundle.clone(),
        ..good.clone()
    };
    let of_another = Made::new(Digest::of(b"another's inputs"), "");
    let mut flipped = good.clone();
    let middle = flipped.bundle.len() / 2;
    flipped.bundle[middle] ^= 1;
    // The archive's digest is that of the other bundle, and its content is told as the right one.
    let swapped = evil
        .clone()
        .told(|record| record.file = other.record.file.clone());
    let cases: Vec<(&str, Made, Option<Vec<u8>>, &str)> = vec![
        (
            "another key",
            good.clone(),
            signed_by(9, NAMESPACE, &good.json),
            "not trusted here",
        ),
        (
            "for something else",
            good.clone(),
            signed_by(1, "git", &good.json),
            "does not fit",
        ),
        (
            "another text",
            good.clone(),
            signed_by(1, NAMESPACE, b"{}"),
            "does not fit",
        ),
        (
            "no signature",
            good.clone(),
            Some(b"-----BEGIN".to_vec()),
            "cannot be read",
        ),
        (
            "other bytes",
            evil.clone(),
            signed_by(1, NAMESPACE, &evil.json),
            "wrong ",
        ),
        (
            "one byte",
            flipped.clone(),
            signed_by(1, NAMESPACE, &good.json),
            "wrong digest",
        ),
        (
            "other content",
            swapped.clone(),
            signed_by(1, NAMESPACE, &swapped.json),
            "does not hold",
        ),
        (
            "of another entry",
            good.clone().told(|record| record.id = of_another.record.id),
            None,
            "another entry",
        ),
        (
            "of another kind",
            good.clone().told(|record| record.bucket = "roots".to_owned()),
            None,
            "another entry",
        ),
        (
            "too large",
            good.clone().told(|record| record.file.size = u64::MAX),
            None,
            "more than are fetched",
        ),
    ];
    for (case, made, signature, why) in cases {
        let bench = bench();
        let made = Made {
            listed: good.listed.clone(),
            ..made
        };
        let server = made.serve(signature);
        let substitutes = from(&[&server.url], &[public(&key(1))]);
        assert!(!bench.get(&substitutes, &Committed::default()), "{case}");
        let heard = bench.heard();
        assert!(
            heard.contains("is not used: ") && heard.contains(why),
            "{case}: {heard}"
        );
    }
}

#[test]
fn a_committed_digest_outranks_a_signature() {
    let bench = bench();
    let other = Made::new(id(), "CONFIG_BACKDOOR=y\n");
    let server = other.serve(Some(signature(&key(1), NAMESPACE, &other.json)));
    assert!(!bench.get(&from(&[&server.url], &[public(&key(1))]), &made().committed()));
    assert_eq!(paths(&server), ["ID.json"]);
    assert!(
        bench.heard().contains("not what the course has committed"),
        "{}",
        bench.heard()
    );
}

#[test]
fn what_broke_off_is_resumed() {
    let (bench, made) = (bench(), made());
    let [_, _, bundle] = file_names(id());
    let served = made.clone();
    let server = serve(move |asked, before| {
        if asked.path == bundle && before == 0 {
            Answer::CutAfter(served.bundle.clone(), served.bundle.len() / 2)
        } else {
            served.answer(asked, None)
        }
    });
    assert!(bench.get(&from(&[&server.url], &[]), &made.committed()));
    let asked = server.asked();
    assert_eq!(asked.last().unwrap().offset, Some(made.bundle.len() as u64 / 2));
}

/// An address that refuses connections for as long as the socket lives: bound, so that no server beside us is given its port.
fn nobody_listens() -> (std::os::fd::OwnedFd, std::net::SocketAddr) {
    use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};
    let taken = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&taken, &std::net::SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = getsockname(&taken).unwrap().try_into().unwrap();
    (taken, address)
}

#[test]
fn a_place_that_is_silent_or_gone_is_done_without() {
    let made = made();
    let [json, _, bundle] = file_names(id());
    for path in [json, bundle] {
        let (bench, served) = (bench(), made.clone());
        let server = serve(move |asked, _| match served.answer(asked, None) {
            Answer::File(bytes) if asked.path == path => Answer::SilentAfter(bytes, 10),
            answer => answer,
        });
        let substitutes = from(&[&server.url], &[]);
        assert!(!bench.get(&substitutes, &made.committed()));
        let count = server.asked().len();
        assert!(!bench.get(&substitutes, &made.committed()));
        assert_eq!(server.asked().len(), count, "it is not asked again");
        assert_eq!(
            bench.heard().matches("is done without").count(),
            1,
            "{}",
            bench.heard()
        );
    }
    let bench = bench();
    let (_taken, address) = nobody_listens();
    let gone = format!("http://{address}");
    let server = made.serve(None);
    assert!(bench.get(&from(&[&gone, &server.url], &[]), &made.committed()));
    assert!(bench.heard().contains("is done without"), "{}", bench.heard());
}

#[test]
fn a_lock_of_digests_reads_as_it_is_written() {
    let read = |text: &str| -> Option<Committed> {
        let raw: RawCommitted = serde_yaml::from_str(text).ok()?;
        Committed::try_from(raw).ok()
    };
    let committed = made().committed();
    assert_eq!(read(&committed.to_text()), Some(committed));
    for bad in [
        "",
        "[]",
        "schema: labctl/substitute-lock/v2\nentries: {}\n",
        "schema: labctl/substitute-lock/v1\nentries: {a: b}\n",
    ] {
        assert_eq!(read(bad), None, "{bad}");
    }
}
