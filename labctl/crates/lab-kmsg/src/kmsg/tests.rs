use proptest::prelude::*;

use super::stream::LINE_MAX;
use super::*;
use crate::line::{Caller, Level, Origin};
use crate::sanitize;

fn texts(kmsg: &Kmsg) -> Vec<&str> {
    kmsg.records.iter().map(|record| record.text.as_str()).collect()
}

#[test]
fn a_record_has_all_its_parts() {
    let kmsg =
        Kmsg::parse(b"30,339,5140900,-,caller=T17;usb 1-1: new device\n SUBSYSTEM=usb\n DEVICE=c189:0\n");
    let record = &kmsg.records[0];
    assert_eq!((record.facility, record.level), (3, Level::Info));
    assert_eq!((record.seq, record.ts_us), (339, 5_140_900));
    assert_eq!(record.caller, Some(Caller::Task(17)));
    assert_eq!(record.text, "usb 1-1: new device");
    assert_eq!(record.dictionary[1], ("DEVICE".to_owned(), "c189:0".to_owned()));
    assert_eq!(record.origin(), Origin::User);
    assert_eq!(kmsg.noise, 0);
}

#[test]
fn an_embedded_line_break_stays_inside() {
    let kmsg = Kmsg::parse(b"6,1,10,-;one\\x0a6,2,11,-;two\\x5cx0a\n4,2,12,-;three\n");
    assert_eq!(texts(&kmsg), [r"one\n6,2,11,-;two\\x0a", "three"]);
    assert_eq!(
        kmsg.records[0].lines().collect::<Vec<_>>(),
        ["one", r"6,2,11,-;two\\x0a"]
    );
    assert_eq!(kmsg.lines()[1].index, 0);
    assert!(kmsg.gaps.is_empty());
}

#[test]
fn text_outside_ascii_comes_back() {
    let kmsg = Kmsg::parse("6,1,10,-;caf\\xc3\\xa9 \\xff \\x1b[0m".as_bytes());
    assert_eq!(texts(&kmsg), [r"café \xff \x1b[0m"]);
    assert_eq!(kmsg.records[0].bytes(), b"caf\xc3\xa9 \xff \x1b[0m");
}

#[test]
fn a_torn_start_is_noise_and_a_torn_end_is_marked() {
    let kmsg = Kmsg::parse(b"339,5140900,-;lost head\n6,8,9,-;whole\n6,9,10,-;cut o");
    assert_eq!(texts(&kmsg), ["whole", "cut o"]);
    assert!(!kmsg.records[0].torn && kmsg.records[1].torn);
    assert_eq!(kmsg.noise, 1);
}

#[test]
fn lost_and_repeated_records_are_reported() {
    let kmsg = Kmsg::parse(b"6,1,1,-;a\n6,5,2,-;b\n6,5,2,-;b\n6,6,3,-;c\n");
    assert_eq!(
        kmsg.gaps,
        [
            Gap::Lost {
                after_seq: 1,
                count: 3
            },
            Gap::Rewind {
                from_seq: 5,
                to_seq: 5
            }
        ]
    );
    assert_eq!(kmsg.records_lost(), 3);
}

#[test]
fn fragments_and_unknown_fields_are_understood() {
    let kmsg = Kmsg::parse(b"6,1,1,c;a\n6,2,1,-,new=field,caller=C1;b\n6,3,1,x;c\n");
    assert_eq!(texts(&kmsg), ["a", "b"]);
    assert!(kmsg.records[0].fragment);
    assert_eq!(kmsg.records[1].caller, Some(Caller::Cpu(1)));
}

#[test]
fn a_live_stream_gives_its_last_record_when_idle() {
    let mut stream = Stream::default();
    assert!(stream.push(b"6,1,1,-;a\n SUB").is_empty());
    assert_eq!(stream.take_idle(), None);
    assert!(stream.push(b"SYSTEM=x\n").is_empty());
    let record = stream.take_idle().unwrap();
    assert_eq!(record.dictionary.len(), 1);
    assert!(stream.finish().is_empty());
}

#[test]
fn an_endless_line_takes_no_memory() {
    let mut stream = Stream::default();
    for _ in 0..10 {
        assert!(stream.push(&[b'x'; LINE_MAX]).is_empty());
    }
    assert!(stream.partial.len() <= LINE_MAX);
    assert!(stream.push(b"\n6,1,1,-;after\n").is_empty());
    assert_eq!(stream.finish()[0].text, "after");
    assert_eq!(stream.noise(), 1);
}

/// What `msg_add_ext_text` does to a message.
fn kernel_escape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for &b in text {
        if (b' '..127).contains(&b) && b != b'\\' {
            out.push(b);
        } else {
            out.extend(format!("\\x{b:02x}").bytes());
        }
    }
    out
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_no_harm(input: Vec<u8>) {
        let kmsg = Kmsg::parse(&input);
        for line in kmsg.lines() {
            prop_assert!(line.text.chars().all(sanitize::is_plain));
        }
    }

    #[test]
    fn one_message_is_one_record(text in prop::collection::vec(
        prop_oneof![any::<u8>(), Just(b'\n'), Just(b';'), Just(b','), Just(b'\\'), b'0'..=b'9'], 0..80))
    {
        let mut input = b"6,1,10,-;".to_vec();
        input.extend(kernel_escape(&text));
        input.push(b'\n');
        let kmsg = Kmsg::parse(&input);
        prop_assert_eq!(kmsg.records.len(), 1);
        prop_assert_eq!(kmsg.records[0].bytes(), &text[..]);
        prop_assert!(!kmsg.records[0].text.contains('\n'));
    }

    #[test]
    fn chunks_make_no_difference(cuts in prop::collection::vec(0usize..120, 0..6)) {
        let input: &[u8] = b"garbage\n6,1,10,-;a\\x0ab\n K=V\n L=W\n12,4,11,c,caller=T1;c\n\n5,5,12,-;tail";
        let mut stream = Stream::default();
        let mut records = Vec::new();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(input.len())).collect();
        cuts.extend([0, input.len()]);
        cuts.sort_unstable();
        for pair in cuts.windows(2) {
            records.extend(stream.push(&input[pair[0]..pair[1]]));
        }
        records.extend(stream.finish());
        let whole = Kmsg::parse(input);
        prop_assert_eq!(records, whole.records);
        prop_assert_eq!(stream.gaps(), &whole.gaps[..]);
    }
}
