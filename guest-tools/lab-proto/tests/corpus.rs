//! The recorded runs, read with this crate: what real guests wrote has to make sense.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::PathBuf;

use lab_proto::stage::{InitLine, Stage};
use lab_proto::witness::{Func, IterKind, Record, WitnessLine};

fn corpus(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../labctl/tests/corpus")
        .join(name);
    let bytes = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What the witness saw, after its header.
fn records(name: &str, kernel: &str) -> Vec<Record> {
    let text = corpus(name);
    let mut lines = text.lines().map(|line| WitnessLine::parse(line).unwrap());
    match lines.next() {
        Some(WitnessLine::Header(header)) => assert_eq!(header.kernel, kernel),
        other => panic!("{other:?} is no header"),
    }
    lines
        .map(|line| match line {
            WitnessLine::Record(record) => *record,
            other => panic!("{other:?} is no record"),
        })
        .collect()
}

fn the_copy<'a>(records: &'a [Record], comm: &str, func: Func) -> &'a Record {
    let is_payload = |r: &&Record| r.comm == comm && r.func == func && r.data == b"HELLO_NETWORK";
    match records.iter().filter(is_payload).collect::<Vec<_>>()[..] {
        [one] => one,
        ref others => panic!("{} copies of the payload by {comm}", others.len()),
    }
}

#[test]
fn the_witness_saw_two_copies_of_one_buffer_between_the_printed_addresses() {
    for (run, kernel) in [
        ("exercise-b-lab-6.12", "6.12.107-lab"),
        ("exercise-b-debian-6.12", "6.12.107+deb13-cloud-amd64"),
    ] {
        let records = records(&format!("{run}.witness.jsonl"), kernel);
        let sent = the_copy(&records, "sender", Func::CopyFromIter);
        let received = the_copy(&records, "receiver", Func::CopyToIter);
        assert_eq!(sent.addr, received.addr, "{run}");
        assert!(sent.ns <= received.ns, "{run}");
        for copy in [sent, received] {
            assert_eq!((copy.len, copy.ret, copy.iter), (13, 13, IterKind::Ubuf), "{run}");
        }

        let stdout = corpus(&format!("{run}.stdout"));
        for (copy, says) in [(sent, "Sending from"), (received, "Receiving into")] {
            let line = format!("{says} buffer at {}", copy.user.unwrap());
            assert!(
                stdout.lines().any(|l| l == line),
                "{run}: no `{line}` in {stdout}"
            );
        }

        let seqs: Vec<_> = records.iter().map(|r| r.seq).collect();
        assert_eq!(
            seqs,
            (1..=u64::try_from(records.len()).unwrap()).collect::<Vec<_>>(),
            "{run}: nothing was lost"
        );
    }
}

#[test]
fn every_boot_that_reached_init_went_through_all_stages_in_order() {
    for run in [
        "exercise-b-lab-6.12",
        "exercise-b-debian-6.12",
        "null-deref-lab-6.12",
        "flood-lab-6.12",
    ] {
        let console = corpus(&format!("{run}.console"));
        let stages: Vec<_> = console
            .lines()
            .filter_map(InitLine::parse)
            .map(|line| match line {
                InitLine::Stage { stage, uptime_us } => (stage, uptime_us),
                other => panic!("{run}: {other}"),
            })
            .collect();
        assert_eq!(
            stages.iter().map(|s| s.0).collect::<Vec<_>>(),
            Stage::ALL,
            "{run}"
        );
        assert!(stages.is_sorted_by_key(|s| s.1), "{run}: {stages:?}");
    }
}

#[test]
fn a_boot_without_init_has_no_line_of_init() {
    let console = corpus("no-init-lab-6.12.console");
    assert!(console.contains("Kernel panic"));
    assert_eq!(console.lines().filter_map(InitLine::parse).count(), 0);
}
