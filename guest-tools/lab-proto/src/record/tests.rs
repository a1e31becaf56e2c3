use proptest::prelude::*;

use super::*;

fn with(parts: &[(usize, &[u8])]) -> [u8; RECORD_BYTES] {
    let mut bytes = [0; RECORD_BYTES];
    for (at, value) in parts {
        bytes[*at..*at + value.len()].copy_from_slice(value);
    }
    bytes
}

/// Every member holds another pattern, so that a wrong offset shows.
fn copy_bytes() -> [u8; RECORD_BYTES] {
    with(&[
        (0, &7_u64.to_le_bytes()),
        (8, &5_000_000_000_u64.to_le_bytes()),
        (16, &177_u32.to_le_bytes()),
        (20, &176_u32.to_le_bytes()),
        (24, &1_u32.to_le_bytes()),
        (28, &[KIND_COPY, 1]),
        (32, b"sender\0junk"),
        (48, &0xff25_6bea_be44_562c_u64.to_le_bytes()),
        (56, &13_u64.to_le_bytes()),
        (64, &0xff67_d17e_0046_fd90_u64.to_le_bytes()),
        (72, &0x7fff_c909_24a2_u64.to_le_bytes()),
        (80, &12_u64.to_le_bytes()),
        (88, &812_u64.to_le_bytes()),
        (96, &0xff25_6bea_be44_0a00_u64.to_le_bytes()),
        (104, &[0, 5, COPY_HAS_USER]),
        (112, b"HELLO"),
    ])
}

fn one(bytes: &[u8]) -> Entry {
    let (entry, rest) = parse(bytes).unwrap();
    assert_eq!(rest, b"");
    entry
}

#[test]
fn each_member_of_a_copy_is_read_from_its_place() {
    let expected = Record {
        seq: 7,
        ns: 5_000_000_000,
        cpu: 1,
        pid: 177,
        tgid: 176,
        comm: "sender".to_owned(),
        func: Func::CopyToIter,
        regs: Some(Regs {
            di: Address(0xff25_6bea_be44_562c),
            si: Address(13),
            dx: Address(0xff67_d17e_0046_fd90),
        }),
        addr: Address(0xff25_6bea_be44_562c),
        len: 13,
        iter: IterKind::Ubuf,
        user: Some(Address(0x7fff_c909_24a2)),
        ret: 12,
        dur_ns: 812,
        data: b"HELLO".to_vec(),
        skb: Some(Address(0xff25_6bea_be44_0a00)),
        stack: None,
    };
    assert_eq!(one(&copy_bytes()), Entry::Copy(Box::new(expected)));
}

#[test]
fn each_member_of_an_event_is_read_from_its_place() {
    let mut bytes = with(&[
        (0, &9_u64.to_le_bytes()),
        (28, &[KIND_EVENT, 7]),
        (32, b"ksoftirqd/0"),
        (48, &0xff01_u64.to_le_bytes()),
        (56, &0xff02_u64.to_le_bytes()),
        (64, &0x1000_u64.to_le_bytes()),
        (72, &0x1010_u64.to_le_bytes()),
        (80, &0x1414_u64.to_le_bytes()),
        (88, &0x16c0_u64.to_le_bytes()),
        (96, &1028_u32.to_le_bytes()),
        (104, &2304_u32.to_le_bytes()),
        (108, &(EVENT_HAS_BUFFER | EVENT_HAS_SOCK).to_le_bytes()),
    ]);
    let Entry::Event { code, event } = one(&bytes) else {
        panic!("an event")
    };
    assert_eq!(code, 7);
    assert_eq!((event.seq, event.comm.as_str()), (9, "ksoftirqd/0"));
    assert_eq!((event.skb, event.sock), (Address(0xff01), Some(Address(0xff02))));
    assert_eq!(
        (event.head, event.data),
        (Some(Address(0x1000)), Some(Address(0x1010)))
    );
    assert_eq!(
        (event.tail, event.end),
        (Some(Address(0x1414)), Some(Address(0x16c0)))
    );
    assert_eq!((event.len, event.data_len), (Some(1028), Some(0)));
    assert_eq!(event.truesize, Some(2304));
    assert_eq!((event.headroom, event.tailroom), (Some(16), Some(684)));

    bytes[108] = 0;
    let Entry::Event { event, .. } = one(&bytes) else {
        panic!("an event")
    };
    assert_eq!(
        (event.sock, event.data, event.len, event.tailroom),
        (None, None, None, None)
    );
}

#[test]
fn a_stack_has_its_names_behind_it() {
    let mut bytes = with(&[
        (0, &7_u64.to_le_bytes()),
        (28, &[KIND_STACK, 0, 22, 0]),
        (48, &2_u32.to_le_bytes()),
    ])
    .to_vec();
    bytes.extend_from_slice(b"_copy_to_iter\nsys_rec\n");
    let names = vec!["_copy_to_iter".to_owned(), "sys_rec".to_owned()];
    assert_eq!(one(&bytes), Entry::Stack { seq: 7, names });
    bytes[48] = 3;
    match one(&bytes) {
        Entry::Stack { names, .. } => assert_eq!(names[2], "…", "the third did not fit"),
        other => panic!("{other:?}"),
    }
    bytes.pop();
    assert_eq!(parse(&bytes), Err(RecordError::Short(221)));
}

#[test]
fn a_probe_sits_somewhere_or_says_why_not() {
    let mut bytes = with(&[
        (28, &[KIND_PROBE, 4]),
        (48, &0xffff_ffff_8127_6b40_u64.to_le_bytes()),
        (60, &PROBE_AT_RETURN.to_le_bytes()),
        (64, b"ip_rcv\0"),
    ]);
    let placed = Probe {
        probe: "ip_rcv".to_owned(),
        at: Moment::Return,
        addr: Some(Address(0xffff_ffff_8127_6b40)),
        error: None,
    };
    assert_eq!(
        one(&bytes),
        Entry::Probe {
            code: 4,
            probe: placed
        }
    );
    bytes[56..60].copy_from_slice(&(-2_i32).to_le_bytes());
    match one(&bytes) {
        Entry::Probe { probe, .. } => assert_eq!((probe.addr, probe.error), (None, Some(2))),
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_the_flag_there_is_no_user_address() {
    let mut bytes = copy_bytes();
    bytes[offset::copy::FLAGS] = 0;
    let Entry::Copy(record) = one(&bytes) else {
        panic!("a copy")
    };
    assert_eq!(record.user, None);
}

#[test]
fn a_full_name_needs_no_closing_nul() {
    let mut bytes = copy_bytes();
    bytes[32..48].copy_from_slice(b"0123456789abcdef");
    let Entry::Copy(record) = one(&bytes) else {
        panic!("a copy")
    };
    assert_eq!(record.comm, "0123456789abcdef");
}

#[test]
fn a_drop_is_a_count() {
    let bytes = with(&[(28, &[KIND_DROPPED]), (48, &13_u64.to_le_bytes())]);
    assert_eq!(one(&bytes), Entry::Dropped(Dropped { dropped: 13 }));
}

#[test]
fn records_follow_each_other() {
    let bytes = [copy_bytes(), copy_bytes()].concat();
    let (_, rest) = parse(&bytes).unwrap();
    assert_eq!(rest, copy_bytes());
}

#[test]
fn what_the_witness_never_writes_is_refused() {
    let mut bytes = copy_bytes();
    bytes[offset::FUNC] = 9;
    assert_eq!(parse(&bytes), Err(RecordError::Func(9)));
    let mut bytes = copy_bytes();
    bytes[offset::KIND] = 9;
    assert_eq!(parse(&bytes), Err(RecordError::Kind(9)));
    let mut bytes = copy_bytes();
    bytes[offset::copy::DATA_LEN] = 65;
    assert_eq!(parse(&bytes), Err(RecordError::DataLength(65)));
    assert_eq!(parse(&bytes[..199]), Err(RecordError::Short(199)));
}

proptest! {
    #[test]
    fn any_bytes_are_an_entry_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..RECORD_BYTES * 2)) {
        if let Ok((Entry::Copy(record), _)) = parse(&bytes) {
            prop_assert!(record.data.len() <= DATA_BYTES);
        }
    }
}
